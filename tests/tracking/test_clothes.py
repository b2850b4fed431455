"""What somebody looks like is the colours of the upper and of the lower half of their clothes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from par_model.tracking.clothes import NUMBERS, alike, colours_in

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (120, 120, 120)
BOX = np.array([[20, 10, 60, 110]], np.float32)


def dressed(above: tuple[int, int, int], below: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Somebody in BOX, halfway down in other clothes, before a green wall."""
    picture = np.full((120, 80, 3), (0, 200, 0), np.uint8)
    picture[10:60, 20:60] = above
    picture[60:110, 20:60] = below
    return picture


def histograms(picture: NDArray[np.uint8], boxes: NDArray[np.float32] = BOX, size: tuple[int, int] = (80, 120)) -> list:  # type: ignore[type-arg]
    """Of the first box: upper and lower; lightness, red less green, yellow less blue; eight bins."""
    return colours_in(picture, boxes, size)[0].reshape(2, 3, 8).tolist()  # type: ignore[no-any-return]


def test_each_half_has_a_histogram_of_lightness_and_of_two_pairs_of_colours() -> None:
    """Red is a third as light as white: 2.31 of 7 bins, in sixteenths of one."""
    upper, lower = histograms(dressed(RED, GREY))
    assert upper == [[0, 0, 175, 79, 0, 0, 0, 0], [0] * 7 + [255], [0] * 7 + [255]]
    assert lower == [[0, 0, 0, 191, 63, 0, 0, 0], [0, 0, 0, 127, 127, 0, 0, 0], [0, 0, 0, 127, 127, 0, 0, 0]]
    assert histograms(dressed(GREY, BLUE))[1][2] == [255] + [0] * 7


def test_a_box_may_refer_to_a_larger_picture() -> None:
    picture = dressed(RED, BLUE)
    larger = BOX * np.array([2, 3, 2, 3], np.float32)
    assert histograms(picture, larger, (160, 360)) == histograms(picture)


def test_boxes_keep_their_order_and_none_is_none() -> None:
    picture = dressed(RED, BLUE)
    upper_only, lower_only = [20, 10, 60, 60], [20, 60, 60, 110]
    found = colours_in(picture, np.array([lower_only, upper_only, BOX[0]], np.float32), (80, 120))
    assert found.dtype == np.uint8
    assert found[0].reshape(2, 24).tolist() == [found[2, 24:].tolist()] * 2
    assert found[1].reshape(2, 24).tolist() == [found[2, :24].tolist()] * 2
    assert colours_in(picture, BOX[:0], (80, 120)).shape == (0, NUMBERS)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), min_size=1, max_size=4),
)
def test_all_pixels_of_any_box_are_counted(
    seed: int, height: int, width: int, shares: list[tuple[float, float, float, float]]
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    one = np.array(shares) * np.array([width, height, width, height])
    boxes = np.concatenate([np.minimum(one[:, :2], one[:, 2:]), np.maximum(one[:, :2], one[:, 2:])], axis=1)
    found = colours_in(picture, boxes.astype(np.float32), (width, height)).reshape(-1, 8).sum(axis=1, dtype=int)
    assert found.min() > 255 - 8
    assert found.max() <= 255


def test_the_same_clothes_are_alike_and_half_of_them_less() -> None:
    looks = [colours_in(dressed(*worn), BOX, (80, 120)) for worn in ((RED, BLUE), (RED, GREY), (BLUE, RED))]
    found = alike(*[np.concatenate(looks).astype(np.float64)] * 2)
    assert np.diag(found) == pytest.approx(1)
    assert found == pytest.approx(found.T)
    assert found[0, 2] < 0.02  # the same lightness alone
    assert 0.1 < found[0, 1] < 0.25


def test_nothing_in_common_is_least_alike() -> None:
    black, white = (np.tile(np.eye(8)[at] * 255, 6)[None] for at in (0, 7))
    assert alike(black, white).tolist() == [[pytest.approx(np.exp(-0.97 / 0.15))]]


def test_what_differs_little_is_the_same_and_what_differs_more_is_less_alike_by_steps() -> None:
    """Of all pixels a share has another colour: the square root of the rest is in common."""
    whole, other = (np.tile(np.eye(8)[at], 6) for at in (2, 5))
    found = [float(alike(whole[None], ((1 - k) * whole + k * other)[None])[0, 0]) for k in (0, 0.05, 0.1, 0.5)]
    assert found == pytest.approx([1, 1, np.exp(-(0.97 - 0.9**0.5) / 0.15), np.exp(-(0.97 - 0.5**0.5) / 0.15)])
