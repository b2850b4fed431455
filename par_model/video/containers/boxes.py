"""The boxes of mp4 and mov files: ISO/IEC 14496-12, 4.2, and what a file is without its pictures.

What is known of every packet lies in the ``moov`` box, or in ``moof`` boxes between the pictures; the pictures and the
sound lie in ``mdat`` boxes. FFmpeg's demuxer asks nothing of a picture to tell where it lies and when it is shown.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from par_model.video.containers.packet_starts import Bytes, EndError

if TYPE_CHECKING:
    from par_model.errors import TrackletError
    from par_model.video.bytes.ranged import Part
    from par_model.video.bytes.source import VideoFile

_HEAD = 8  # size and kind
_LONG_HEAD = 16  # with a size of 64 bits
_PAYLOAD = b"mdat"
_FRAGMENTS = (b"moof", b"sidx", b"styp")
_AT_ONCE = 64 << 10  # bytes: many headers are no longer


class Box(NamedTuple):
    """One box at the top of a file. start, body, stop: offsets of its head, of what follows that, and of its end."""

    kind: bytes
    start: int
    body: int
    stop: int


def boxes(data: Bytes, size: int) -> Iterator[Box]:
    """The boxes at the top of a file of ``size`` bytes, in order, up to the first whose size makes no sense.

    The last one may end behind the file, if that was cut off.
    """
    start = 0
    while start + _HEAD <= size:
        try:
            head = data.at(start, _HEAD)
            length, body = int.from_bytes(head[:4], "big"), start + _HEAD
            if length == 1:
                length, body = int.from_bytes(data.at(start + _HEAD, _LONG_HEAD - _HEAD), "big"), start + _LONG_HEAD
        except EndError:
            return
        stop = start + length if length else size  # 0: up to the end of the file
        yield Box(head[4:], start, body, stop)
        if stop < body:
            return
        start = stop


def layout(file: VideoFile, *, also_scattered: bool = False) -> list[Box] | None:
    """The boxes of an mp4 or mov file whose header can be read without its pictures, None if it is another.

    So it is None where the file ends before its boxes do, and where a remote file has parts of the header in fragments,
    each of which would be a request, unless ``also_scattered``.
    """
    size = file.size

    def read(offset: int, length: int) -> bytes:
        with file.expecting((offset, offset + _AT_ONCE)):
            return file.peek(offset, length)

    found = []
    for box in boxes(Bytes(read), size):
        if file.is_ranged and box.kind in _FRAGMENTS and not also_scattered:
            return None
        found.append(box)
    kinds = {box.kind for box in found}
    return found if {b"moov", _PAYLOAD} <= kinds and found[-1].stop <= size else None


def header_parts(file: VideoFile) -> list[Part]:
    """Which bytes of a remote mp4 or mov file hold what FFmpeg reads of it when it is opened, if that is known."""
    found = layout(file) if file.is_ranged else None
    return [(box.start, box.stop) for box in found or () if box.kind == b"moov"]


class HeaderView:
    """A file whose pictures are zeros: the demuxer meets what the file says of them, and nothing of them is read.

    layout: the file's boxes. For the rest as VideoFile.
    """

    def __init__(self, file: VideoFile, layout: Sequence[Box]) -> None:
        self.uri = file.uri
        self._file = file
        payloads = [box for box in layout if box.kind == _PAYLOAD]
        self._begins = [box.body for box in payloads]
        self._ends = [box.stop for box in payloads]
        self.size = file.size
        self._position = 0

        self.expecting = file.expecting

    @property
    def failure(self) -> TrackletError | None:
        """Why a read failed, if one did."""
        return self._file.failure

    def holds(self, start: int, size: int) -> bool:
        """Whether so many bytes from ``start`` on are all of one payload, and in the file."""
        found = bisect_right(self._begins, start) - 1
        return found >= 0 and start + size <= min(self._ends[found], self.size)

    def read(self, size: int = -1) -> bytes:
        """Fewer bytes than were asked for where a payload begins or ends."""
        at = self._position
        left = max(0, self.size - at)
        size = left if size < 0 else min(size, left)
        after = bisect_right(self._begins, at)
        if after and at < self._ends[after - 1]:
            found = bytes(min(size, self._ends[after - 1] - at))
        else:
            self._file.seek(at)
            found = self._file.read(min(size, self._begins[after] - at) if after < len(self._begins) else size)
        self._position += len(found)
        return found

    def peek(self, offset: int, size: int) -> bytes:
        """As the file has them."""
        return self._file.peek(offset, size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}.get(whence, 0) + offset
        if position < 0:
            return -1
        self._position = position
        return position

    def tell(self) -> int:
        return self._position
