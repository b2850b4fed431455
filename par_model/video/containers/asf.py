"""Whether data of one stream of an ASF or WMV file is missing. Advanced Systems Format Specification 1.2, section 5.

Data packets all have one size. Each payload in them names its stream, the number of its media object (a picture), which
counts up, and where in it the payload belongs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError, PacketStart

_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_SIZE_AT, _DATA_HEADER, _PACKET_SIZE_AT = 16, 50, 92  # in an object, in bytes
_LARGEST_HEADER = 1 << 20
_USUAL = 0x5D  # widths of the fields of a payload, the only ones that the specification allows
_WIDTHS = (0, 1, 2, 4)  # of a field, in bytes, by the two bits that tell
_COMPRESSED = 1  # as the length of replicated data: several small objects share the payload


class _Payload(NamedTuple):
    """object: the number of the first that it holds. offset: of its data in that object. objects: how many it holds."""

    stream: int
    object: int
    offset: int
    size: int
    objects: int = 1


def walk(data: Bytes, stream: int) -> Iterator[PacketStart]:
    """Where each data packet begins. Raises BrokenError where one makes no sense or data of ``stream`` is missing."""
    at, end, size = _data(data)
    before: _Payload | None = None
    for start in range(at, end - size + 1, size):
        packet = data.at(start, size)
        try:
            payloads = list(_payloads(packet))
        except IndexError:
            raise BrokenError from None
        for payload in payloads:
            if payload.stream == stream:
                if before is not None and not _follows(before, payload):
                    raise BrokenError
                before = payload
        yield PacketStart(start, stream)
    raise EndError


def _data(data: Bytes) -> tuple[int, int, int]:
    """Where data packets begin and end, and the size of each. Raises EndError if the headers do not tell."""
    header_size = _integer(data.at(_SIZE_AT, 8))
    header = data.up_to(0, min(header_size, _LARGEST_HEADER))
    properties = header.find(_PROPERTIES)
    sizes = header[properties + _PACKET_SIZE_AT :][:8]
    start = data.at(header_size, _DATA_HEADER)
    size = _integer(sizes[:4])
    if not header.startswith(_HEADER) or properties < 0 or not start.startswith(_DATA) or not size:
        raise EndError
    # A recording that was never closed has no size yet: it goes on to the end of the file.
    length = _integer(start[_SIZE_AT : _SIZE_AT + 8])
    end = header_size + length if length > _DATA_HEADER else 1 << 62
    return header_size + _DATA_HEADER, end, size


def _follows(before: _Payload, payload: _Payload) -> bool:
    if payload.object == before.object and before.objects == payload.objects == 1:
        return payload.offset == before.offset + before.size
    return payload.object == (before.object + before.objects) % 256 and not payload.offset


def _payloads(packet: bytes) -> Iterator[_Payload]:
    """What a data packet holds. Raises IndexError, BrokenError where it cannot be read."""
    at = 1 + (packet[0] & 0x0F) if packet[0] & 0x80 else 0  # error correction data
    lengths, properties = packet[at], packet[at + 1]
    told, at = _field(packet, at + 2, lengths >> 5)
    _, at = _field(packet, at, lengths >> 1)
    padding, at = _field(packet, at, lengths >> 3)
    at += 6  # send time and duration
    end = (told or len(packet)) - padding
    if end > len(packet) or properties != _USUAL:
        raise BrokenError
    several, width, payloads = bool(lengths & 1), 0, 1
    if several:
        payloads, width = packet[at] & 0x3F, packet[at] >> 6
        at += 1
    for _ in range(payloads):
        stream, number = packet[at] & 0x7F, packet[at + 1]
        offset, replicated = _integer(packet[at + 2 : at + 6]), packet[at + 6]
        at += 7 + replicated
        size, at = _field(packet, at, width) if several else (end - at, at)
        if size < 0 or at + size > end:
            raise BrokenError
        if replicated == _COMPRESSED:  # then the offset is a time
            yield _Payload(stream, number, 0, size, _objects(packet[at : at + size]))
        else:
            yield _Payload(stream, number, offset, size)
        at += size


def _objects(payload: bytes) -> int:
    """How many objects, each after a byte that tells its size, a payload holds."""
    at = count = 0
    while at < len(payload):
        at += 1 + payload[at]
        count += 1
    return count


def _field(packet: bytes, at: int, kind: int) -> tuple[int, int]:
    """A number of the width that two bits name, and where it ends."""
    end = at + _WIDTHS[kind & 3]
    return _integer(packet[at:end]), end


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "little")
