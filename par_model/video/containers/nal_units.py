"""Packets of H.264 and HEVC cut into units: after lengths (ISO/IEC 14496-15) or start codes (annex B)."""

from __future__ import annotations

from collections.abc import Iterator

_START = b"\0\0\1"
_MOST = 4096  # bytes that hold any parameter set


def length_size(extradata: bytes) -> int:
    """How many bytes before each unit of H.264 say how long it is. 0: start codes stand between units instead.

    extradata: what the container says of the stream; with lengths, an AVCDecoderConfigurationRecord.
    """
    return (extradata[4] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > 6 else 0


def units(packet: bytes | memoryview, length_bytes: int, most: int = _MOST) -> Iterator[bytes]:
    """The units of a packet in their order, without what stands between them.

    length_bytes: as ``length_size`` says. Streams that were cut from others may have start codes all the same.
    most: bytes of each unit that are wanted.
    """
    if not length_bytes or bytes(packet[:4]) == b"\0" + _START:
        yield from _marked_units(bytes(packet), most)
        return
    at = 0
    while at + length_bytes < len(packet):
        start = at + length_bytes
        at = start + int.from_bytes(packet[at:start])
        yield bytes(packet[start : min(at, start + most)])


def stated_units(extradata: bytes) -> Iterator[bytes]:
    """SPS and PPS of H.264 that a container has, in an AVCDecoderConfigurationRecord or after start codes."""
    if not length_size(extradata):
        yield from _marked_units(extradata, _MOST)
        return
    at, count = 6, extradata[5] & 0x1F
    for _ in range(2):
        for _ in range(count):
            end = at + 2 + int.from_bytes(extradata[at : at + 2])
            yield extradata[at + 2 : end]
            at = end
        if at >= len(extradata):
            return
        count, at = extradata[at], at + 1


def _marked_units(data: bytes, most: int) -> Iterator[bytes]:
    """Units after start codes. No unit ends with a zero, so zeros before a start code belong to none."""
    start = data.find(_START) + len(_START)
    while start >= len(_START):
        reach = start + most + len(_START)  # within it, what ends a unit of this size is seen
        end = data.find(_START, start, reach)
        ends = end >= 0 or reach >= len(data)
        unit = data[start : end if end >= 0 else reach]
        yield (unit.rstrip(b"\0") if ends else unit)[:most]
        start = data.find(_START, start) + len(_START)
