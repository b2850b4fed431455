"""Rows that do not fit in memory, cut into buckets on disk of which each does.

Sorting a million rows as a whole takes memory in proportion, or a database that takes what its limit allows. Rows are
dealt out by a rough key instead, so that each bucket can be sorted by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model.scratch import scratch_folder

_BUCKET_BYTES = 24 * 2**20
_MOST_BUCKETS = 200  # each is an open file
_PIECE_BYTES = 128 * 2**10  # of one bucket are written at a time


def enough_buckets(rows: int, bytes_per_row: float) -> int:
    """How many buckets so many rows want."""
    return max(1, min(_MOST_BUCKETS, round(rows * bytes_per_row / _BUCKET_BYTES)))


class Buckets:
    """Buckets 0 to ``count - 1`` of rows of one schema, in a temporary folder that goes with the ``with`` block."""

    def __init__(self, schema: pa.Schema, count: int) -> None:
        self._schema, self._count = schema, count
        self._stack = ExitStack()
        self._writers: list[pa.ipc.RecordBatchFileWriter] = []
        self._paths: list[Path] = []
        self._waiting: list[list[pa.Table]] = [[] for _ in range(count)]
        self._waiting_bytes = [0] * count

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(scratch_folder("sort")))
        for number in range(self._count):
            self._paths.append(folder / f"{number}.arrow")
            sink = self._stack.enter_context(pa.OSFile(str(self._paths[-1]), "wb"))
            self._writers.append(pa.ipc.new_file(sink, self._schema))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, rows: pa.Table, numbers: NDArray[np.int64]) -> None:
        """Put each row into the bucket of its number."""
        order = np.argsort(numbers, kind="stable")
        dealt = rows.take(pa.array(order))
        bounds = np.searchsorted(numbers[order], np.arange(self._count + 1)).tolist()
        for number, (start, stop) in enumerate(pairwise(bounds)):
            if stop > start:
                piece = dealt.slice(start, stop - start)
                self._waiting[number].append(piece)
                self._waiting_bytes[number] += piece.nbytes
                if self._waiting_bytes[number] >= _PIECE_BYTES:
                    self._write(number)

    def tables(self) -> Iterator[pa.Table]:
        """The buckets in order, each in the order in which its rows came. Nothing can be added any more."""
        for number, writer in enumerate(self._writers):
            self._write(number)
            writer.close()
        for path in self._paths:
            with pa.memory_map(str(path)) as source:
                yield pa.ipc.open_file(source).read_all()
            path.unlink()

    def _write(self, number: int) -> None:
        if self._waiting[number]:
            # A slice would take all that it is a slice of along; put together, rows are copied.
            self._writers[number].write_table(pa.concat_tables(self._waiting[number]).combine_chunks())
        self._waiting[number], self._waiting_bytes[number] = [], 0
