"""Where the pictures of an FLV file lie. Tags as in Adobe's Flash Video File Format 10.1, and in Enhanced RTMP."""

from __future__ import annotations

from collections.abc import Iterator

from par_model.video.layout import BrokenError, Bytes, Place

_AUDIO, _VIDEO, _SCRIPT = 8, 9, 18
_TAG_HEADER, _SIZE_BEFORE = 11, 4
_AVC = 7
_COMMAND = 5
_CODED_FRAMES = (1, 3)


def tags(data: Bytes) -> Iterator[Place]:
    """All tags that hold a picture, in file order. Raises BrokenError."""
    at = int.from_bytes(data.at(5, 4), "big") + _SIZE_BEFORE
    before: int | None = None  # size of the tag before, header and all
    are_told = True  # writers of live streams leave these sizes 0
    while True:
        told = int.from_bytes(data.at(at - _SIZE_BEFORE, _SIZE_BEFORE), "big")
        header = data.at(at, _TAG_HEADER)
        kind, size = header[0], int.from_bytes(header[1:4], "big")
        are_told = are_told and told != 0 if before is not None else True
        if kind not in (_AUDIO, _VIDEO, _SCRIPT) or (before is not None and are_told and told != before):
            raise BrokenError
        if kind == _VIDEO and size > 1 and _is_picture(data.at(at + _TAG_HEADER, 2)):
            yield Place(at, 0)
        before = _TAG_HEADER + size
        at += _TAG_HEADER + size + _SIZE_BEFORE


def _is_picture(start: bytes) -> bool:
    """From the first two bytes of a video tag: no configuration, no command, no end of sequence."""
    if start[0] & 0x80:
        return start[0] & 0x0F in _CODED_FRAMES
    if start[0] >> 4 == _COMMAND:
        return False
    return start[0] & 0x0F != _AVC or start[1] == 1
