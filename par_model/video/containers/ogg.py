"""Where the pages of an Ogg file lie: RFC 3533. The demuxer passes over damaged and missing ones.

Pages are numbered in each stream and have checksums of CRC-32 with its bits in another order than zlib's.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError, PacketStart

_CAPTURE = b"OggS\0"  # with the version
_HEADER = 27
_CHECKSUM = slice(22, 26)
_FIRST = 2  # flag of the first page of a stream
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def walk(data: Bytes, _stream: int) -> Iterator[PacketStart]:
    """All pages, in file order. Raises BrokenError where one is missing or damaged, also at the end of the file."""
    if data.up_to(0, len(_CAPTURE)) != _CAPTURE:
        raise EndError  # something else precedes the file's own start
    at = 0
    numbers: dict[int, int] = {}  # of the last page of each stream
    while True:
        header = data.up_to(at, _HEADER + 255)
        if not header:
            raise EndError
        if len(header) < _HEADER or header[: len(_CAPTURE)] != _CAPTURE:
            raise data.end_of_sense(at)
        segments = header[_HEADER : _HEADER + header[26]]
        size = _HEADER + header[26] + sum(segments)
        page = data.up_to(at, size)
        if len(page) < size or _checksum(page) != page[_CHECKSUM]:
            raise BrokenError
        stream, number = int.from_bytes(page[14:18], "little"), int.from_bytes(page[18:22], "little")
        if not page[5] & _FIRST and number != (numbers.get(stream, number - 1) + 1) % (1 << 32):
            raise BrokenError
        numbers[stream] = number
        yield PacketStart(at, stream)
        at += size


def _checksum(page: bytes) -> bytes:
    """The checksum of a page, as it stands in its header."""
    blank = page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]
    mirrored = zlib.crc32(blank.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(_REVERSED)
