"""A remote object as a file: what is read is fetched in ranges and kept for a while.

What will be read can be said beforehand. Then parts that lie close to each other are one request, and several requests
are made at a time.
"""

from __future__ import annotations

import os
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from par_model.video.bytes.remote import RemoteObject

# From one byte up to another.
Part = tuple[int, int]

# Bytes that come in the time which one more request takes, where several are made at a time: some 30 ms at 80 MB/s,
# an eighth of it. So parts that lie closer to each other are one request.
REQUEST = 256 << 10
# Ranges have to save this much against a whole copy, which is asked for once and confirmed once.
WORTH = 0.8
_BLOCK = 64 << 10
_LONGEST_READ = 4 << 20
_AHEAD = 16 << 20  # of what will be read
_KEPT = 2 * _AHEAD


def merged(parts: Iterable[Part]) -> list[Part]:
    """The requests that parts take: in order, one for those that lie close, several for long ones."""
    joined: list[Part] = []
    for start, stop in sorted(parts):
        if joined and start - joined[-1][1] <= REQUEST:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        elif stop > start:
            joined.append((start, stop))
    return [
        (begin, min(begin + _LONGEST_READ, stop))
        for start, stop in joined
        for begin in range(start, stop, _LONGEST_READ)
    ]


def cost(requests: Iterable[Part]) -> int:
    """What requests cost, in bytes."""
    return sum(stop - start + REQUEST for start, stop in requests)


class RangedFile:
    """A seekable view of a remote object. Fetches what is read, more and more at a time while it goes straight on.

    expected: what will be read, as ``merged`` gives it. Where a read meets a part of it, those behind are fetched too.
    """

    def __init__(self, remote: RemoteObject) -> None:
        self._remote = remote
        self._position = 0
        self.expected: list[Part] = []
        self._starts: list[int] = []  # of chunks, in order; no two have a byte in common
        self._chunks: OrderedDict[int, bytes] = OrderedDict()  # by their start; the one used last is last
        self._kept = 0  # bytes of all chunks
        self._next = -1  # where the last chunk that nobody had expected ends
        self._run = 0  # bytes that were fetched so one after the other

    def read(self, size: int = -1) -> bytes:
        stop = self._remote.size if size < 0 else self._position + size
        pieces = []
        while piece := self.read_some(stop - self._position):
            pieces.append(piece)
        return b"".join(pieces)

    def read_some(self, size: int) -> bytes:
        """At least a byte, where the object has one here, and as many as are at hand: who reads ahead needs no more."""
        stop = min(self._position + size, self._remote.size)
        if stop <= self._position:
            return b""
        start = self._chunk_at(self._position)
        if start is None:
            self._fetch(self._position, stop)
            start = self._chunk_at(self._position)
            assert start is not None
        self._chunks.move_to_end(start)
        found = self._chunks[start][self._position - start : stop - start]
        self._position += len(found)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._remote.size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}: before the start")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._chunks.clear()
        self._starts.clear()

    def _chunk_at(self, position: int) -> int | None:
        """The start of the chunk that holds a byte."""
        after = bisect_right(self._starts, position)
        start = self._starts[after - 1] if after else position
        return start if after and position < start + len(self._chunks[start]) else None

    def _fetch(self, position: int, stop: int) -> None:
        """Fetch bytes from ``position`` on, as many of those up to ``stop`` as one request may, and what is expected
        next."""
        requests = list(self._expected_from(position)) or [self._unexpected(position, stop)]
        for (start, _), data in zip(requests, self._remote.read_ranges(requests), strict=True):
            self._keep(start, data)

    def _expected_from(self, position: int) -> Iterator[Part]:
        """What is to be fetched of the expected part that holds a byte, and of those behind it."""
        after = bisect_right(self.expected, (position, self._remote.size))
        if not after or position >= self.expected[after - 1][1]:
            return
        left = _AHEAD
        for start, stop in self.expected[after - 1 :]:
            for begin, end in self._missing(max(start, position), min(stop, self._remote.size)):
                left -= end - begin
                if left < 0:
                    return
                yield begin, end

    def _unexpected(self, position: int, stop: int) -> Part:
        is_next = position == self._next
        self._run = self._run if is_next else 0
        block = position - position % _BLOCK
        # A quarter of what was read straight on, so that no more than that is fetched in vain.
        more = min(_BLOCK * (1 + self._run // _BLOCK // 4), _LONGEST_READ)
        end = min(max(block + more, min(stop, position + _LONGEST_READ)), self._remote.size)
        start, end = next((s, e) for s, e in self._missing(position if is_next else block, end) if s <= position < e)
        self._run += end - start
        self._next = end
        return start, end

    def _missing(self, start: int, stop: int) -> Iterator[Part]:
        """The parts between two bytes that no chunk holds."""
        for chunk in self._starts[max(0, bisect_right(self._starts, start) - 1) :]:
            if chunk >= stop:
                break
            if start < chunk:
                yield start, chunk
            start = max(start, chunk + len(self._chunks[chunk]))
        if start < stop:
            yield start, stop

    def _keep(self, start: int, data: bytes) -> None:
        insort(self._starts, start)
        self._chunks[start] = data
        self._kept += len(data)
        while self._kept > _KEPT:
            oldest, dropped = self._chunks.popitem(last=False)
            del self._starts[bisect_right(self._starts, oldest) - 1]
            self._kept -= len(dropped)
