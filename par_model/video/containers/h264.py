"""Whether pictures are missing from an H.264 stream that later ones are made from: ITU-T H.264, 7.4.3.

FFmpeg fills such a gap with copies of the picture before and says nothing, so what follows is wrong in part. The frame
number in the header of each slice tells: it is that of the reference picture before, or one more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from par_model.video.containers.h264_headers import (
    PPS,
    SLICES,
    SPS,
    ParameterSets,
    Picture,
    UnreadableError,
    resets_numbers,
)

_START = b"\0\0\1"
_HEADER = 256  # bytes of a slice that hold all of its header that is looked at
_LARGEST_SET = 4096
_LEAST_JUMPS = 3  # that make a habit


class Step(NamedTuple):
    """From a picture to the next. after_reference: others may be made from the first. jumps: numbers are missing."""

    after_reference: bool
    jumps: bool


def habits(steps: Iterable[Step]) -> frozenset[bool]:
    """After which pictures, references or others, an encoder's numbers jump as a rule: then a jump says nothing.

    Some count pictures too that no other is made from, and recorders leave out every other picture of a hierarchy.
    """
    counted = Counter(steps)
    jumps = {kind: counted[Step(kind, jumps=True)] for kind in (True, False)}
    return frozenset(k for k, n in jumps.items() if n >= _LEAST_JUMPS and n > counted[Step(k, jumps=False)])


class FrameNumbers:
    """Follows the frame numbers of a stream.

    extradata: the parameter sets that the container has, as they are in mp4 or with start codes.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._sets = ParameterSets()
        self._length_size = 0  # of the field before each unit, in bytes; 0: start codes
        self._last: Picture | None = None
        self._number: int | None = None  # of the last reference picture
        self._reference: Picture | None = None  # it, until it is known whether numbers begin again with it
        self._hole: int | None = None  # what is shown before this time may be made from pictures that are missing
        self.configure(extradata)

    def configure(self, extradata: bytes | None) -> None:
        """Take parameter sets of the container."""
        if not extradata:
            return
        is_listed = extradata[0] == 1 and len(extradata) > 6
        if is_listed:
            self._length_size = (extradata[4] & 3) + 1
        for unit in _listed_units(extradata) if is_listed else _marked_units(extradata, _LARGEST_SET):
            self._sets.keep(unit)

    def start_over(self) -> None:
        """What comes next follows nothing."""
        self._last = self._number = self._reference = self._hole = None

    def step(self, packet: bytes | memoryview, pts: int | None) -> Step | None:
        """The step to the picture of a packet, None if there is none before it, it starts anew, or cannot be read.

        A jump to a picture that is made from no other counts for those that are shown before it alone.
        """
        try:
            pictures = list(self._pictures(packet))
        except UnreadableError:
            self.start_over()
            return None
        step: Step | None = None
        for picture in pictures:
            found = self._step_to(picture)
            if found is not None and found.jumps and self._is_intra(packet):
                self._hole, found = pts, found._replace(jumps=False)
            if picture.is_idr:
                self._hole = None
            if step is None or (found is not None and found.jumps):
                step = found
        if step is not None and self._hole is not None and pts is not None and pts < self._hole:
            return step._replace(jumps=True)
        return step

    def _step_to(self, picture: Picture) -> Step | None:
        before, number = self._last, self._number
        self._last = picture
        largest = 1 << picture.sequence.bits
        follows = number is None or picture.number in (number, (number + 1) % largest)
        if picture.is_reference:
            self._number = picture.number
        elif not follows or number is None:
            self._number = (picture.number - 1) % largest
        is_new = not follows and picture.number <= 1 and self._was_new()
        if picture.is_reference:
            self._reference = picture
        if before is None or picture.is_idr:
            return None
        return Step(before.is_reference, not follows and not is_new and not picture.sequence.may_skip)

    def _was_new(self) -> bool:
        """Whether numbers began again with the last reference picture, or that cannot be told."""
        picture, self._reference = self._reference, None
        try:
            return picture is not None and resets_numbers(picture)
        except UnreadableError:
            return True

    def _pictures(self, packet: bytes | memoryview) -> Iterator[Picture]:
        """The picture of a packet: its first slice; of fields, each slice."""
        for unit in self._units(packet):
            kind = unit[0] & 0x1F if unit else 0
            if kind in (SPS, PPS):
                self._sets.keep(unit)
            elif kind in SLICES:
                picture = self._sets.picture(unit)
                yield picture
                if not picture.is_field:
                    return

    def _is_intra(self, packet: bytes | memoryview) -> bool:
        """Whether no slice of a packet is made from another picture."""
        slices = [unit for unit in self._units(packet) if unit and unit[0] & 0x1F in SLICES]
        try:
            return all(self._sets.picture(unit).is_intra for unit in slices)
        except UnreadableError:
            return False

    def _units(self, packet: bytes | memoryview) -> Iterator[bytes]:
        """The beginnings of a packet's units."""
        if not self._length_size or bytes(packet[:4]) == b"\0" + _START:
            yield from _marked_units(bytes(packet), _HEADER)
            return
        at = 0
        while at + self._length_size < len(packet):
            start = at + self._length_size
            end = start + int.from_bytes(packet[at:start], "big")
            most = _LARGEST_SET if packet[start] & 0x1F == SPS else _HEADER
            yield bytes(packet[start : min(end, start + most)])
            at = end


def _marked_units(data: bytes, most: int) -> Iterator[bytes]:
    """Units after start codes, at most so many bytes of each, those that follow included."""
    at = data.find(_START)
    while at >= 0:
        yield data[at + 3 : at + 3 + most]
        at = data.find(_START, at + 3)


def _listed_units(extradata: bytes) -> Iterator[bytes]:
    """The SPS and PPS of an AVCDecoderConfigurationRecord: ISO/IEC 14496-15, 5.3.3."""
    at = 6
    count = extradata[5] & 0x1F
    for _ in range(2):
        for _ in range(count):
            end = at + 2 + int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : end]
            at = end
        if at >= len(extradata):
            return
        count, at = extradata[at], at + 1
