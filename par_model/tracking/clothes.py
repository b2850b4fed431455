"""What somebody looks like in a box, in few numbers: which colours there are in the upper half of their clothes and in
the lower one.

A colour is its lightness, how much more red it is than green, and how much more yellow than blue. Each has a histogram
of eight bins, in which a pixel counts for the two bins that it lies between. All is done in whole numbers, so that the
same picture and box give the same bytes on any machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Shares of a box's height and width: below the head and above the feet, without the sides, where the street is seen.
_UPPER, _LOWER = (0.125, 0.5), (0.5, 0.917)
_SIDES = (1 / 6, 5 / 6)
_ROWS, _COLUMNS = 8, 8  # of pixels that are looked at, of each half
_BINS = 8
_STEPS = 16  # from one bin to the next
# Of red less green, and of the mean of both less blue: what is stronger counts as this.
_STRONGEST = 90
_SPANS = np.array([765, 2 * _STRONGEST, 4 * _STRONGEST])

NUMBERS = 2 * 3 * _BINS
"""How many describe a box."""

# Boxes of one person, a second apart, differ by 0.02 in the middle, those of two people by 0.19 (benchmarks/LOG.md):
# what is below the first number here is the same, and what is above counts less and less.
_SAME = 0.03
_SOFTNESS = 0.15


def colours_in(picture: NDArray[np.uint8], boxes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The histograms of each box, uint8 [n, NUMBERS], from 0 to 255.

    picture: RGB [H, W, 3]. boxes: [n, 4], left, top, right, bottom, in pixels of one of ``size``, width and height,
    which ``picture`` may be a smaller copy of.
    """
    height, width, _ = picture.shape
    count = len(boxes)
    sides = boxes.astype(np.float64) * np.array([width / size[0], height / size[1]] * 2)
    rows = _between(sides[:, 1], sides[:, 3], np.concatenate([_middles(*half, _ROWS) for half in (_UPPER, _LOWER)]))
    columns = _between(sides[:, 0], sides[:, 2], _middles(*_SIDES, _COLUMNS))
    rows, columns = np.minimum(rows, height - 1), np.minimum(columns, width - 1)
    places = rows[:, :, None] * width + columns[:, None, :]
    red, green, blue = np.moveaxis(picture.reshape(-1, 3)[places].astype(np.int64), -1, 0)
    opponents = np.stack([red - green, red + green - 2 * blue], -1)
    strongest = _SPANS[1:] // 2
    values = np.concatenate([(red + green + blue)[..., None], opponents.clip(-strongest, strongest) + strongest], -1)
    steps = values * ((_BINS - 1) * _STEPS) // _SPANS  # [n, rows, columns, 3]
    bins, share = steps // _STEPS, steps % _STEPS
    halves = np.repeat(np.arange(2), _ROWS)[None, :, None, None]
    first = ((np.arange(count)[:, None, None, None] * 2 + halves) * 3 + np.arange(3)) * _BINS + bins
    length = count * NUMBERS
    # A pixel in the last bin has nothing for the next one, which is another histogram's.
    found = np.bincount(first.ravel(), (_STEPS - share).ravel(), length + 1)
    found += np.bincount(first.ravel() + 1, share.ravel(), length + 1)
    return (found[:length] * 255 // (_ROWS * _COLUMNS * _STEPS)).astype(np.uint8).reshape(count, NUMBERS)


def alike(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """How alike two look, [n, m], 1 where their histograms, [n, NUMBERS] and [m, NUMBERS], are much the same, else
    less."""
    same: NDArray[np.float64] = np.exp(-np.maximum(differing(ones[:, None], others[None]) - _SAME, 0) / _SOFTNESS)
    return same


def differing(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much the histograms of two differ, those of all their boxes together or in the mean: one less the
    Bhattacharyya coefficient, its mean over the histograms. Both [..., NUMBERS], of shapes that broadcast; [...]."""
    roots, other_roots = (np.sqrt(side / np.maximum(side.sum(axis=-1, keepdims=True), 1)) for side in (ones, others))
    found: NDArray[np.float64] = 1 - (roots * other_roots).sum(axis=-1)
    return found


def _middles(start: float, stop: float, count: int) -> NDArray[np.float64]:
    return start + (stop - start) * (np.arange(count) + 0.5) / count


def _between(starts: NDArray[np.float64], stops: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pixels at these shares of the way from each start to its stop."""
    return np.floor(starts[:, None] + (stops - starts)[:, None] * shares).astype(np.int64)
