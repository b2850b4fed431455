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
    CodedPicture,
    ParameterSets,
    UnreadableError,
    resets_numbers,
    unit_kind,
)
from par_model.video.containers.nal_units import length_size, stated_units, units

_LEAST_JUMPS = 3  # that make a habit


class PictureStep(NamedTuple):
    """From a picture to the next. after_reference: others may be made from the first. jumps: numbers are missing."""

    after_reference: bool
    jumps: bool


def habits(steps: Iterable[PictureStep]) -> frozenset[bool]:
    """After which pictures, references or others, an encoder's numbers jump as a rule: then a jump says nothing.

    Some count pictures too that no other is made from, and recorders leave out every other picture of a hierarchy.
    """
    counted = Counter(steps)
    jumps = {kind: counted[PictureStep(kind, jumps=True)] for kind in (True, False)}
    return frozenset(k for k, n in jumps.items() if n >= _LEAST_JUMPS and n > counted[PictureStep(k, jumps=False)])


class FrameNumbers:
    """Follows the frame numbers of a stream.

    extradata: the parameter sets that the container has, as they are in mp4 or with start codes.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._sets = ParameterSets()
        self._length_bytes = 0
        self._last: CodedPicture | None = None
        self._number: int | None = None  # of the last reference picture
        self._reference: CodedPicture | None = None  # it, until it is known whether numbers begin again with it
        self._hole: int | None = None  # what is shown before this time may be made from pictures that are missing
        self.configure(extradata)

    def configure(self, extradata: bytes | None) -> None:
        """Take parameter sets of the container."""
        if not extradata:
            return
        self._length_bytes = length_size(extradata) or self._length_bytes
        for unit in stated_units(extradata):
            self._sets.keep(unit)

    def start_over(self) -> None:
        """What comes next follows nothing."""
        self._last = self._number = self._reference = self._hole = None

    def step(self, packet: bytes | memoryview, pts: int | None) -> PictureStep | None:
        """The step to the picture of a packet, None if there is none before it, it starts anew, or cannot be read.

        A jump to a picture that is made from no other counts for those that are shown before it alone.
        """
        try:
            pictures = list(self._pictures(packet))
        except UnreadableError:
            self.start_over()
            return None
        step: PictureStep | None = None
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

    def _step_to(self, picture: CodedPicture) -> PictureStep | None:
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
        return PictureStep(before.is_reference, not follows and not is_new and not picture.sequence.may_skip)

    def _was_new(self) -> bool:
        """Whether numbers began again with the last reference picture, or that cannot be told."""
        picture, self._reference = self._reference, None
        try:
            return picture is not None and resets_numbers(picture)
        except UnreadableError:
            return True

    def _pictures(self, packet: bytes | memoryview) -> Iterator[CodedPicture]:
        """The picture of a packet: its first slice; of fields, each slice."""
        for unit in units(packet, self._length_bytes):
            kind = unit_kind(unit)
            if kind in (SPS, PPS):
                self._sets.keep(unit)
            elif kind in SLICES:
                picture = self._sets.picture(unit)
                yield picture
                if not picture.is_field:
                    return

    def _is_intra(self, packet: bytes | memoryview) -> bool:
        """Whether no slice of a packet is made from another picture."""
        slices = [unit for unit in units(packet, self._length_bytes) if unit_kind(unit) in SLICES]
        try:
            return all(self._sets.picture(unit).is_intra for unit in slices)
        except UnreadableError:
            return False
