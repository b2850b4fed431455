"""What a video's numbers give away about boxes, and that right boxes are never spoken of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from par_model.manifest.agreement import Agreement, Misfit, wholly_outside
from par_model.video.survey import Survey

VIDEO = Survey(width=1920, height=1080, frames=100, is_counted=True, tracks=1)


def walkers(seed: int = 0, people: int = 12, steps: int = 40) -> NDArray[np.float32]:
    """Boxes of people who walk across the picture, some of them in and out of it, with a detector's noise."""
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(people):
        height = rng.uniform(150, 500)
        width = height * rng.uniform(0.3, 0.5)
        start, end = rng.uniform(-0.05, 1.0, 2) * (1920 - width)
        top = rng.uniform(0.1, 1.0) * (1080 - height)
        for at in np.linspace(0, 1, steps):
            boxes.append(np.asarray([start + at * (end - start), top, width, height]) + rng.normal(0, 3, 4))
    return np.asarray(boxes, np.float32)


def findings(boxes: NDArray[np.float32], frames: NDArray[np.int64] | None = None) -> list[Misfit]:
    agreement = Agreement(VIDEO)
    frames = np.arange(len(boxes)) % 100 if frames is None else frames
    for part in range(0, len(boxes), 120):  # as they pass, three tracks at a time
        some = boxes[part : part + 120]
        agreement.add(frames[part : part + 120], some, range(0, len(some), 40))
    return [code for code, _ in agreement.findings()]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20))
def test_right_boxes_are_never_spoken_of(seed: int, people: int) -> None:
    assert findings(walkers(seed, people)) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_wrong_ones_are_named(seed: int) -> None:
    boxes = walkers(seed)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    inside = np.clip(corners, 0, [1920, 1080, 1920, 1080]).astype(np.float32)
    inside = inside[(inside[:, 2:] > inside[:, :2]).all(axis=1)]
    assert findings((boxes / [1920, 1080, 1920, 1080]).astype(np.float32)) == [Misfit.RELATIVE]
    assert findings(inside) == [Misfit.CORNERS]
    assert findings(boxes * 2) == [Misfit.OUTSIDE]
    assert findings(boxes - np.float32([3000, 0, 0, 0])) == [Misfit.OUTSIDE]
    assert findings(boxes, np.arange(len(boxes))) == [Misfit.BEYOND_END]


def test_middles_are_told_from_another_size() -> None:
    boxes = walkers(5)
    inside = boxes[(boxes[:, 0] > 0) & (boxes[:, 0] + boxes[:, 2] < 1920)]
    for wrong, is_said in (
        (inside + inside[:, [2, 3, 2, 3]] * np.float32([0.5, 0.5, 0, 0]), True),
        (inside * 2, False),
    ):
        agreement = Agreement(VIDEO)
        agreement.add(np.zeros(len(wrong), np.int64), wrong)
        ((code, message),) = agreement.findings()
        assert code is Misfit.OUTSIDE
        assert ("would not if their first two numbers were their middle" in message) is is_said


def test_trackers_may_go_on_where_people_have_walked_out() -> None:
    """deep-sort-realtime with max_age=30 leaves 30 boxes that fly off behind each track."""
    rng = np.random.default_rng(3)
    lefts = np.arange(40) * 40.0 + 900
    noise = np.concatenate([rng.normal(0, 3, (5, 22)), np.zeros((5, 18))], axis=1)  # of what was seen; the rest flies
    tracks = np.stack(
        [np.stack([lefts + n, np.full(40, 300), np.full(40, 120), np.full(40, 300)], axis=1) for n in noise]
    )
    boxes = tracks.reshape(-1, 4).astype(np.float32)
    assert findings(boxes) == []
    agreement = Agreement(VIDEO)
    agreement.add(np.arange(200) % 40, boxes, range(0, 200, 40))
    assert agreement.outside > 0.3 * len(boxes)
    coming_back = boxes.copy()
    coming_back[39::40] = boxes[0]
    assert findings(coming_back) == [Misfit.OUTSIDE]
    wandering = boxes + np.float32([1, 0, 0, 0]) * rng.normal(0, 30, (200, 1)).astype(np.float32)
    assert findings(wandering) == [Misfit.OUTSIDE]


def test_what_is_found_is_said_with_its_numbers() -> None:
    agreement = Agreement(VIDEO)
    boxes = np.asarray([[10, 10, 50, 100], [1910, 10, 50, 100], [2000, 10, 50, 100], [-60, 0, 50, 50]], np.float32)
    agreement.add(np.asarray([0, 5, 100, 140]), boxes)
    assert (agreement.num_boxes, agreement.late, agreement.outside, agreement.partly) == (4, 2, 2, 3)
    assert list(agreement.findings()) == [
        (Misfit.BEYOND_END, "2 of 4 boxes are on frames up to 140, but the video's last frame is 99")
    ]


def test_frames_are_not_judged_by_a_number_that_was_not_counted() -> None:
    agreement = Agreement(Survey(1920, 1080, frames=90, is_counted=False, tracks=1))
    agreement.add(np.asarray([95]), np.asarray([[10, 10, 50, 100]], np.float32))
    assert list(agreement.findings()) == []


@pytest.mark.parametrize(
    ("box", "outside"),
    [
        ((1919.5, 0, 5, 5), False),
        ((1920, 0, 5, 5), True),
        ((0, 1080, 5, 5), True),
        ((-5, 0, 5, 5), True),
        ((-5, 0, 5.25, 5), False),
        ((0, -9.5, 5, 9), True),
        ((-10, -10, 3000, 3000), False),
    ],
)
def test_a_box_is_outside_if_no_pixel_is_left_to_cut(box: tuple[float, ...], outside: bool) -> None:
    assert wholly_outside(np.asarray([box], np.float32), VIDEO).tolist() == [outside]
