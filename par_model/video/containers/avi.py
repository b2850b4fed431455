"""Where the pictures of an AVI file lie: RIFF chunks, and the further RIFFs of OpenDML."""

from __future__ import annotations

from collections.abc import Iterator

from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError, PacketStart

_KINDS = (b"dc", b"db")
_OTHERS = (b"wb", b"tx", b"pc", b"sb", b"iv", b"__")
_HEADER = 8
_SLOPPY = 64  # bytes that writers count too much


def walk(data: Bytes, _stream: int) -> Iterator[PacketStart]:
    """All chunks that hold a picture, in file order. Raises BrokenError."""
    at = 0
    lists = _Lists(data)
    while True:
        name, size = _header(data, at)
        if name != b"RIFF" or data.at(at + _HEADER, 4) not in (b"AVI ", b"AVIX"):
            raise data.end_of_sense(at)
        # A recording that was never closed has no sizes yet.
        end = at + _HEADER + size if size else None
        try:
            yield from lists.pictures(at + _HEADER + 4, end, in_movi=False)
        except EndError:
            if end is not None and not data.up_to(end - _SLOPPY, 1):
                raise BrokenError from None  # the file was cut off
            raise
        assert end is not None
        at = end + end % 2


class _Lists:
    """Walks a RIFF's lists. What a writer puts among the pictures before the first of them, it may put there again."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._has_begun = False
        self._names = {b"JUNK"}

    def pictures(self, at: int, end: int | None, *, in_movi: bool) -> Iterator[PacketStart]:
        """Pictures of a list, up to where it or the file ends."""
        while end is None or at < end:
            name, size = _header(self._data, at)
            start = at + _HEADER
            if name == b"LIST":
                kind = self._data.at(start, 4)
                if kind == b"movi" or (in_movi and kind == b"rec "):
                    yield from self.pictures(start + 4, start + size if size else None, in_movi=True)
            elif in_movi and _is_of_stream(name):
                if name[2:] in _KINDS and size:  # without content: the picture before is shown for longer
                    self._has_begun = True
                    yield PacketStart(start, int(name[:2], 16))
            elif not name.isascii() or not name.isalnum() or (in_movi and not self._is_known(name)):
                raise BrokenError if end is not None else self._data.end_of_sense(at)
            at = _next(self._data, start + size)

    def _is_known(self, name: bytes) -> bool:
        if not self._has_begun:
            self._names.add(name)
        return name in self._names or name[:2] == b"ix"


def _is_of_stream(name: bytes) -> bool:
    return name[2:] in (*_KINDS, *_OTHERS) and all(digit in b"0123456789abcdefABCDEF" for digit in name[:2])


def _next(data: Bytes, end: int) -> int:
    """Chunks begin at even offsets, but some writers forget that."""
    if end % 2 == 0:
        return end
    name = data.at(end + 1, 4)
    fits = name.isalnum() or _is_of_stream(name)
    return end + 1 if fits else end


def _header(data: Bytes, at: int) -> tuple[bytes, int]:
    header = data.at(at, _HEADER)
    return header[:4], int.from_bytes(header[4:], "little")
