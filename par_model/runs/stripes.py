"""Stripes: stretches of a manifest's rows, all of one length, by which outcomes are kept and found again.

A part is in row order and cut at the stripes' borders, so that the outcomes of a range of rows are found in files that
hold those of any number of units, without reading the rest.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_ROWS = 65_536
_MOST_STRIPES = 2048  # or a part whose rows lie all over its manifest would be cut into crumbs


def stripe_rows(manifest_rows: int) -> int:
    """How many rows a stripe has. The same for a manifest wherever and whenever it is asked."""
    return max(_ROWS, -(-manifest_rows // _MOST_STRIPES))


def cut_ranges(rows_of: NDArray[np.int64], range_rows: float) -> list[tuple[int, int]]:
    """Ranges of stripes, each the first and the one behind the last, of about ``range_rows`` each and all alike.

    rows_of: for each stripe, how many rows count. Every stripe is in one range, also those that have none.
    """
    ends = np.cumsum(rows_of)
    count = max(1, round(float(ends[-1]) / range_rows))
    wanted = ends[-1] * np.arange(1, count) / count
    # The border that is nearest to where it should be.
    after = np.searchsorted(ends, wanted)
    before = np.maximum(after - 1, 0)
    nearer = np.where(wanted - ends[before] < ends[after] - wanted, before, after)
    borders = sorted({0, *(int(stripe) + 1 for stripe in nearer), len(rows_of)})
    return list(pairwise(borders))
