"""What is done so far: outcomes in part files, below the output folder, until the table is written.

A part appears whole or not at all, holds whole rows, and is never changed. There are a few large ones rather than many,
so that days of work are some hundred parts, and what is done is known from one listing and one narrow column.

A part's rows are in order, and its row groups end at the borders of stripes (``stripes.py``), so that who wants a range
of rows reads the row groups that hold it. Earlier versions kept rows as they came: such parts are put in order once,
by the run that goes on with them.

A part's name says which job, which run of it and which try wrote it: part-000001-<job>-<run>-<try>.parquet. So any
worker may write one, whatever becomes of it then: a part that is written twice is two parts, of whose rows each counts
once, and what a run that lost the lock may still have on its way takes no part's place, and is no part of another job;
the run that goes on reads those parts alone that were there when it began, and its own. Earlier versions named no try
(part-000001-<job>-<run>.parquet), or none of these (part-000001.parquet).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import OutputError
from par_model.runs.done import DoneRows
from par_model.runs.outcome import OUTCOME_SCHEMA
from par_model.wording import one_line

PART_SCHEMA = OUTCOME_SCHEMA.append(pa.field("run_id", pa.string()))

_NAME = re.compile(r"part-(\d{6,})(?:-([0-9a-z]+)-[0-9a-z]+(?:-[0-9a-z]+)?)?\.parquet")
_STRIPE_ROWS = b"par.stripe_rows"
_READERS = 16


@dataclass(frozen=True)
class PartFile:
    """What is known of a part without its rows. rows_of: stripe -> how many of its rows are there."""

    uri: str
    first_row: int
    last_row: int
    rows_of: dict[int, int]

    def holds_some_of(self, start: int, stop: int) -> bool:
        """Whether it may hold some of the rows ``start`` to ``stop - 1``."""
        return self.first_row < stop and start <= self.last_row


@dataclass(frozen=True)
class PartToWrite:
    """A part that is to be written, by any process. stripe: rows of a stripe. before: asked before the write."""

    folder: str
    number: int
    job_id: str
    run_id: str
    stripe: int
    before: storage.Before

    def write(self, tables: Sequence[pa.Table]) -> PartFile:
        """Write outcomes, which have OUTCOME_SCHEMA's columns and at least one row."""
        table = pa.concat_tables([outcomes.select(OUTCOME_SCHEMA.names) for outcomes in tables])
        table = table.append_column("run_id", pa.repeat(pa.scalar(self.run_id), len(table)))
        name = f"part-{self.number:06d}-{self.job_id}-{self.run_id}-{uuid.uuid4().hex[:8]}.parquet"
        return _write(storage.join(self.folder, name), table, self.stripe, self.before)


