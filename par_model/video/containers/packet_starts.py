"""Whether a demuxer gives every packet that a file holds.

When FFmpeg's demuxers meet a damaged header in one of the containers of ``formats.py``, they look for the next bytes
that make sense and say nothing: every later frame would be counted too low. Walking the headers beside them costs
microseconds a packet, and shows each packet that did not come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

# Headers are a few bytes; small packets and their neighbours are read together.
_CHUNK = 512
_BLOCK = 1 << 20
# So many packets tell whether there is one for each start.
_LEARNING_PACKETS = 12
# What may lie between a packet's position and its start.
_PREFIX = 16


class BrokenError(Exception):
    """The structure of the file does not go on from here."""


class EndError(Exception):
    """The file ends here."""


class PacketStart(NamedTuple):
    """Where a packet lies. start: in bytes, as FFmpeg gives it as the packet's position. track: a number."""

    start: int
    track: int


class Bytes:
    """A file, of which the part that was read last is kept. read: from an offset, as many bytes, fewer at the end."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self._start = 0
        self._data = b""

    def at(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises EndError."""
        if size > _CHUNK and not self._read(offset + size - 1, 1):
            raise EndError  # before as much memory is taken as a damaged number says
        inside = offset - self._start
        if not 0 <= inside <= len(self._data) - size:
            self._start, self._data, inside = offset, self._read(offset, max(size, _CHUNK)), 0
        found = self._data[inside : inside + size]
        if len(found) < size:
            raise EndError
        return found

    def up_to(self, offset: int, size: int) -> bytes:
        """``size`` bytes, fewer where the file ends."""
        return self._read(offset, size)

    def end_of_sense(self, offset: int) -> BrokenError | EndError:
        """What to raise where nothing sensible begins at ``offset``: recorders that take their space beforehand leave
        zeros, or the ones of erased memory, up to the end of a sound file."""
        filling = self._read(offset, 1)
        if filling not in (b"", b"\0", b"\xff"):
            return BrokenError()
        while block := self._read(offset, _BLOCK):
            if block.strip(filling):
                return BrokenError()
            offset += len(block)
        return EndError()


class OrderCheck:
    """Follows the packets of a stream whose starts they share or take several, and sees only where they break off.

    starts: in file order; raises BrokenError where something is missing. one_each: whether it may be that each start
    gives a packet, which the first of them tell.
    """

    def __init__(self, starts: Iterator[PacketStart], *, one_each: bool = False) -> None:
        self._starts = starts
        self._one_each = one_each
        self._next = self._previous = -1
        self._packets = 0
        self._is_over = False

    def is_lost(self, position: int) -> bool:
        """Whether the packet at ``position``, or one before it, is incomplete. Told once."""
        if self._is_over:
            return False
        is_skipped = False
        try:
            while self._next <= position + _PREFIX:
                is_skipped |= self._previous < self._next < position
                self._next = next(self._starts).start
        except BrokenError:
            self._is_over = True
            return True
        except EndError:
            self._is_over = True
        self._previous = position
        self._packets += 1
        if is_skipped and self._packets <= _LEARNING_PACKETS:
            self._one_each = False
        return is_skipped and self._one_each

    def is_any_left(self) -> bool:
        """Whether something is missing between the last packet and the end of the file."""
        return self.is_lost(1 << 62)


class LayoutCheck:
    """Compares the packets of one stream with the starts that the file has for them.

    starts: of all streams, in file order; raises BrokenError where the structure ends.
    """

    def __init__(self, starts: Iterator[PacketStart]) -> None:
        self._starts = starts
        self._passed: set[int] = set()  # tracks that were met before the first packet
        self._track: int | None = None
        self._previous: int | None = None
        self._is_over = False

    def is_lost(self, position: int) -> bool:
        """Whether a packet is missing between the one before and the one at ``position``.

        Once one is, or where the demuxer does not count as the walk does, nothing more is compared.
        """
        if self._is_over or position == self._previous:  # several frames may share a block
            return False
        self._previous = position
        try:
            for packet in self._starts:
                if packet.start == position:
                    self._track = packet.track if self._track is None else self._track
                    self._is_over = packet.track != self._track or packet.track in self._passed
                    return self._is_over
                if packet.start > position:
                    self._is_over = True
                    return self._track is not None
                if self._track is None:
                    self._passed.add(packet.track)
                elif packet.track == self._track:
                    self._is_over = True
                    return True
        except BrokenError:
            pass
        except EndError:  # shorter than its header says: what comes has no start to compare with
            self._is_over = True
            return False
        self._is_over = True
        return True

    def is_any_left(self) -> bool:
        """Whether the file has more packets than came, now that no more come."""
        if self._is_over or self._track is None:
            return False
        self._is_over = True
        try:
            return any(packet.track == self._track for packet in self._starts)
        except BrokenError:
            return True
        except EndError:
            return False
