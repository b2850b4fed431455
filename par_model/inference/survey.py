"""What a job knows of its manifest once every row was read: whether it is ambiguous, how many rows are meant, and their
digest.

A manifest is surveyed by spans of row groups, each by itself, in any process; what is found of two spans adds up. While
a span is read, its rows may be dealt out to be sorted (``deal.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model import times
from par_model.errors import ManifestError, UsageError
from par_model.manifest.database import database
from par_model.manifest.digest import batch_digests
from par_model.manifest.plain import coarse
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import Complaint, id_complaint, losing_columns, same_id, value_complaint
from par_model.manifest.schema import DEFECT, ROW
from par_model.manifest.tracklets import TRACKLET_COLUMNS
from par_model.table.writer import folder_problem

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SPAN_ROWS = 2**16
SPAN_BYTES = 32 * 2**20  # before compression
_BATCH_ROWS = 4096
_ID_ROWS = 2**16
_MOST_DOUBTS = 1000

# Of each row a number that follows from its id, and the row.
HASHES = pa.schema([("hash", pa.uint64()), (ROW, pa.int64())])


@dataclass(frozen=True)
class Span:
    """Rows ``start`` to ``stop - 1``, of whole row groups. manifest: those files alone that hold them. left_out: for
    each of them, whether it is not to be recognised; None for none."""

    manifest: Manifest
    start: int
    stop: int
    left_out: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class RowQuestion:
    """What is asked of every row. columns: those that its digest and the attribute table depend on. split, stop: which
    rows are meant, those of the split before row ``stop``. partition_by: columns of the manifest that become folders.
    passed: columns that the table repeats.
    """

    columns: tuple[str, ...]
    split: str | None
    stop: int
    partition_by: tuple[str, ...]
    passed: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest, split: str | None, stop: int, partition_by: Iterable[str]) -> RowQuestion:
        """For all spans of a manifest."""
        passed = manifest.pass_through
        columns = tuple(dict.fromkeys([*TRACKLET_COLUMNS, *passed]))
        return cls(columns, split, stop, tuple(name for name in partition_by if name in passed), passed)


@dataclass(frozen=True)
class Surveyed:
    """What was found of some spans.

    selected: rows that are meant. left_out: those of them that are not to be recognised. digest, digest_left_out: sums
    of their rows' digests, two halves of 64 bits each. longest: frames or stills of the longest tracklet that is meant.
    no_id, lost_value: the first row that makes the manifest ambiguous so. finer: columns with times that microseconds
    do not hold.
    """

    selected: int = 0
    left_out: int = 0
    digest: tuple[int, int] = (0, 0)
    digest_left_out: tuple[int, int] = (0, 0)
    longest: int = 0
    no_id: Complaint | None = None
    lost_value: Complaint | None = None
    finer: frozenset[str] = frozenset()

    def __add__(self, other: Surveyed) -> Surveyed:
        return Surveyed(
            self.selected + other.selected,
            self.left_out + other.left_out,
            _sum(self.digest, other.digest),
            _sum(self.digest_left_out, other.digest_left_out),
            max(self.longest, other.longest),
            _first(self.no_id, other.no_id),
            _first(self.lost_value, other.lost_value),
            self.finer | other.finer,
        )

    def refuse(self, manifest: Manifest, twice: Complaint | None) -> None:
        """Raise ManifestError if the manifest is ambiguous. twice: the first row with the id of another."""
        for complaint in (self.no_id, twice, self.lost_value):
            if complaint is not None:
                raise complaint.of(manifest)


def spans_of(manifest: Manifest, left_out: NDArray[np.bool_] | None = None) -> list[Span]:
    """The manifest in spans of about ``SPAN_BYTES`` and at most ``SPAN_ROWS`` rows, unless a row group has more."""
    spans, files, start, stop, size = [], [manifest.files[0]], 0, 0, 0

    def close() -> None:
        of_span = replace(manifest, files=tuple(files))
        spans.append(Span(of_span, start, stop, None if left_out is None else left_out[start:stop]))

    for file in manifest.files:
        for rows, nbytes in file.groups:
            if stop > start and (stop + rows - start > SPAN_ROWS or size + nbytes > SPAN_BYTES):
                close()
                files, start, size = [], stop, 0
            if not files or files[-1] is not file:
                files.append(file)
            stop, size = stop + rows, size + nbytes
    if stop > start:
        close()
    return spans


def survey(
    span: Span, question: RowQuestion, deal: Callable[[DuckDBPyConnection, pa.Table], None]
) -> tuple[Surveyed, pa.Table]:
    """What is found of a span, and its ids' HASHES. deal: given the rows that are to be recognised, TRACKLET_COLUMNS,
    ``_row`` and ``_defect``, some at a time.

    Raises ManifestError, StorageError; UsageError for a value that no folder can be named after.
    """
    found, hashes, rows = Surveyed(), [], 0
    with database() as connection:
        for batch in _batches(span, question):
            if batch.num_rows == 0:
                continue
            rows += batch.num_rows
            hashes.append(_hashes(connection, batch))
            found += Surveyed(no_id=id_complaint(batch), lost_value=value_complaint(batch))
            meant = _meant(batch, question)
            if len(meant):
                left_out = _left_out(meant, span)
                _refuse_values(span.manifest, meant, question.partition_by)
                found += _looked_at(connection, meant, left_out, question)
                wanted = meant if left_out is None else meant.filter(pa.array(~left_out))
                deal(connection, wanted.select([*TRACKLET_COLUMNS, ROW, DEFECT]))
    if rows != span.stop - span.start:
        raise ManifestError(
            f"manifest {span.manifest.uri}: {rows} rows where its files had {span.stop - span.start}, from row "
            f"{span.start} on: it changed while the job read it; run the same command again"
        )
    return found, pa.concat_tables(hashes) if hashes else HASHES.empty_table()


def doubts(hashes: pa.Table) -> list[tuple[int, int, int]]:
    """Rows whose id may be that of an earlier one, in order, at most 1000: the row, and the first and the last earlier
    row with an id of the same hash. hashes: HASHES."""
    of_ids, rows = hashes["hash"].to_numpy(), hashes[ROW].to_numpy()
    order = np.lexsort((rows, of_ids))
    of_ids, rows = of_ids[order], rows[order]
    again = np.flatnonzero(of_ids[1:] == of_ids[:-1]) + 1
    again = again[np.argsort(rows[again])][:_MOST_DOUBTS]
    firsts = np.searchsorted(of_ids, of_ids[again])
    return list(zip(rows[again].tolist(), rows[firsts].tolist(), rows[again - 1].tolist(), strict=True))


def first_twice(manifest: Manifest, found: Iterable[tuple[int, int, int]]) -> Complaint | None:
    """The first row whose id an earlier row has. found: ``doubts`` of all buckets; ids that share a hash may differ."""
    for row, *earlier in sorted(found):
        tracklet_id = manifest.tracklet_id(row)
        for other in earlier:
            if tracklet_id and manifest.tracklet_id(other) == tracklet_id:
                return same_id(manifest, row, other, tracklet_id)
    return None


def digest_text(digest: tuple[int, int]) -> str:
    """As run.json has it: the sum of the rows' own, so that it can be compared with that of the same rows in a larger
    manifest, whatever their order and files."""
    return "".join(f"{half:016x}" for half in digest)


def _batches(span: Span, question: RowQuestion) -> Iterator[pa.RecordBatch]:
    """Of rows that cannot be meant, no more than shows whether the manifest is ambiguous."""
    border = min(max(span.start, question.stop), span.stop)
    columns = list(dict.fromkeys([*question.columns, *(["split"] if question.split is not None else [])]))
    yield from span.manifest.iter_batches(columns, _BATCH_ROWS, rows=(span.start, border))
    losing = {name for file in span.manifest.files for name in losing_columns(file, span.manifest.schema)}
    yield from span.manifest.iter_batches(["tracklet_id", *sorted(losing)], _ID_ROWS, rows=(border, span.stop))


def _meant(batch: pa.RecordBatch, question: RowQuestion) -> pa.Table:
    rows = pa.Table.from_batches([batch])
    if batch[ROW][0].as_py() >= question.stop:
        return rows.slice(0, 0)
    if question.split is not None:
        rows = rows.filter(pc.fill_null(pc.equal(rows["split"], question.split), False))
    return rows.select([*question.columns, ROW, DEFECT])


def _left_out(rows: pa.Table, span: Span) -> NDArray[np.bool_] | None:
    return None if span.left_out is None else span.left_out[rows[ROW].to_numpy() - span.start]


def _refuse_values(manifest: Manifest, meant: pa.Table, partition_by: Iterable[str]) -> None:
    """Raise UsageError for a value that no folder can be named after, with the first row that has it."""
    for name in partition_by:
        column = coarse(meant[name])
        if column is None:
            raise UsageError(
                f"--partition-by {name}: {manifest.uri} has times finer than a microsecond there, which few tools read "
                "back from a folder's name; partition by another column"
            )
        values = column.unique()
        for at, value in enumerate(times.to_pylist(values)):
            problem = folder_problem(name, value)
            if problem is not None:
                row = meant[ROW][pc.equal(column, values[at]).index(True).as_py()].as_py()
                raise UsageError(f"--partition-by {name}: {manifest.where(row)} of {manifest.uri} {problem}")


def _looked_at(
    connection: DuckDBPyConnection, meant: pa.Table, left_out: NDArray[np.bool_] | None, question: RowQuestion
) -> Surveyed:
    [batch] = meant.combine_chunks().to_batches()
    digests = batch_digests(connection, batch)
    lengths = (pc.max(pc.list_value_length(meant[name])).as_py() for name in ("frame_indices", "image_uris"))
    found = Surveyed(
        len(meant),
        digest=_total(digests),
        longest=max(length or 0 for length in lengths),
        finer=frozenset(name for name in question.passed if coarse(meant[name]) is None),
    )
    if left_out is None:
        return found
    return replace(found, left_out=int(left_out.sum()), digest_left_out=_total(digests[left_out]))


def _hashes(connection: DuckDBPyConnection, batch: pa.RecordBatch) -> pa.Table:
    ids = pa.table({"id": batch["tracklet_id"], ROW: batch[ROW]})
    connection.register("ids", ids)
    found = connection.sql(f"SELECT hash(id) AS hash, {ROW} FROM ids WHERE id <> ''").to_arrow_table()
    connection.unregister("ids")
    return found.cast(HASHES)


def _total(digests: NDArray[np.uint64]) -> tuple[int, int]:
    first, second = digests.sum(axis=0, dtype=np.uint64).tolist()
    return first, second


def _sum(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    return (left[0] + right[0]) % 2**64, (left[1] + right[1]) % 2**64


def _first(left: Complaint | None, right: Complaint | None) -> Complaint | None:
    return min((complaint for complaint in (left, right) if complaint is not None), default=None)
