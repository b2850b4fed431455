"""Tracks that turn back: where one goes on the other way and looks different from then on, somebody has come just where
another one went, and was taken for them.

A tracker goes from picture to picture and cannot know; afterwards a turn has a way before it and one behind it, and the
colours of a second's boxes on both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from par_model.tracking.clothes import differing

_WAY_S = 2 / 3  # for so long a way is looked at, before a turn and behind it
_LOOK_S = 1.0  # and for so long looks are: light changes by and by
_STAY_S = 0.5  # for so long somebody is followed at least
_FEWEST = 3  # boxes of all these, where pictures are far apart
_SPEED = 0.25  # heights a second that a way is gone at least, and then back
# Of one person's boxes before and behind a moment; those of others differ by 0.15 in the middle (benchmarks/LOG.md).
_SAME = 0.06


def without_turns(
    seconds: NDArray[np.float64], boxes: NDArray[np.float32], colours: NDArray[np.uint8], rate: float
) -> list[slice]:
    """The parts of a track that are one person each, in order: all of it, if nobody turns back and looks different.

    seconds [n], when, boxes [n, 4] and colours [n, NUMBERS] (see ``clothes``): of the track. rate: pictures that were
    looked at, a second.
    """
    fewest, length, look = (max(_FEWEST, round(rate * span)) for span in (_STAY_S, _WAY_S, _LOOK_S))
    if len(seconds) < 2 * fewest:
        return [slice(0, len(seconds))]
    sums = np.concatenate([np.zeros((1, colours.shape[1])), np.cumsum(colours, axis=0, dtype=np.float64)])
    sides = boxes.astype(np.float64)
    # By the head: feet are hidden and seen again where nobody goes anywhere.
    heads, heights = np.stack([(sides[:, 0] + sides[:, 2]) / 2, sides[:, 1]], axis=1), sides[:, 3] - sides[:, 1]

    def way(one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """From one box to the other: pixels across and down [n, 2]; seconds times the height of both [n]."""
        return heads[other] - heads[one], (seconds[other] - seconds[one]) * (heights[one] + heights[other]) / 2

    parts, whole = [], [(0, len(seconds))]
    while whole:
        start, stop = whole.pop()
        turns = np.arange(start + fewest, stop - fewest + 1)
        gone, passed = way(np.maximum(turns - length, start), turns - 1)
        back, passed_back = way(turns, np.minimum(turns + length, stop) - 1)
        turns = turns[(gone * back).sum(axis=1) < -(_SPEED**2) * passed * passed_back]
        first, last = np.maximum(turns - look, start), np.minimum(turns + look, stop)
        apart = differing(sums[turns] - sums[first], sums[last] - sums[turns])
        if len(turns) and apart.max() > _SAME:
            turn = int(turns[apart.argmax()])
            whole += [(turn, stop), (start, turn)]
        else:
            parts.append(slice(start, stop))
    return parts
