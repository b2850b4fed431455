"""Rows on their way from the manifest, as it is written, to units, as videos are read: dealt out by video into buckets.

Storage is the exchange. One task reads a span of the manifest and writes one file of pieces, each the rows of one
bucket; one task reads the pieces of one bucket from all these files, sorts them, and writes its units. So a task that
is lost is done again by itself, and what is there counts when the job is killed. Hashes of ids travel in the same
files, dealt out into buckets of their own, in which equal ones meet.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model import storage
from par_model.inference.survey import HASHES, RowQuestion, Span, Surveyed, survey
from par_model.inference.units import UNIT_SCHEMA
from par_model.manifest.refuse import Complaint
from par_model.manifest.schema import ROW
from par_model.runs.pieces import Pieces, PieceWriter, piece_writer, read_piece

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Piece = tuple[str, int, int]  # a file, and the bounds of a piece in it
_ROUND_BYTES = 32 * 2**20  # of rows that are dealt out at a time
_STILLS_TOGETHER = 4096  # rows


@dataclass(frozen=True)
class Dealing:
    """How rows are dealt out: the same for all spans of a job. folder, job_id: where files lie and whose they are.

    before: asked before each write, as in ``storage.atomic_writer``.
    """

    folder: str
    job_id: str
    buckets: int
    id_buckets: int
    question: RowQuestion
    before: storage.Before

    def place(self, kind: str, number: int) -> str:
        """Where an attempt writes its file. No two attempts have one name, so that none harms another's."""
        return storage.join(self.folder, f"{kind}-{number:06d}-{self.job_id}-{uuid.uuid4().hex[:8]}")


@dataclass(frozen=True, eq=False)
class Dealt:
    """A file of pieces of one span: once or more the rows of each bucket, then the hashes of each bucket of ids.

    bounds: where the pieces begin and end, int64.
    """

    uri: str
    bounds: NDArray[np.int64]
    surveyed: Surveyed

    def rows(self, bucket: int, dealing: Dealing) -> list[Piece]:
        """The pieces of a bucket of rows."""
        of_rows = range(bucket, len(self.bounds) - 1 - dealing.id_buckets, dealing.buckets)
        return [piece for number in of_rows for piece in self._piece(number)]

    def hashes(self, bucket: int, dealing: Dealing) -> list[Piece]:
        """Those of a bucket of ids."""
        return self._piece(len(self.bounds) - 1 - dealing.id_buckets + bucket)

    def _piece(self, number: int) -> list[Piece]:
        start, stop = self.bounds[number : number + 2].tolist()
        return [(self.uri, start, stop)] if start < stop else []

    @classmethod
    def found(cls, file: storage.FileInfo) -> Dealt:
        """A file that is there already."""
        facts = Pieces(file.uri, file.size).facts()
        return cls(file.uri, np.array(facts["bounds"], np.int64), _surveyed(facts["surveyed"]))


def deal_span(number: int, span: Span, dealing: Dealing) -> Dealt:
    """Survey a span and write its rows, dealt out. Raises as ``survey``."""
    uri = dealing.place("dealt", number)
    with piece_writer(uri, dealing.before) as file:
        rounds = _Rounds(file, dealing.buckets)
        surveyed, hashes = survey(span, dealing.question, rounds.add)
        rounds.flush()
        numbers = (hashes["hash"].to_numpy() % np.uint64(dealing.id_buckets)).astype(np.int64)
        for piece in _dealt(hashes, numbers, dealing.id_buckets):
            file.add(piece)
        file.facts["surveyed"] = _described(surveyed)
    return Dealt(uri, np.array(file.bounds, np.int64), surveyed)


def hashes_of(pieces: Sequence[Piece]) -> pa.Table:
    """HASHES of one bucket of ids."""
    return pa.Table.from_batches([read_piece(*piece, HASHES) for piece in pieces], HASHES)


def rows_of(pieces: Sequence[Piece]) -> Iterator[pa.RecordBatch]:
    """Rows of one bucket (UNIT_SCHEMA), in no order."""
    return (read_piece(*piece, UNIT_SCHEMA) for piece in pieces)


@dataclass
class _Rounds:
    """Deals out what waits whenever it is much, so that memory does not grow with the span."""

    file: PieceWriter
    buckets: int
    waiting: list[pa.Table] = field(default_factory=list)
    nbytes: int = 0

    def add(self, connection: DuckDBPyConnection, rows: pa.Table) -> None:
        numbers = _buckets_of(connection, rows, self.buckets)
        self.waiting.append(rows.append_column("bucket", pa.array(numbers)))
        self.nbytes += rows.nbytes
        if self.nbytes >= _ROUND_BYTES:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            rows = pa.concat_tables(self.waiting)
            for piece in _dealt(rows.drop(["bucket"]), rows["bucket"].to_numpy(), self.buckets):
                self.file.add(piece)
        self.waiting, self.nbytes = [], 0


def _dealt(rows: pa.Table, numbers: NDArray[np.int64], count: int) -> Iterator[pa.Table]:
    """The rows of number 0, 1, ..., each in the order in which they came."""
    order = np.argsort(numbers, kind="stable")
    sorted_rows = rows.take(pa.array(order)) if count > 1 else rows
    for start, stop in pairwise(np.searchsorted(numbers[order], np.arange(count + 1)).tolist()):
        yield sorted_rows.slice(start, stop - start)


def _buckets_of(connection: DuckDBPyConnection, rows: pa.Table, count: int) -> NDArray[np.int64]:
    """Equal for rows of one video. Stills are dealt out by row: any number of them is as good."""
    connection.register("rows", rows.select(["video_uri", ROW]))
    of_stills = f"CAST({ROW} // {_STILLS_TOGETHER} AS UBIGINT)"
    bucket = f"CASE WHEN video_uri IS NULL THEN {of_stills} ELSE hash(video_uri) END % {count}"
    found = connection.sql(f"SELECT CAST({bucket} AS BIGINT) FROM rows").to_arrow_table()
    connection.unregister("rows")
    return np.asarray(found.column(0).to_numpy(), np.int64)


def _described(surveyed: Surveyed) -> dict[str, Any]:
    return asdict(surveyed) | {"finer": sorted(surveyed.finer)}


def _surveyed(found: dict[str, Any]) -> Surveyed:
    pairs = {name: tuple(found[name]) for name in ("digest", "digest_left_out")}
    complaints = {name: Complaint(**found[name]) if found[name] else None for name in ("no_id", "lost_value")}
    return Surveyed(**(found | pairs | complaints | {"finer": frozenset(found["finer"])}))
