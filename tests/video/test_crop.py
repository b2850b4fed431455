"""Cutting boxes out of pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.errors import FailureCode, TrackletError
from par_model.video.crop import cut_crop

# Each pixel holds its own row and column.
PICTURE = np.stack([*np.meshgrid(np.arange(60), np.arange(40), indexing="ij"), np.zeros((60, 40), int)], axis=2)
PICTURE = PICTURE.astype(np.uint8)


def extent(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """First and last row, first and last column of a crop."""
    crop = cut_crop(PICTURE, np.asarray(box, np.float32), frame=5)
    return int(crop[0, 0, 0]), int(crop[-1, 0, 0]), int(crop[0, 0, 1]), int(crop[0, -1, 1])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((2, 3, 5, 7), (3, 9, 2, 6)),
        ((2.5, 3.5, 5, 7), (3, 10, 2, 7)),
        ((2.9, 3.0, 0.05, 1), (3, 3, 2, 2)),
        ((-4, -4, 10, 10), (0, 5, 0, 5)),
        ((35, 55, 100, 100), (55, 59, 35, 39)),
        ((-1e9, -1e9, 2e9, 2e9), (0, 59, 0, 39)),
        ((39, 59, 1, 1), (59, 59, 39, 39)),
    ],
)
def test_a_crop_is_columns_floor_x_to_ceil_x_plus_w(
    box: tuple[float, float, float, float], expected: tuple[int, int, int, int]
) -> None:
    assert extent(box) == expected


def test_the_sum_is_taken_in_float64_on_the_stored_float32_values() -> None:
    box = np.asarray([0.1, 0, 4.9, 2], np.float32)
    columns = cut_crop(PICTURE, box, 0).shape[1]
    assert columns == math.ceil(float(box[0]) + float(box[2])) == 6  # in float32 the sum is 5 exactly


def test_no_box_means_the_whole_picture() -> None:
    assert cut_crop(PICTURE, None, 0) is PICTURE


@pytest.mark.parametrize("box", [(40, 0, 5, 5), (0, 60, 5, 5), (-5, 0, 5, 5), (0, -9, 5, 9), (1e30, 0, 1, 1)])
def test_a_box_outside_says_frame_box_and_picture(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(TrackletError) as caught:
        cut_crop(PICTURE, np.asarray(box, np.float32), frame=17)
    assert caught.value.code is FailureCode.BOX_OUTSIDE_FRAME
    assert "frame 17" in caught.value.message
    assert f"w={box[2]:g}" in caught.value.message
    assert "40x60" in caught.value.message


SIDE = st.floats(-100, 100, width=32)
LENGTH = st.floats(0.0625, 200, width=32)


@given(SIDE, SIDE, LENGTH, LENGTH)
def test_a_crop_holds_exactly_the_pixels_that_the_box_touches(x: float, y: float, w: float, h: float) -> None:
    columns = [c for c in range(40) if c + 1 > math.floor(x) and c < math.ceil(x + w) and c >= math.floor(x)]
    rows = [r for r in range(60) if r >= math.floor(y) and r < math.ceil(y + h)]
    if not columns or not rows:
        with pytest.raises(TrackletError):
            extent((x, y, w, h))
        return
    assert extent((x, y, w, h)) == (rows[0], rows[-1], columns[0], columns[-1])
