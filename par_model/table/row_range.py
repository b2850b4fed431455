"""One range of a manifest's rows on its way into the table: what a task of its own can do on any machine.

The invariant is checked here, for the range: every selected row has one outcome, by number and id, and no other has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import OutputError
from par_model.manifest.read import Manifest
from par_model.manifest.selection import Selection
from par_model.runs.parts import PART_SCHEMA, PartFile, outcomes_of
from par_model.runs.stripes import cut_ranges
from par_model.table.results import Reading, table_results
from par_model.table.writer import FILE_BYTES, TableWriter


@dataclass(frozen=True)
class RowRange:
    """What it takes to write the rows ``first`` to ``end - 1``; may be sent to another process.

    folder, schema, partition_by, sort_by, number: of the table and its files, as in ``TableWriter``. stop: no row from
    this one on is selected. before: asked before each write. stripe: rows of a stripe, at whose borders ``first`` and
    ``end`` lie. parts: URIs of those that may hold some of the rows. left_out: None, or for each row of the range
    whether the table has it already, as packed bits.
    """

    folder: str
    schema: pa.Schema
    partition_by: tuple[str, ...]
    manifest: Manifest
    selection: Selection
    reading: Reading
    before: storage.Before
    stripe: int
    stop: int
    first: int = 0
    end: int = 0
    number: int = 0
    parts: tuple[str, ...] = ()
    left_out: bytes | None = None
    sort_by: tuple[str, ...] = ()

    def between(
        self, first: int, end: int, parts: Sequence[PartFile], left_out: NDArray[np.bool_], number: int
    ) -> Self:
        """Some of it. left_out: for each row of the manifest."""
        there = left_out[first:end]
        return replace(
            self,
            first=first,
            end=end,
            number=number,
            manifest=replace(self.manifest, files=self.manifest.files_of(first, end)),
            parts=tuple(part.uri for part in parts if part.holds_some_of(first, end)),
            left_out=np.packbits(there).tobytes() if there.any() else None,
        )

    def results(self) -> Iterator[pa.Table]:
        """The rows as they stand in the table, some at a time. Raises OutputError where one is missing or surplus."""
        outcomes = _Stream(outcomes_of(self.parts, self._stripes()))
        for rows in self._rows():
            found = outcomes.take(len(rows))
            if not _same_tracklets(rows, found):
                raise OutputError(f"{self.folder}: {_mismatch(rows, found)}; run the same command again")
            yield table_results(rows, found, self.reading, self.schema)
        surplus = outcomes.take(1)
        if len(surplus):
            raise OutputError(f"{self.folder}: row {surplus['_row'][0]} was recognised, but it is not wanted")

    def _stripes(self) -> Iterator[tuple[int, int]]:
        # Also behind the last selected row, so that a surplus one is seen.
        return ((start, start + self.stripe) for start in range(self.first, self.end, self.stripe))

    def _rows(self) -> Iterator[pa.Table]:
        bits = np.frombuffer(self.left_out, np.uint8) if self.left_out is not None else None
        left_out = np.unpackbits(bits).astype(bool) if bits is not None else None
        pass_through = self.manifest.pass_through
        for rows in self.selection.batches(self.manifest, pass_through, rows=(self.first, min(self.end, self.stop))):
            kept = rows if left_out is None else rows.filter(pa.array(~left_out[rows["_row"].to_numpy() - self.first]))
            if len(kept):
                yield kept


@dataclass(frozen=True)
class WrittenRange:
    """What became of a range. errors: failed rows by code."""

    number: int
    rows: int
    errors: dict[str, int]
    files: tuple[str, ...]


def cut(whole: RowRange, parts: Sequence[PartFile], left_out: NDArray[np.bool_], number: int) -> list[RowRange]:
    """Ranges that make files of a good size, numbered from ``number`` on. whole: what they have in common."""
    stripes = max(1, -(-whole.manifest.num_rows // whole.stripe))
    rows_of = np.zeros(stripes, np.int64)
    for part in parts:
        rows_of[list(part.rows_of)] += list(part.rows_of.values())
    borders = [(0, stripes)]
    if stripes > 1 and rows_of.any():
        stripe = int(np.flatnonzero(rows_of)[0])
        start = stripe * whole.stripe
        first = next(whole.between(start, start + whole.stripe, parts, left_out, 0).results(), None)
        if first is not None:
            borders = cut_ranges(rows_of, FILE_BYTES / (first.nbytes / len(first)))
    return [
        whole.between(first * whole.stripe, stop * whole.stripe, parts, left_out, number + i)
        for i, (first, stop) in enumerate(borders)
    ]


def write_range(rows: RowRange) -> WrittenRange:
    """Write the files of a range. Can be done again, and by two at a time, with the same result."""
    count, errors = 0, Counter[str]()
    with TableWriter(rows.folder, rows.schema, rows.partition_by, rows.before, rows.number, rows.sort_by) as writer:
        for results in rows.results():
            count += len(results)
            errors.update(results["error"].drop_null().to_pylist())
            writer.write(results)
    return WrittenRange(rows.number, count, dict(errors), tuple(writer.files))


class _Stream:
    """Takes any number of rows from a stream of tables."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rest = PART_SCHEMA.empty_table()

    def take(self, count: int) -> pa.Table:
        """The next ``count`` rows, fewer only at the end."""
        while len(self._rest) < count:
            more = next(self._tables, None)
            if more is None:
                break
            self._rest = pa.concat_tables([self._rest, more])
        taken, self._rest = self._rest.slice(0, count), self._rest.slice(count)
        return taken.combine_chunks()


def _same_tracklets(rows: pa.Table, found: pa.Table) -> bool:
    return bool(found["_row"].equals(rows["_row"]) and found["tracklet_id"].equals(rows["tracklet_id"]))


def _mismatch(rows: pa.Table, found: pa.Table) -> str:
    wanted, got = Counter(rows["_row"].to_pylist()), Counter(found["_row"].to_pylist())
    missing, surplus = wanted - got, got - wanted
    if not missing:
        return "the results' ids are not the manifest's: it changed while the job ran"
    if surplus and min(surplus) < min(missing):  # a later one is the next batch's
        return f"row {min(surplus)} was recognised, but it is not wanted"
    return f"{missing.total()} tracklets were not recognised, row {min(missing)} of the manifest among them"
