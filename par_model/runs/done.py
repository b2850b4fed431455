"""Which rows of a manifest are done: a bit for each, so that ten million take a megabyte."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class DoneRows:
    """A set of row numbers, of which ``len`` tells how many there are."""

    def __init__(self, rows: NDArray[np.int64] | None = None) -> None:
        self._bits: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._used = self._count = 0
        if rows is not None:
            self.add(rows)

    def __len__(self) -> int:
        return self._count

    def add(self, rows: NDArray[np.int64]) -> None:
        """Add rows, int64 from 0 on, in any order; those that are in it already change nothing."""
        if not len(rows):
            return
        rows = np.sort(rows)
        at = rows >> 3
        starts = np.flatnonzero(np.diff(at, prepend=-1))
        found = np.bitwise_or.reduceat(np.left_shift(1, rows & 7).astype(np.uint8), starts)
        at = at[starts]
        self._used = max(self._used, int(at[-1]) + 1)
        if self._used > len(self._bits):
            # Twice as long, so that parts that follow each other do not copy it each time.
            longer = np.zeros(max(self._used, 2 * len(self._bits)), np.uint8)
            longer[: len(self._bits)] = self._bits
            self._bits = longer
        self._count += int(np.unpackbits(found & ~self._bits[at]).sum())
        self._bits[at] |= found

    @property
    def bits(self) -> NDArray[np.uint8]:
        """uint8, row ``r`` at bit ``r & 7`` of byte ``r >> 3``; as many bytes as the last row wants. A view."""
        return self._bits[: self._used]

    def holds(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of the rows, int64 from 0 on, is in it."""
        return are_done(self.bits, rows)

    def rows(self) -> NDArray[np.int64]:
        """All of them, in order."""
        return np.flatnonzero(np.unpackbits(self.bits, bitorder="little"))


def are_done(bits: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of the rows is in the set that has these ``bits``; rows behind their end are not."""
    at = rows >> 3
    inside = at < len(bits)
    if not len(bits):
        return inside
    found = bits[np.where(inside, at, 0)] >> (rows & 7).astype(np.uint8)
    return np.asarray((found & 1).astype(bool) & inside)
