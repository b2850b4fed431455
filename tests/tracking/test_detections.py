"""What a detector found, put in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from par_model.tracking.detections import FLOOR, Detections

HEIGHT, WIDTH = 90, 160
_SIDE = st.floats(-50, 250, width=32)
_SCORE = st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.5, 0.25]))


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(0, 12))
    return draw(arrays(np.float32, (n, 4), elements=_SIDE)), draw(arrays(np.float32, (n,), elements=_SCORE))


@given(answers(), st.randoms(use_true_random=False))
def test_the_order_in_which_a_network_answers_changes_nothing(
    answer: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    boxes, scores = answer
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    first = Detections.in_picture(boxes, scores, height=HEIGHT, width=WIDTH)
    second = Detections.in_picture(boxes[order], scores[order], height=HEIGHT, width=WIDTH)
    assert first.boxes.tobytes() == second.boxes.tobytes()
    assert first.scores.tobytes() == second.scores.tobytes()
    assert first.left_out == second.left_out


@given(answers())
def test_every_box_is_kept_or_counted_and_lies_in_the_picture(answer: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, scores = answer
    found = Detections.in_picture(boxes, scores, height=HEIGHT, width=WIDTH)
    assert len(found) + found.left_out == int((scores >= FLOOR).sum())
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2] <= WIDTH).all()
    assert (found.boxes[:, 3] <= HEIGHT).all()
    assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()
    again = Detections.in_picture(found.boxes, found.scores, height=HEIGHT, width=WIDTH, floor=0)
    assert again.boxes.tobytes() == found.boxes.tobytes()
    assert again.scores.tobytes() == found.scores.tobytes()


def test_last_bits_decide_neither_order_nor_values() -> None:
    boxes = np.array([[10, 10, 20, 40], [10.0001, 10, 20, 40], [5, 5, 9, 20]])
    one = Detections.in_picture(boxes, [0.7, 0.7 + 1e-6, 0.9], height=HEIGHT, width=WIDTH)
    other = Detections.in_picture(boxes, [0.7 + 1e-6, 0.7, 0.9 - 1e-6], height=HEIGHT, width=WIDTH)
    assert one.boxes.tolist() == [[5, 5, 9, 20], [10, 10, 20, 40], [10, 10, 20, 40]]
    assert one.boxes.tobytes() == other.boxes.tobytes()
    assert one.scores.tobytes() == other.scores.tobytes()


def test_boxes_are_clipped_and_those_without_a_size_are_counted() -> None:
    boxes = [[-5, 10, 20, 95], [150, 80, 170, 88], [-20, 0, -1, 20], [30, 30, 30, 60], [40, 50, 60, 45]]
    found = Detections.in_picture(boxes, [0.5, 0.6, 0.9, 0.9, 0.9], height=HEIGHT, width=WIDTH)
    assert found.boxes.tolist() == [[150, 80, 160, 88], [0, 10, 20, 90]]
    assert found.left_out == 3
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_scores_below_the_floor_are_left_out_unsaid() -> None:
    found = Detections.in_picture([[0, 0, 9, 9], [0, 0, 8, 8]], [0.04, 0.05], height=HEIGHT, width=WIDTH)
    assert found.boxes.tolist() == [[0, 0, 8, 8]]
    assert found.left_out == 0


@pytest.mark.parametrize(
    ("boxes", "scores", "says"),
    [
        ([[0, 0, 1, 1]], [float("nan")], "scores up to nan, expected finite ones from 0 to 1"),
        ([[0, 0, 1, 1]], [1.5], "scores up to 1.5"),
        ([[0, 0, float("nan"), 1]], [0.5], "a box that is not finite"),
        ([[0, 0, 1, 1]], [0.5, 0.6], "1 boxes and 2 scores"),
    ],
)
def test_an_answer_that_is_no_boxes_and_scores_is_an_error(boxes: list, scores: list, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Detections.in_picture(boxes, scores, height=HEIGHT, width=WIDTH)


@pytest.mark.parametrize(
    ("boxes", "scores", "left_out", "says"),
    [
        ([[0, 0, 1, 1], [0, 0, 2, 2]], [0.5, 0.6], 0, "not in order"),
        ([[0, 0, 2, 2], [0, 0, 1, 1]], [0.5, 0.5], 0, "not in order"),
        ([[-1, 0, 1, 1]], [0.5], 0, "outside the picture"),
        ([[1, 0, 1, 1]], [0.5], 0, "has no size"),
        ([[0, 0, 1, 1]], [1.5], 0, "scores from 0 to 1"),
        ([[0, 0, 1]], [0.5], 0, r"expected \[n, 4\]"),
        ([[0, 0, 1, 1]], [0.5], -1, "left_out is -1"),
    ],
)
def test_detections_check_themselves(boxes: list, scores: list, left_out: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Detections(np.array(boxes, np.float32), np.array(scores, np.float32), left_out)


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="expected float32"):
        Detections(np.zeros((0, 4)), np.zeros(0, np.float32))