def _write(uri: str, table: pa.Table, stripe: int, before: storage.Before) -> PartFile:
    rows = table["_row"].to_numpy()
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    table = table.cast(PART_SCHEMA).take(pa.array(order))
    bounds = [0, *(np.flatnonzero(np.diff(rows // stripe)) + 1).tolist(), len(rows)]
    schema = PART_SCHEMA.with_metadata({_STRIPE_ROWS: str(stripe)})
    with storage.atomic_writer(uri, before) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for start, stop in pairwise(bounds):
            writer.write_table(table.slice(start, stop - start))
    rows_of = {int(rows[start] // stripe): stop - start for start, stop in pairwise(bounds)}
    return PartFile(uri, int(rows[0]), int(rows[-1]), rows_of)


def outcomes_of(uris: Sequence[str], stripes: Iterable[tuple[int, int]]) -> Iterator[pa.Table]:
    """For each stripe, its first row and the one behind its last, the outcomes of its rows (PART_SCHEMA) in row order.

    uris: the parts that may hold some. Of a row that is there twice, the outcome in the part that is named first
    counts: a worker that was lost after it had sent some of its unit may have sent them again.
    """
    footers = [(uri, *_footer(uri)) for uri in uris]
    for start, stop in stripes:
        found = [PART_SCHEMA.empty_table()]
        for uri, footer, (first, last) in footers:
            groups = np.flatnonzero((first < stop) & (start <= last)).tolist()
            if groups:
                with _opened(uri, footer) as file:
                    found.append(file.read_row_groups(groups, use_threads=False).replace_schema_metadata())
        table = pa.concat_tables(found)
        rows, firsts = np.unique(table["_row"].to_numpy(), return_index=True)
        yield table.take(pa.array(firsts[(start <= rows) & (rows < stop)]))


class PartStore:
    """The parts of a job below ``folder``. ``run_id`` marks the rows that this run adds.

    stripe: rows of a stripe. before: asked before each write and removal, as in ``storage.atomic_writer``. unnamed:
    whether parts that name no job are this job's.
    """

    def __init__(
        self, folder: str, job_id: str, run_id: str, stripe: int, before: storage.Before, *, unnamed: bool = False
    ) -> None:
        self._folder = folder
        self.job_id = job_id
        self._run_id = run_id
        self.stripe = stripe
        self._before = before
        found = [file.uri for file in storage.list_files(folder)]
        jobs = (job_id, None) if unnamed else (job_id,)
        ours = [uri for uri in found if (part := _NAME.fullmatch(storage.name(uri))) and part[2] in jobs]
        with ThreadPoolExecutor(_READERS) as readers:
            read = list(readers.map(lambda uri: _read(uri, stripe), ours))
        self.parts = [part if part is not None else self._in_order(uri) for uri, part in zip(ours, read, strict=True)]
        self._last = max((_number(uri) for uri in ours), default=0)
        with suppress(storage.PlaceError):  # nobody reads them
            for uri in set(found) - set(ours):
                before()
                storage.remove(uri)

    def next(self, before: storage.Before | None = None) -> PartToWrite:
        """What the next part is to be. before: what a writer elsewhere asks. Once written, ``count`` it."""
        self._last += 1
        return PartToWrite(self._folder, self._last, self.job_id, self._run_id, self.stripe, before or self._before)

    def count(self, part: PartFile) -> None:
        """Have a part that was written counted among those of the job."""
        self.parts.append(part)

    @property
    def holds_any(self) -> bool:
        """Whether there is any part on disk."""
        return bool(self.parts)

    def done(self) -> DoneRows:
        """Manifest rows that the parts on disk hold."""
        found = DoneRows()
        for column in self._column("_row"):
            found.add(column.to_numpy())
        return found

    def ids(self) -> pa.Array:
        """tracklet_ids that the parts on disk hold, in no order."""
        found = [chunk for column in self._column("tracklet_id") for chunk in column.chunks]
        return pa.concat_arrays([pa.array([], pa.string()), *found])

    def _column(self, name: str) -> Iterator[pa.ChunkedArray]:
        for part in self.parts:
            with _opened(part.uri) as file:
                yield file.read([name], use_threads=False)[name]

    def _in_order(self, uri: str) -> PartFile:
        with _opened(uri) as file:
            table = file.read(use_threads=False)
        return _write(uri, table, self.stripe, self._before)


@contextmanager
def _opened(uri: str, footer: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
    """A part, of which what is asked for is read, in one stretch where it lies in one. Raises OutputError where it is
    damaged, PlaceError."""
    with storage.guard(uri, "read"):
        try:
            if storage.is_local(uri):
                source = storage.local_path(uri)
            else:
                fs, path = storage.filesystem(uri)
                source = pa.PythonFile(fs.open(path, "rb", cache_type="none"), mode="r")
            with pq.ParquetFile(source, metadata=footer, pre_buffer=True) as file:
                yield file
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            # Of damaged bytes pyarrow raises an OSError without a number; what storage says has one, or a kind.
            if isinstance(error, OSError) and (error.errno or type(error) is not OSError):
                raise
            raise OutputError(
                f"{uri} is damaged ({one_line(error)}): remove it and run the same command again, which does its "
                f"tracklets anew"
            ) from error


def _read(uri: str, stripe: int) -> PartFile | None:
    """What the footer tells; None of a part that is not in the order of such stripes."""
    metadata, (first, last) = _footer(uri)
    if (metadata.metadata or {}).get(_STRIPE_ROWS) != str(stripe).encode():
        return None
    rows_of = {int(row) // stripe: metadata.row_group(group).num_rows for group, row in enumerate(first)}
    return PartFile(uri, int(first[0]), int(last[-1]), rows_of)


def _footer(uri: str) -> tuple[pq.FileMetaData, NDArray[np.int64]]:
    """A part's footer, and of each row group the first and the last row: [2, row groups]."""
    with _opened(uri) as file:
        metadata = file.metadata
    found = [metadata.row_group(group).column(0).statistics for group in range(metadata.num_row_groups)]
    return metadata, np.array([[s.min for s in found], [s.max for s in found]], np.int64)


def _number(uri: str) -> int:
    return int(storage.name(uri).split("-")[1].removesuffix(".parquet"))
