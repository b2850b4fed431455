"""What is done so far: outcomes in append-only part files, below the output folder, until the table is written.

A part appears whole or not at all, holds whole rows, and is never changed. One process writes them (the job holds the
output's lock), a few large ones rather than many: when a twentieth of the run's time has passed since the last, at
least a second and at most five minutes, or when 32 MiB wait. So a job that is killed loses that share of its work and
nothing else, days of work are some hundred parts, and what is done is known from one listing and one narrow column.

A part's name says which job and which run of it wrote it: part-000001-<job>-<run>.parquet. So what a run that lost the
lock may still have on its way takes no part's place, and is no part of another job; the run that goes on reads those
parts alone that were there when it began, and its own. Earlier versions named neither (part-000001.parquet).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from par_model import storage
from par_model.runs.buckets import Buckets, enough_buckets
from par_model.runs.outcome import OUTCOME_SCHEMA

PART_SCHEMA = OUTCOME_SCHEMA.append(pa.field("run_id", pa.string()))

_NAME = re.compile(r"part-(\d{6,})(?:-([0-9a-z]+)-[0-9a-z]+)?\.parquet")
_FLUSH_SHARE = 1 / 20
_FLUSH_SECONDS = (1.0, 300.0)
_FLUSH_BYTES = 32 * 2**20
_BATCH_ROWS = 4096


class PartStore:
    """The parts of a job below ``folder``. ``run_id`` marks the rows that this run adds.

    before: asked before each write and removal, as in ``storage.atomic_writer``. unnamed: whether parts that name no
    job are this job's.
    """

    def __init__(self, folder: str, job_id: str, run_id: str, before: storage.Before, *, unnamed: bool = False) -> None:
        self._folder = folder
        self._job_id = job_id
        self._run_id = run_id
        self._before = before
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._started = self._last_flush = time.monotonic()
        found = [file.uri for file in storage.list_files(folder)]
        jobs = (job_id, None) if unnamed else (job_id,)
        self._uris = [uri for uri in found if (part := _NAME.fullmatch(storage.name(uri))) and part[2] in jobs]
        with suppress(storage.PlaceError):  # nobody reads them
            for uri in set(found) - set(self._uris):
                before()
                storage.remove(uri)

    def append(self, outcomes: pa.Table) -> None:
        """Keep outcomes (OUTCOME_SCHEMA). They are on disk after the next flush."""
        self._waiting.append(outcomes.select(OUTCOME_SCHEMA.names))
        self._waiting_bytes += outcomes.nbytes
        if self._waiting_bytes >= _FLUSH_BYTES or self._is_due():
            self.flush()

    def flush(self) -> None:
        """Write what waits as one part."""
        if self._waiting:
            table = pa.concat_tables(self._waiting)
            table = table.append_column(PART_SCHEMA.field("run_id"), pa.repeat(pa.scalar(self._run_id), len(table)))
            number = 1 + max((_number(uri) for uri in self._uris), default=0)
            uri = storage.join(self._folder, f"part-{number:06d}-{self._job_id}-{self._run_id}.parquet")
            with storage.atomic_writer(uri, self._before) as file:
                pq.write_table(table.cast(PART_SCHEMA), file, compression="zstd")
            self._uris.append(uri)
        self._waiting, self._waiting_bytes, self._last_flush = [], 0, time.monotonic()

    @property
    def holds_any(self) -> bool:
        """Whether there is any part on disk."""
        return bool(self._uris)

    def done(self) -> NDArray[np.int64]:
        """Manifest rows that the parts on disk hold, in no order."""
        return np.concatenate([np.empty(0, np.int64), *(b["_row"].to_numpy() for b in self._batches(["_row"]))])

    def ids(self) -> pa.Array:
        """tracklet_ids that the parts on disk hold, in no order."""
        found = [batch["tracklet_id"] for batch in self._batches(["tracklet_id"])]
        return pa.concat_arrays(found) if found else pa.array([], pa.string())

    def in_row_order(self, rows_per_batch: int) -> Iterator[pa.Table]:
        """All outcomes (PART_SCHEMA), sorted by manifest row, on disk where memory does not suffice.

        Of a row that is there twice, the outcome that came first counts: a worker that was lost after it had sent some
        of its unit may have sent them again.
        """
        if not self._uris:
            return
        done = self.done()
        batches = self._batches(PART_SCHEMA.names)
        first = next(batches)
        count, last = enough_buckets(len(done), first.nbytes / len(first)), int(done.max())
        with Buckets(PART_SCHEMA, count) as buckets:
            for batch in chain([first], batches):
                numbers = batch["_row"].to_numpy() * count // (last + 1)
                buckets.add(pa.Table.from_batches([batch], PART_SCHEMA), numbers)
            for table in buckets.tables():
                _, firsts = np.unique(table["_row"].to_numpy(), return_index=True)
                for start in range(0, len(firsts), rows_per_batch):
                    yield table.take(pa.array(firsts[start : start + rows_per_batch]))

    def _is_due(self) -> bool:
        now = time.monotonic()
        least, most = _FLUSH_SECONDS
        return now - self._last_flush >= min(most, max(least, _FLUSH_SHARE * (now - self._started)))

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, in the order in which they were written."""
        for uri in self._uris:
            fs, path = storage.arrow_filesystem(uri)
            with pq.ParquetFile(path, filesystem=fs, pre_buffer=False) as file:
                yield from file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False)


def _number(uri: str) -> int:
    return int(storage.name(uri).split("-")[1].removesuffix(".parquet"))
