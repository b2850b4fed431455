"""Who turns back and looks different from then on is somebody else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from par_model.tracking.clothes import NUMBERS
from par_model.tracking.turns import without_turns

RATE = 12.0


def walked(*ways: tuple[int, float]) -> NDArray[np.float32]:
    """Boxes 50 high of somebody who goes some ways, each of so many pictures at so many heights a second."""
    steps = np.concatenate([np.full(count, speed * 50 / RATE) for count, speed in ways])
    left = 500 + np.cumsum(steps)
    return np.stack([left, np.full_like(left, 100), left + 20, np.full_like(left, 150)], axis=1).astype(np.float32)


def dressed(*spans: tuple[int, int]) -> NDArray[np.uint8]:
    """Histograms of so many boxes, all in one bin, by its number."""
    colours = np.zeros((sum(count for count, _ in spans), 6, NUMBERS // 6), np.uint8)
    at = 0
    for count, colour in spans:
        colours[at : at + count, :, colour] = 255
        at += count
    return colours.reshape(at, NUMBERS)


def parts(boxes: NDArray[np.float32], colours: NDArray[np.uint8], rate: float = RATE) -> list[tuple[int, int]]:
    found = without_turns(np.arange(len(boxes)) / rate, boxes, colours, rate)
    return [(part.start, part.stop) for part in found]


THERE_AND_BACK = walked((20, 1.0), (30, -1.0))


def test_two_people_where_one_comes_back_in_other_clothes() -> None:
    assert parts(THERE_AND_BACK, dressed((20, 1), (30, 4))) == [(0, 20), (20, 50)]


def test_one_who_turns_back_or_changes_their_look_but_not_both_stays_one() -> None:
    assert parts(THERE_AND_BACK, dressed((50, 1))) == [(0, 50)]
    assert parts(walked((50, 1.0)), dressed((20, 1), (30, 4))) == [(0, 50)]
    # Other clothes more than a second before the turn; half a second before it, they count as from the turn on.
    far = walked((40, 1.0), (40, -1.0))
    assert parts(far, dressed((20, 1), (60, 4))) == [(0, 80)]
    assert parts(far, dressed((34, 1), (46, 4))) == [(0, 36), (36, 80)]


def test_who_paces_to_and_fro_while_the_light_changes_stays_one() -> None:
    """From one colour to the next in ten seconds, there and back in two."""
    count = 240
    share = (np.arange(count) % 120 / 120)[:, None]
    by_and_by = (255 * ((1 - share) * dressed((1, 3)) / 255 + share * dressed((1, 4)) / 255)).astype(np.uint8)
    by_and_by[120:] = by_and_by[:120][::-1]
    assert parts(walked(*[(12, 1.0), (12, -1.0)] * 10), by_and_by) == [(0, count)]


def test_who_stands_there_and_is_hidden_from_the_waist_down_for_a_while_stays_one() -> None:
    """The box's middle goes up by a third of a height in a second, and down again, and it shows other clothes."""
    boxes = walked((60, 0.0))
    boxes[:, 3] -= np.interp(np.arange(60), [10, 22, 34], [0, 30, 0]).astype(np.float32)
    assert parts(boxes, dressed((22, 1), (38, 4))) == [(0, 60)]


def test_each_of_several_who_come_and_go_is_one() -> None:
    boxes = walked((20, 1.0), (20, -1.0), (20, 1.0))
    assert parts(boxes, dressed((20, 1), (20, 4), (20, 6))) == [(0, 20), (20, 40), (40, 60)]


@pytest.mark.parametrize(("speed", "count"), [(0.24, 1), (0.26, 2)])
def test_who_hardly_moves_does_not_turn_back(speed: float, count: int) -> None:
    """From a quarter of a height a second on, of each way."""
    boxes = walked((20, speed), (20, -speed))
    boxes[20:, [0, 2]] += speed * 50 / RATE  # the first step back is none, so that both ways are as long
    assert len(parts(boxes, dressed((20, 1), (20, 4)))) == count


@pytest.mark.parametrize(
    ("rate", "boxes", "count"), [(12.0, 5, 1), (12.0, 6, 2), (30.0, 14, 1), (30.0, 15, 2), (1.0, 2, 1)]
)
def test_nobody_is_followed_for_less_than_half_a_second_or_three_boxes(rate: float, boxes: int, count: int) -> None:
    """Before the turn, so that it is no place to part at: later ones have too little of the way back before them."""
    step = 60 / rate
    left = np.concatenate([np.arange(boxes), boxes - 2 - np.arange(boxes)]) * step
    way = np.stack([left, 0 * left, left + 20, 0 * left + 50], axis=1).astype(np.float32)
    assert len(parts(way, dressed((boxes, 1), (boxes, 4)), rate)) == count


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.sampled_from([1.0, 5.0, 12.0, 30.0]))
def test_parts_are_the_whole_in_order(seed: int, count: int, rate: float) -> None:
    random = np.random.default_rng(seed)
    boxes = walked(*[(1, float(speed)) for speed in random.normal(0, 2, count)])
    found = parts(boxes, random.integers(0, 256, (count, NUMBERS), np.uint8), rate)
    assert [start for start, _ in found] == [0, *(stop for _, stop in found[:-1])]
    assert found[-1][1] == count
    assert len(found) == 1 or min(stop - start for start, stop in found) >= max(3, round(rate / 2))
