"""Numbers that the report works out itself."""

from __future__ import annotations

from typing import Any

import pytest

from par_model.attributes import AttributeClass, AttributeGroup
from par_model.report.figures import class_figures, group_figures, merged_reliability, wilson


def test_wilson_is_the_published_interval() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(0, 0) is None


def reliability(*bins: tuple[int, float | None, float | None]) -> list[dict[str, Any]]:
    return [{"count": n, "mean_score": score, "positive_rate": rate} for n, score, rate in bins]


def test_bins_of_several_classes_are_weighted_by_their_counts() -> None:
    one = {"reliability": reliability((3, 0.1, 0.0), (0, None, None), (0, None, None))}
    two = {"reliability": reliability((1, 0.5, 1.0), (2, 0.6, 0.5), (0, None, None))}
    first, second = merged_reliability([one, two])
    assert first == {"score": pytest.approx(0.2), "rate": pytest.approx(0.25), "count": 4}
    assert second == {"score": pytest.approx(0.6), "rate": pytest.approx(0.5), "count": 2}


def metrics() -> dict[str, Any]:
    measures = {"labelled": 300, "positives": 263, "recall": 81 / 263, "precision": 81 / 148, "f1": 0.4}
    return {
        "classes": {"hat": measures | {"reliability": reliability((4, 0.3, 0.25))}},
        "groups": {"hat": {"labelled": 300, "accuracy": 0.6, "macro_f1": 0.4}},
        "constant": {"groups": {"hat": {"accuracy": 0.5}}},
        "intervals": {"classes": {"hat": [0.35, 0.45]}, "groups": {"hat": [0.55, 0.65]}},
    }


def test_precision_and_recall_have_the_intervals_of_their_counts() -> None:
    figures = class_figures(metrics(), "hat")
    assert figures is not None
    assert figures["recall"] == {"value": 81 / 263, "interval": pytest.approx(wilson(81, 263))}
    assert figures["precision"] == {"value": 81 / 148, "interval": pytest.approx(wilson(81, 148))}
    assert figures["f1"] == {"value": 0.4, "interval": [0.35, 0.45]}
    assert class_figures(metrics(), "boots") is None


def test_a_group_stands_beside_the_constant_answer() -> None:
    assert group_figures(metrics(), AttributeGroup("hat", "binary", (AttributeClass("hat", "a hat"),))) == {
        "labelled": 300,
        "accuracy": {"value": 0.6, "interval": [0.55, 0.65]},
        "constant": 0.5,
        "macro_f1": 0.4,
        "reliability": [{"score": 0.3, "rate": 0.25, "count": 4}],
    }
    assert group_figures(metrics(), AttributeGroup("boots", "binary", (AttributeClass("boots", "boots"),))) is None
