"""Tracks that turn back: where one goes on the other way and looks different from then on, somebody has come just where
another one went, and was taken for them.

A tracker goes from picture to picture and cannot know; afterwards a turn has a way before it and one behind it, and the
colours of many boxes on both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from par_model.tracking.clothes import differing

_WAY_S = 2 / 3  # for so long a way is looked at, before a turn and behind it
_STAY_S = 0.5  # for so long somebody is followed at least
_FEWEST = 3  # boxes of both, where pictures are far apart
_SPEED = 0.25  # heights a second that a way is gone at least, and then back
# Of one person's boxes before and behind some moment; those of others differ by 0.15 in the middle (benchmarks/LOG.md).
_SAME = 0.06


def without_turns(
    seconds: NDArray[np.float64], boxes: NDArray[np.float32], colours: NDArray[np.uint8], rate: float
) -> list[slice]:
    """The parts of a track that are one person each, in order: all of it, if nobody turns back and looks different.

    seconds [n], when, boxes [n, 4] and colours [n, NUMBERS] (see ``clothes``): of the track. rate: pictures that were
    looked at, a second.
    """
    fewest, length = (max(_FEWEST, round(rate * span)) for span in (_STAY_S, _WAY_S))
    sums = np.concatenate([np.zeros((1, colours.shape[1])), np.cumsum(colours, axis=0, dtype=np.float64)])
    parts, whole = [], [(0, len(seconds))]
    while whole:
        start, stop = whole.pop()
        turns = np.arange(start + fewest, stop - fewest + 1)
        turns = turns[_is_back(seconds, boxes, turns, start, stop, length)]
        apart = differing(sums[turns] - sums[start], sums[stop] - sums[turns])
        if len(turns) and apart.max() > _SAME:
            turn = int(turns[apart.argmax()])
            whole += [(turn, stop), (start, turn)]
        else:
            parts.append(slice(start, stop))
    return parts


def _is_back(
    seconds: NDArray[np.float64],
    boxes: NDArray[np.float32],
    turns: NDArray[np.int64],
    start: int,
    stop: int,
    length: int,
) -> NDArray[np.bool_]:
    """For each turn, the number of the first box behind it: whether the way goes back there."""
    before, behind = np.maximum(turns - length, start), np.minimum(turns + length, stop) - 1
    sides = boxes.astype(np.float64)
    middles, heights = (sides[:, :2] + sides[:, 2:]) / 2, sides[:, 3] - sides[:, 1]

    def velocity(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
        """In heights a second, from one box to the other."""
        passed = (seconds[other] - seconds[one]) * (heights[one] + heights[other]) / 2
        found: NDArray[np.float64] = (middles[other] - middles[one]) / passed[:, None]
        return found

    both = (velocity(before, turns - 1) * velocity(turns, behind)).sum(axis=1)
    back: NDArray[np.bool_] = both < -(_SPEED**2)
    return back
