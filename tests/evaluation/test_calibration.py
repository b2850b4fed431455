"""Calibration and thresholds against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.evaluation.calibration import calibrate_thresholds, reliability


def test_calibration_error_of_two_bins() -> None:
    found = reliability(np.array([True, False, True, True]), np.array([0.12, 0.18, 0.92, 1.0]))
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.15) + 2 * abs(1.0 - 0.96)) / 4)
    assert [b.count for b in found.bins] == [0, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.bins[0].positive_rate is None
    assert found.bins[9].mean_score == pytest.approx(0.96)


def test_thresholds_have_the_best_f1_and_stay_near_a_half_where_that_costs_nothing() -> None:
    labels = np.array([[1, 1, 0, 1], [1, 0, 0, -1], [0, 0, 0, -1], [0, 1, 0, 0]], np.int8)
    scores = np.array([[0.30, 0.9, 0.9, 0.9], [0.20, 0.2, 0.8, 0.9], [0.10, 0.1, 0.7, 0.9], [0.05, 0.7, 0.2, 0.6]])
    # 0: between 0.10 and 0.20. 1: anything from 0.2 to 0.7, so 0.5. 2: never positive. 3: two labels only.
    assert calibrate_thresholds(labels, scores) == pytest.approx([0.15, 0.5, 0.5, 0.75])


def test_thresholds_agree_with_trying_all() -> None:
    rng = np.random.default_rng(3)
    labels, scores = (rng.random((60, 1)) < 0.3).astype(np.int8), rng.random((60, 1)).round(2)

    def f1(threshold: float) -> float:
        said = scores[:, 0] > threshold
        return 2 * float((said & (labels[:, 0] > 0)).sum()) / float(said.sum() + labels.sum())

    (found,) = calibrate_thresholds(labels, scores)
    best = max(f1(t) for t in np.arange(0.0, 1.0, 0.005))
    assert f1(found) == best


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [([1, 1], [0.2, 0.6], 0.1), ([1, 0, 1, 1], [0.1, 0.15, 0.2, 0.3], 0.05), ([1, 0], [0.3, 0.3], 0.15)],
)
def test_a_threshold_below_all_scores_is_taken_where_saying_yes_is_best(
    labels: list[int], scores: list[float], expected: float
) -> None:
    found = calibrate_thresholds(np.array([labels], np.int8).T, np.array([scores]).T)
    assert found == [pytest.approx(expected)]
