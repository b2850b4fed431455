"""Where the pictures of an FLV file lie. Tags as in Adobe's Flash Video File Format 10.1, and in Enhanced RTMP."""

from __future__ import annotations

from collections.abc import Iterator

from par_model.video.containers.packet_starts import Bytes, PacketStart

_AUDIO, _VIDEO, _SCRIPT = 8, 9, 18
_TAG_HEADER, _SIZE_BEFORE = 11, 4
_AVC = 7
_COMMAND = 5
_CODED_FRAMES = (1, 3)


def walk(data: Bytes, _stream: int) -> Iterator[PacketStart]:
    """All tags that hold a picture, in file order. Raises BrokenError."""
    at = int.from_bytes(data.at(5, 4), "big") + _SIZE_BEFORE
    before: int | None = None  # size of what the tag before holds
    sizes = _SizesBefore()
    kinds = {_AUDIO, _VIDEO, _SCRIPT}
    has_begun = False
    while True:
        told = int.from_bytes(data.at(at - _SIZE_BEFORE, _SIZE_BEFORE), "big")
        header = data.at(at, _TAG_HEADER)
        kind, size = header[0], int.from_bytes(header[1:4], "big")
        if not has_begun and kind:
            kinds.add(kind)  # others too are passed over, and no picture can be lost yet
        if kind not in kinds or (before is not None and not sizes.fits(told, before)):
            raise data.end_of_sense(at)
        if kind == _VIDEO and size > 1 and _is_picture(data.at(at + _TAG_HEADER, 2)):
            has_begun = True
            yield PacketStart(at, 0)
        before = size
        at += _TAG_HEADER + size + _SIZE_BEFORE


class _SizesBefore:
    """What a writer counts as the size of the tag before: that of its header too, or something else, but evenly; some
    count all tags so far, those of live streams leave these sizes 0.

    Writers that fill in a script's values at the end forget the size after it. So two in a row tell.
    """

    def __init__(self) -> None:
        self._are_told = True
        self._total = 0
        self._added: int | None = None
        self._counts_all = False
        self._last: int | None = None

    def fits(self, told: int, size: int) -> bool:
        """Whether ``told`` is what this writer says of a tag that holds ``size`` bytes."""
        self._total += _TAG_HEADER + size
        self._are_told = self._are_told and told != 0
        if not self._are_told:
            return True
        if self._counts_all:
            return told == self._total % (1 << 32)
        if self._added is not None:
            return told == size + self._added
        if self._last is not None:
            self._counts_all = told == self._total
            if told - size in (self._last, _TAG_HEADER):
                self._added = told - size
        self._last = told - size
        return True


def _is_picture(start: bytes) -> bool:
    """From the first two bytes of a video tag: no configuration, no command, no end of sequence."""
    if start[0] & 0x80:
        return start[0] & 0x0F in _CODED_FRAMES
    if start[0] >> 4 == _COMMAND:
        return False
    return start[0] & 0x0F != _AVC or start[1] == 1
