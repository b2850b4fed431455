from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.runs.stripes import cut_ranges, stripe_rows


@pytest.mark.parametrize(("rows", "stripe"), [(0, 65_536), (10**8, 65_536), (10**9, 488_282)])
def test_stripes_are_few(rows: int, stripe: int) -> None:
    assert stripe_rows(rows) == stripe
    assert -(-rows // stripe) <= 2048


@given(st.lists(st.integers(0, 100), min_size=1, max_size=60), st.floats(1, 500))
def test_ranges_hold_each_stripe_once_and_are_alike(counts: list[int], wanted: float) -> None:
    rows_of = np.array(counts, np.int64)
    ranges = cut_ranges(rows_of, wanted)
    assert [stripe for first, stop in ranges for stripe in range(first, stop)] == list(range(len(counts)))
    even = rows_of.sum() / max(1, round(rows_of.sum() / wanted))
    for first, stop in ranges:
        # No further from an even share than half a stripe at either end, but where a stripe is more than that itself.
        assert rows_of[first:stop].sum() <= even + rows_of.max()


def test_equal_stripes_make_equal_ranges() -> None:
    assert cut_ranges(np.full(16, 100, np.int64), 400) == [(0, 4), (4, 8), (8, 12), (12, 16)]
    assert cut_ranges(np.array([0, 0, 5, 0], np.int64), 100) == [(0, 4)]
    assert cut_ranges(np.zeros(3, np.int64), 100) == [(0, 3)]
