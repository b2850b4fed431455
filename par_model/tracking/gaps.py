"""Short gaps of tracks: where a detector misses somebody for some pictures, they are where the straight way leads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def without_gaps(
    frames: NDArray[np.int64], boxes: NDArray[np.float32], usable: NDArray[np.int64], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Frames [n] and boxes [n, 4] of a track, with boxes in between where from one to the next are at most ``longest``
    frames; those that it has stay what they are, to the bit.

    usable: int64 [k], increasing, the frames that may get a box.
    """
    steps = np.diff(frames)
    short = np.flatnonzero((steps > 1) & (steps <= longest))
    if not len(short):
        return frames, boxes
    before = np.searchsorted(frames, usable, side="right") - 1
    inside = np.isin(before, short) & (frames[np.maximum(before, 0)] != usable)
    filled = np.union1d(frames, usable[inside])
    sides = [np.interp(filled, frames, boxes[:, side]) for side in range(4)]
    return filled, np.stack(sides, axis=1).astype(np.float32)
