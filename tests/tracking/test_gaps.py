"""Boxes in short gaps: on the straight way, where a picture can be had, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.tracking.gaps import without_gaps


def boxes_at(*lefts: float) -> np.ndarray:
    return np.array([[left, 0.5, left + 10, 20.5] for left in lefts], np.float32)


def test_a_short_gap_is_filled_on_the_straight_way_and_a_long_one_is_not() -> None:
    frames, boxes = without_gaps(np.array([0, 1, 5, 10]), boxes_at(0, 1, 9, 30), np.arange(20), 4)
    assert frames.tolist() == [0, 1, 2, 3, 4, 5, 10]
    assert boxes.tolist() == boxes_at(0, 1, 3, 5, 7, 9, 30).tolist()
    assert boxes.dtype == np.float32


@pytest.mark.parametrize(
    ("usable", "expected"), [([0, 2, 4, 6], [0, 2, 4, 6]), ([0, 4, 6], [0, 4, 6]), ([0, 6], [0, 6])]
)
def test_only_frames_that_may_have_a_box_get_one(usable: list[int], expected: list[int]) -> None:
    """Those that were looked at, and are not damaged."""
    frames, boxes = without_gaps(np.array([0, 6]), boxes_at(0, 6), np.array(usable), 6)
    assert frames.tolist() == expected
    assert boxes.tolist() == boxes_at(*expected).tolist()


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60)), st.integers(0, 20), st.data())
def test_what_was_there_stays_to_the_bit(own: set[int], others: set[int], longest: int, data: st.DataObject) -> None:
    frames = np.array(sorted(own))
    sides = st.floats(0, 1000, width=32)
    boxes = np.array([[data.draw(sides) for _ in range(4)] for _ in frames], np.float32)
    usable = np.array(sorted(own | others))
    filled, made = without_gaps(frames, boxes, usable, longest)
    assert (np.diff(filled) > 0).all()
    assert set(filled) <= set(usable)
    assert (made[np.isin(filled, frames)] == boxes).all()
    for frame in set(filled) - own:
        before, after = frames[frames < frame].max(), frames[frames > frame].min()
        assert after - before <= longest
