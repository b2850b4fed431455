"""Where the elements of an MXF file lie: SMPTE ST 336, keys of 16 bytes with a length and a value each."""

from __future__ import annotations

from collections.abc import Iterator

from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError, PacketStart

_LABEL = bytes.fromhex("060e2b34")
# What kinds of keys may follow the label: dictionaries, groups, containers and labels, all of SMPTE.
_KINDS = frozenset({1, 2, 3, 4})
_PARTITION = bytes.fromhex("060e2b34020501010d0102010104")  # of the last one; the eighth byte is a version
_KEY = 16


def walk(data: Bytes, _stream: int) -> Iterator[PacketStart]:
    """All elements, in file order. Raises BrokenError, also where the file ends without its last partition."""
    if not data.up_to(0, 4) == _LABEL:
        raise EndError  # something else precedes the file's own start
    at = 0
    is_complete = False
    while True:
        key = data.up_to(at, _KEY)
        if len(key) < _KEY:
            raise EndError if is_complete else BrokenError
        is_complete |= key[:7] == _PARTITION[:7] and key[8:14] == _PARTITION[8:]
        if key[:4] != _LABEL or key[4] not in _KINDS:
            raise data.end_of_sense(at) if is_complete else BrokenError
        yield PacketStart(at, 0)
        first = data.at(at + _KEY, 1)[0]
        more = first & 0x7F if first & 0x80 else 0
        if more > 8:
            raise BrokenError
        size = int.from_bytes(data.at(at + _KEY + 1, more), "big") if more else first
        at += _KEY + 1 + more + size
