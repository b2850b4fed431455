"""Whether boxes agree with the video that they are said to be of, as far as numbers tell.

Tools count frames and measure boxes in their own ways, and no file says which. What a video says of itself, its number
of frames and the size of its picture, gives most mistakes away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from par_model.video.survey import Survey

# Sides up to this are shares of the picture; a box may reach a little over the edge.
LARGEST_SHARE = 1.5
# Beyond the picture: by more than boxes of people who walk out of it reach.
_FAR = 0.1
# Such boxes are many from this share on: in right files there are hardly any.
_MANY = 0.05
# What a box must reach beyond the picture by, read as left, top, width, height, for corners to be the better reading.
_CORNERS_FAR = 0.15
_MOST = 0.5
# Pixels a frame: predicted boxes move, by steps that differ by what rounding makes of them, and a share of the step.
_MOVING = 0.5
_UNEVEN = 1.0
_UNEVEN_SHARE = 0.05


class Misfit(StrEnum):
    """What the boxes of a video do not agree with it in: codes of ``manifest check --videos``."""

    BEYOND_END = "frame-beyond-end"
    OUTSIDE = "boxes-outside"
    RELATIVE = "boxes-relative"
    CORNERS = "boxes-corners"


class Agreement:
    """How boxes of one video agree with it, counted as they pass, so that there may be more than fit in memory.

    num_boxes, late (on frames that the video has not), outside (wholly), partly (over an edge): counts so far.
    """

    def __init__(self, video: Survey) -> None:
        self._video = video
        self.num_boxes = self.late = self.outside = self.partly = 0
        self._last_frame = -1
        self._largest_side = 0.0
        self._far = self._far_as_middle = 0
        # Of boxes as they would be if they were corners.
        self._ordered = self._fitting = self._far_as_sides = 0

    def add(self, frames: NDArray[np.int64], boxes: NDArray[np.float32], starts: Sequence[int] = (0,)) -> None:
        """frames: int64 [n]. boxes: float32 [n, 4], left, top, width, height. starts: where each track begins."""
        if not len(frames):
            return
        video = self._video
        self.num_boxes += len(frames)
        self.late += int((frames >= video.frames).sum()) if video.is_counted else 0
        self._last_frame = max(self._last_frame, int(frames.max()))
        x, y, w, h = boxes.astype(np.float64).T
        right, bottom = (x + w) / video.width, (y + h) / video.height
        self._largest_side = max(self._largest_side, float(np.abs(boxes).max()))
        far = (right > 1 + _FAR) | (bottom > 1 + _FAR)
        outside = wholly_outside(boxes, video)
        predicted = _at_the_end(far | outside, starts) & _moves_evenly(frames, boxes, starts)
        self._far += int((far & ~predicted).sum())
        middle_fits = (
            (np.abs(x / video.width - 0.5) + w / 2 / video.width <= 0.5 + _FAR)
            & (np.abs(y / video.height - 0.5) + h / 2 / video.height <= 0.5 + _FAR)
        )  # fmt: skip
        self._far_as_middle += int((~middle_fits).sum())
        self.outside += int(outside.sum())
        self.partly += int(_partly_outside(boxes, video).sum())
        self._ordered += int(((w > x) & (h > y)).sum())
        self._fitting += int(((w <= (1 + _FAR) * video.width) & (h <= (1 + _FAR) * video.height)).sum())
        self._far_as_sides += int(((right > 1 + _CORNERS_FAR) | (bottom > 1 + _CORNERS_FAR)).sum())

    @property
    def fits_as_middle(self) -> bool:
        """Whether the boxes would lie in the picture if their first two numbers were their middle."""
        return self._far_as_middle <= _MANY * self.num_boxes

    def findings(self, *, may_be_corners: bool = True) -> Iterator[tuple[Misfit, str]]:
        """What does not agree, with the numbers that show it; at most one finding about boxes."""
        video, total = self._video, self.num_boxes
        size = f"{video.width}x{video.height} pixels"
        if self.late:
            yield (
                Misfit.BEYOND_END,
                f"{self.late} of {total} boxes are on frames up to {self._last_frame}, but the video's last frame is "
                f"{video.frames - 1}",
            )
        if not total:
            return
        if self._largest_side <= LARGEST_SHARE:
            yield Misfit.RELATIVE, f"no side of {total} boxes is above {LARGEST_SHARE}, in a picture of {size}"
        elif may_be_corners and self._ordered == total and self._far_as_sides and self._fitting > (1 - _MANY) * total:
            yield (
                Misfit.CORNERS,
                f"in all {total} boxes the third number is above the first and the fourth above the second, and "
                f"{self._far_as_sides} would reach far out of the picture of {size}",
            )
        elif self._far > _MANY * total:
            message = f"{self._far} of {total} boxes reach far beyond the right or bottom edge of the picture of {size}"
            if self.fits_as_middle:
                message += ", and would not if their first two numbers were their middle"
            yield Misfit.OUTSIDE, message
        elif self.outside > _MOST * total:
            yield Misfit.OUTSIDE, f"{self.outside} of {total} boxes lie wholly outside the picture of {size}"


# What follows tells boxes that a tracker predicts, for a while, where a person has walked out of the picture: they say
# nothing of its size. They come last, and without measurements their centres move as evenly as a Kalman filter has it.


def _at_the_end(gone: NDArray[np.bool_], starts: Sequence[int]) -> NDArray[np.bool_]:
    """Which boxes, bool [n], follow the last of their track that is not gone."""
    positions = np.arange(len(gone))
    begins = np.asarray(starts)
    last_there = np.maximum.reduceat(np.where(gone, -1, positions), begins)
    last_there[last_there < 0] = len(gone)  # a track that was never there is no one's who walked out
    follow: NDArray[np.bool_] = positions > np.repeat(last_there, np.diff([*begins, len(gone)]))
    return follow


def _moves_evenly(frames: NDArray[np.int64], boxes: NDArray[np.float32], starts: Sequence[int]) -> NDArray[np.bool_]:
    """Which boxes, bool [n], move on from the two before them in their track as these moved, to a pixel or so."""
    centres = boxes[:, :2].astype(np.float64) + boxes[:, 2:].astype(np.float64) / 2
    even = np.zeros(len(frames), bool)
    if len(frames) < 3:
        return even
    steps, gaps = np.diff(centres, axis=0), np.diff(frames)
    change = np.abs(np.diff(steps, axis=0)).max(axis=1)
    speed = np.abs(steps[1:]).max(axis=1)
    even[2:] = (gaps[1:] == gaps[:-1]) & (speed > _MOVING) & (change <= _UNEVEN + _UNEVEN_SHARE * speed)
    begins = np.asarray(starts)
    even[np.concatenate([begins, begins + 1]).clip(max=len(even) - 1)] = False
    return even


def wholly_outside(boxes: NDArray[np.float32], video: Survey) -> NDArray[np.bool_]:
    """Which boxes, float32 [n, 4], cover no pixel of the picture: bool [n]."""
    x, y, w, h = boxes.astype(np.float64).T
    outside: NDArray[np.bool_] = (
        (np.ceil(x + w) <= 0) | (np.ceil(y + h) <= 0) | (np.floor(x) >= video.width) | (np.floor(y) >= video.height)
    )
    return outside


def _partly_outside(boxes: NDArray[np.float32], video: Survey) -> NDArray[np.bool_]:
    """Which boxes reach over the picture's edge by a pixel or more, bool [n]."""
    x, y, w, h = boxes.astype(np.float64).T
    over: NDArray[np.bool_] = (x <= -1) | (y <= -1) | (x + w >= video.width + 1) | (y + h >= video.height + 1)
    return over
