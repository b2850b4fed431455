"""What a detector finds in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FLOOR = 0.05
"""Persons of a lower score are not handed on: trackers look from 0.1 upwards, and below this most of a network's
answers are no persons."""

# Powers of two, so that rounded numbers are exact in float32. The last bits of a network's answer hang on the number of
# threads and on what else is in its batch; trackers take boxes in the order given, so that bits would decide ids.
_BOX_STEP = 1 / 64  # pixels
_SCORE_STEP = 1 / 4096


@dataclass(frozen=True, eq=False)
class Detections:
    """The persons of one picture, in an order that follows from their values alone.

    boxes: float32 [n, 4] as x1, y1, x2, y2 in pixels of the picture, clipped to it, each with a width and a height, in
        steps of 1/64 pixel. scores: float32 [n] from 0 to 1, in steps of 1/4096. Sorted by score, falling, then by box.
    left_out: how many boxes had nothing inside the picture.

    Raises ValueError if the values are not so.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    left_out: int = 0

    def __post_init__(self) -> None:
        defect = self._defect()
        if defect:
            raise ValueError(f"detections: {defect}")

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def in_picture(cls, boxes: ArrayLike, scores: ArrayLike, *, height: int, width: int, floor: float = FLOOR) -> Self:
        """From a network's answer: [n, 4] corners in pixels and [n] scores of a picture of height x width pixels.

        Scores below ``floor`` are left out unsaid. Raises ValueError if a box or a score is not finite, or a score is
        above 1: a network that gives such was not loaded or fed as it should be.
        """
        given, certain = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float64).reshape(-1)
        if len(given) != len(certain):
            raise ValueError(f"the detector gave {len(given)} boxes and {len(certain)} scores")
        if not np.isfinite(certain).all() or certain.max(initial=0) > 1 + _SCORE_STEP:
            raise ValueError(f"the detector gave scores up to {certain.max():g}, expected finite ones from 0 to 1")
        chosen = certain >= floor
        given, certain = given[chosen], certain[chosen]
        if not np.isfinite(given).all():
            at = int(np.argmin(np.isfinite(given).all(axis=1)))
            raise ValueError(f"the detector gave a box that is not finite: {given[at].tolist()}")
        clipped = np.clip(np.round(given / _BOX_STEP) * _BOX_STEP, 0, (width, height, width, height))
        certain = np.clip(np.round(certain / _SCORE_STEP) * _SCORE_STEP, 0, 1)
        sized = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
        kept, sure = clipped[sized].astype(np.float32), certain[sized].astype(np.float32)
        order = np.lexsort((*kept.T[::-1], -sure))
        return cls(kept[order], sure[order], int((~sized).sum()))

    def _defect(self) -> str | None:
        boxes, scores = self.boxes, self.scores
        if boxes.dtype != np.float32 or scores.dtype != np.float32:
            return f"boxes are {boxes.dtype} and scores {scores.dtype}, expected float32"
        if scores.ndim != 1 or boxes.shape != (len(scores), 4):
            return f"boxes {list(boxes.shape)} and scores {list(scores.shape)}, expected [n, 4] and [n]"
        if not np.isfinite(boxes).all() or not ((scores >= 0) & (scores <= 1)).all():
            return "boxes must be finite and scores from 0 to 1"
        if (boxes < 0).any() or (boxes[:, :2] >= boxes[:, 2:]).any():
            return "a box lies outside the picture, or has no size"
        if (np.diff(np.lexsort((*boxes.T[::-1], -scores))) != 1).any():
            return "not in order of score, falling, then of box"
        if self.left_out < 0:
            return f"left_out is {self.left_out}"
        return None
