"""What a box and a track look like is found by the box, and counts times their overlap."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.tracking.association import Shown, overlapping, remembering
from par_model.tracking.clothes import NUMBERS, alike

BOXES = np.array([[0, 0, 10, 20], [5, 0, 15, 20]], np.float32)
DRESSED = np.tile(255 * np.eye(8, dtype=np.uint8), NUMBERS // 8)


def shown(*colours: int) -> Shown:
    """The two boxes in these colours."""
    found = Shown()
    found.next_picture(BOXES, DRESSED[list(colours)])
    return found


def test_an_overlap_counts_as_much_as_both_look_alike() -> None:
    here = shown(1, 5)
    estimator = remembering("XYXYStateEstimator", here)(BOXES[0])
    expected = np.array([estimator.state_to_bbox()])
    plain = overlapping(by_height=False, shown=None).compute(expected, BOXES)
    assert plain == pytest.approx(np.array([[1, 1 / 3]]))
    unlike = float(np.exp(-0.97 / 0.15))
    assert overlapping(by_height=False, shown=here).compute(expected, BOXES) == pytest.approx(plain * [1, unlike])


def test_heights_count_by_what_they_share() -> None:
    half = np.array([[0.0, 10, 10, 20]])
    assert overlapping(by_height=False, shown=None).compute(half, BOXES[:1]) == pytest.approx(0.5)
    assert overlapping(by_height=True, shown=None).compute(half, BOXES[:1]) == pytest.approx(0.25)


def test_a_track_looks_as_the_mean_of_its_boxes_and_later_ones_count_for_a_fiftieth() -> None:
    here = shown(1, 5)
    estimator = remembering("XYXYStateEstimator", here)(BOXES[0])
    estimator.update(BOXES[1])
    estimator.update(None)
    here.expect(BOXES[0].astype(np.float64), DRESSED[0])  # of another track: overwritten by the next
    box = estimator.state_to_bbox()

    def mean(share: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return (1 - share) * DRESSED[1:2] + share * DRESSED[5:6]

    own = DRESSED[[1, 5]].astype(np.float64)
    assert here.alike(box[None], BOXES) == pytest.approx(alike(mean(1 / 2), own))
    for _ in range(98):
        estimator.update(BOXES[0])
    before = here.alike(estimator.state_to_bbox()[None], BOXES)
    share = 1 / 50 * 0.98**50  # of the second box: one of 50, and then less by a fiftieth each time
    assert before == pytest.approx(alike(mean(share), own), rel=1e-6)


def test_what_was_shown_in_another_picture_is_forgotten() -> None:
    here = shown(1, 5)
    here.next_picture(BOXES[:1], DRESSED[[2]])
    assert here.of_box(BOXES[0]).tolist() == DRESSED[2].tolist()
    with pytest.raises(KeyError):
        here.of_box(BOXES[1])
