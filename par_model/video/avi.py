"""Where the pictures of an AVI file lie: RIFF chunks, and the further RIFFs of OpenDML."""

from __future__ import annotations

from collections.abc import Iterator

from par_model.video.layout import BrokenError, Bytes, EndError, Place

_KINDS = (b"dc", b"db")
_OTHERS = (b"wb", b"tx", b"pc", b"sb", b"iv", b"__")
_HEADER = 8
_SLOPPY = 64  # bytes that writers count too much


def chunks(data: Bytes) -> Iterator[Place]:
    """All chunks that hold a picture, in file order. Raises BrokenError."""
    at = 0
    while True:
        name, size = _header(data, at)
        if name != b"RIFF" or data.at(at + _HEADER, 4) not in (b"AVI ", b"AVIX"):
            raise BrokenError
        # A recording that was never closed has no sizes yet.
        end = at + _HEADER + size if size else None
        try:
            yield from _inside(data, at + _HEADER + 4, end, in_movi=False)
        except EndError:
            if end is not None and not data.up_to(end - _SLOPPY, 1):
                raise BrokenError from None  # the file was cut off
            raise
        assert end is not None
        at = end + end % 2


def _inside(data: Bytes, at: int, end: int | None, *, in_movi: bool) -> Iterator[Place]:
    """Pictures of a list, up to where it or the file ends."""
    while end is None or at < end:
        name, size = _header(data, at)
        start = at + _HEADER
        if name == b"LIST":
            kind = data.at(start, 4)
            if kind == b"movi" or (in_movi and kind == b"rec "):
                yield from _inside(data, start + 4, start + size if size else None, in_movi=True)
        elif in_movi and _is_of_stream(name):
            if name[2:] in _KINDS and size:  # without content: the picture before is shown for longer
                yield Place(start, int(name[:2], 16))
        elif not name.isascii() or not name.isalnum() or (in_movi and name[:2] != b"ix" and name != b"JUNK"):
            raise BrokenError
        at = _next(data, start + size)


def _is_of_stream(name: bytes) -> bool:
    return name[2:] in (*_KINDS, *_OTHERS) and all(digit in b"0123456789abcdefABCDEF" for digit in name[:2])


def _next(data: Bytes, end: int) -> int:
    """Chunks begin at even places, but some writers forget that."""
    if end % 2 == 0:
        return end
    name = data.at(end + 1, 4)
    fits = name.isalnum() or _is_of_stream(name)
    return end + 1 if fits else end


def _header(data: Bytes, at: int) -> tuple[bytes, int]:
    header = data.at(at, _HEADER)
    return header[:4], int.from_bytes(header[4:], "little")
