"""Where the blocks of a Matroska or WebM file lie. Elements and their numbers: RFC 8794 (EBML), RFC 9559 (Matroska)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import NamedTuple

from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError, PacketStart

_EBML, _SEGMENT, _CLUSTER, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B
_TRACK_ENTRY, _TRACK_NUMBER = 0xAE, 0xD7
_SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xA3, 0xA0, 0xA1
_VOID, _CRC = 0xEC, 0xBF
# SeekHead, Info, Cues, Attachments, Chapters, Tags.
_IN_SEGMENT = {_SEEK_HEAD, 0x1549A966, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, _TRACKS, _CLUSTER, _VOID, _CRC}
# Timestamp, SilentTracks, Position, PrevSize, EncryptedBlock.
_IN_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, 0xAF, _SIMPLE_BLOCK, _BLOCK_GROUP, _VOID, _CRC}
# BlockVirtual, BlockAdditions, BlockDuration, ReferencePriority, ReferenceBlock, ReferenceVirtual, CodecState,
# DiscardPadding, Slices, ReferenceFrame.
_IN_GROUP = {0xA2, 0x75A1, 0x9B, 0xFA, 0xFB, 0xFD, 0xA4, 0x75A2, 0x8E, 0xC8, _BLOCK, _VOID, _CRC}
# FFmpeg looks for the next of these where it understands nothing.
_BEGINNINGS = re.compile(b"|".join(re.escape(i.to_bytes(4, "big")) for i in _IN_SEGMENT - {_VOID, _CRC}))
_SEARCHED = 1 << 16  # bytes at a time
_BLOCKS = re.compile(b"[%c%c]" % (_SIMPLE_BLOCK, _BLOCK_GROUP))
_MOST_LOOKS = 50_000  # at what might be a block: a file made to cost time has no end of them
_LARGEST_NUMBER = 8  # bytes


class _Element(NamedTuple):
    """id: with its marker bits. start, end: of its content; end is None where the file leaves the size open."""

    id: int
    start: int
    end: int | None


def walk(data: Bytes, _stream: int) -> Iterator[PacketStart]:
    """All blocks, in file order. Raises BrokenError."""
    return _Walk(data).blocks()


class _Walk:
    def __init__(self, data: Bytes) -> None:
        self._bytes = data
        self._tracks: set[int] = set()
        self._in_cluster = set(_IN_CLUSTER)
        self._has_begun = False
        self._looks_left = _MOST_LOOKS

    def blocks(self) -> Iterator[PacketStart]:
        head = self._element(0, {_EBML})
        segment = self._element(head.end or 0, {_SEGMENT})
        at = segment.start
        while segment.end is None or at < segment.end:
            try:
                element = self._part_of_segment(at)
            except BrokenError:
                if self._has_begun:
                    raise self._bytes.end_of_sense(at) from None
                at = self._take_up(at + 1)
                continue
            at = element.end or element.start
            if element.id == _SEEK_HEAD and not self._tracks:
                with suppress(BrokenError):
                    self._tracks_behind(element, segment)
            if element.id == _CLUSTER:
                at = yield from self._cluster(element)

    def _part_of_segment(self, at: int) -> _Element:
        element = self._element(at, _IN_SEGMENT)
        if element.end is None and element.id != _CLUSTER:
            raise BrokenError
        if element.id == _TRACKS:
            self._tracks |= set(self._track_numbers(element))
        return element

    def _take_up(self, at: int) -> int:
        """Where FFmpeg goes on after bytes of the head that nothing explains.

        Raises BrokenError if they hold blocks: then they are a cluster whose own header is damaged.
        """
        start = at
        while piece := self._bytes.up_to(at, _SEARCHED):
            found = _BEGINNINGS.search(piece)
            end = at + (found.start() if found else len(piece))
            for likeness in _BLOCKS.finditer(piece, start - at, end - at):
                self._looks_left -= 1
                if not self._looks_left or self._is_block_of(at + likeness.start(), end):
                    raise BrokenError
            if found:
                return end
            start = end
            at += max(1, len(piece) - 3)
        raise EndError

    def _is_block_of(self, at: int, end: int) -> bool:
        """Whether what looks like a block at ``at`` is one, and behind it another part of a cluster, or the ``end``."""
        try:
            block = self._element(at)
            if block.end is None or block.end > end:
                return False
            if block.id == _SIMPLE_BLOCK:
                is_block = self._number(block.start)[0] in self._tracks
            else:
                is_block = self._byte(block.start) in _IN_GROUP
            return is_block and (block.end == end or self._byte(block.end) in _IN_CLUSTER)
        except (BrokenError, EndError):
            return False

    def _cluster(self, cluster: _Element) -> Generator[PacketStart, None, int]:
        """Its blocks; returns where it ends."""
        at = cluster.start
        while cluster.end is None or at < cluster.end:
            try:
                element = self._part_of_cluster(at, cluster)
            except BrokenError:
                if cluster.end is None:
                    raise self._bytes.end_of_sense(at) from None
                raise
            if element.end is None or (cluster.end is None and element.id in _IN_SEGMENT - _IN_CLUSTER):
                return at
            if element.id == _SIMPLE_BLOCK:
                yield self._block(element)
            elif element.id == _BLOCK_GROUP:
                yield from self._group(element.start, element.end)
            at = element.end
        return at

    def _part_of_cluster(self, at: int, cluster: _Element) -> _Element:
        """The next element; one of the segment, if the cluster's size is open, ends it."""
        element = self._element(at)
        if cluster.end is None and element.id in _IN_SEGMENT - _IN_CLUSTER:
            return element
        if element.end is None or (cluster.end is not None and element.end > cluster.end):
            raise BrokenError
        if element.id not in self._in_cluster and not self._is_foreign(element):
            raise BrokenError
        return element

    def _group(self, at: int, end: int) -> Iterator[PacketStart]:
        while at < end:
            part = self._element(at, _IN_GROUP)
            if part.end is None or part.end > end:
                raise BrokenError
            if part.id == _BLOCK:
                yield self._block(part)
            at = part.end

    def _is_foreign(self, element: _Element) -> bool:
        """Whether an unknown element before the first block is none whose number is damaged: such this writer has."""
        if self._has_begun or element.start == element.end or self._byte(element.start) == _BLOCK:
            return False
        try:
            if self._number(element.start)[0] in self._tracks:
                return False
        except BrokenError:
            pass  # what is in it begins with no number
        self._in_cluster.add(element.id)
        return True

    def _track_numbers(self, tracks: _Element) -> Iterator[int]:
        for entry in self._children(tracks):
            if entry.id == _TRACK_ENTRY:
                yield from (self._value(part) for part in self._children(entry) if part.id == _TRACK_NUMBER)

    def _tracks_behind(self, seek_head: _Element, segment: _Element) -> None:
        """Learn the tracks that a list of offsets puts behind the clusters, as FFmpeg does before it reads those."""
        for seek in self._children(seek_head):
            parts = self._children(seek) if seek.id == _SEEK else ()
            told = {part.id: self._value(part) for part in parts if part.id in (_SEEK_ID, _SEEK_POSITION)}
            if told.get(_SEEK_ID) == _TRACKS:
                with suppress(BrokenError, EndError):
                    self._part_of_segment(segment.start + told.get(_SEEK_POSITION, 0))
                return

    def _children(self, parent: _Element) -> Iterator[_Element]:
        at = parent.start
        while at < (parent.end or 0):
            child = self._element(at)
            if child.end is None:
                raise BrokenError
            yield child
            at = child.end

    def _value(self, element: _Element) -> int:
        size = (element.end or 0) - element.start
        if size > _LARGEST_NUMBER:
            raise BrokenError
        return int.from_bytes(self._bytes.at(element.start, size), "big")

    def _block(self, element: _Element) -> PacketStart:
        track, _ = self._number(element.start)
        if track not in self._tracks:
            raise BrokenError
        self._has_begun = True
        return PacketStart(element.start, track)

    def _element(self, at: int, known: set[int] | None = None) -> _Element:
        first = self._byte(at)
        length = 9 - first.bit_length()
        if length > 4:
            raise BrokenError
        name = int.from_bytes(self._bytes.at(at, length), "big")
        if known is not None and name not in known:
            raise BrokenError
        size, start = self._number(at + length)
        return _Element(name, start, None if size is None else start + size)

    def _number(self, at: int) -> tuple[int | None, int]:
        """A number of variable length, None where all its bits are set; and where it ends."""
        length = 9 - self._byte(at).bit_length()
        if length > 8:
            raise BrokenError
        data = self._bytes.at(at, length)
        ones = (1 << 7 * length) - 1
        value = int.from_bytes(data, "big") & ones
        return None if value == ones else value, at + length

    def _byte(self, at: int) -> int:
        return self._bytes.at(at, 1)[0]
