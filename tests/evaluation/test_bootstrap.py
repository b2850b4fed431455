"""Intervals by tracklet."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.evaluation import bootstrap
from par_model.evaluation.measures import answer, measure
from par_model.evaluation.paper import paper_metrics
from tests.evaluation.test_measures import SCHEMA


def test_intervals_hold_the_measure_and_are_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((400, 4), np.int8)
    labels[:, 0] = rng.random(400) < 0.4
    labels[np.arange(400), 1 + rng.integers(0, 3, 400)] = 1
    scores = np.clip(0.35 * labels + rng.random((400, 4)) * 0.65, 0, 1)
    said = answer(scores, SCHEMA, [0.5] * 4)
    found = bootstrap.intervals(labels, said, SCHEMA, threshold=0.45, resamples=500, seed=1)
    assert found == bootstrap.intervals(labels, said, SCHEMA, threshold=0.45, resamples=500, seed=1)
    measured = measure(labels, said, SCHEMA)
    paper = paper_metrics(labels, scores, SCHEMA).mean
    low, high = found["groups"]["hat"]
    accuracy = measured["groups"]["hat"]["accuracy"]
    assert low < accuracy < high
    assert high - low == pytest.approx(2 * 1.96 * (accuracy * (1 - accuracy) / 400) ** 0.5, rel=0.15)
    assert found["classes"]["hat"][0] < measured["classes"]["hat"]["f1"] < found["classes"]["hat"][1]
    assert found["means"]["macro_f1"][0] < measured["means"]["macro_f1"] < found["means"]["macro_f1"][1]
    assert found["paper"]["f1"][0] < paper.f1 < found["paper"]["f1"][1]


def test_each_resample_is_the_measure_of_the_tracklets_drawn() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(-1, 2, (12, 4)).astype(np.int8)
    scores = rng.random((12, 4))
    said = answer(scores, SCHEMA, [0.5] * 4)
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=3).astype(np.float64)
    drawn = bootstrap._resampled(weights, labels, said, SCHEMA, 0.45)
    for r, row in enumerate(weights.astype(int)):
        again = np.repeat(np.arange(12), row)
        expected = measure(labels[again], answer(scores[again], SCHEMA, [0.5] * 4), SCHEMA)["means"]
        assert drawn["means.macro_f1"][r] == pytest.approx(expected["macro_f1"])
        assert drawn["means.mA"][r] == pytest.approx(expected["mA"])
        assert drawn["paper.f1"][r] == pytest.approx(paper_metrics(labels[again], scores[again], SCHEMA).mean.f1)


def test_the_difference_of_two_answers_is_drawn_over_the_same_tracklets() -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, (300, 4)).astype(np.int8)
    scores = np.clip(0.4 * labels + rng.random((300, 4)) * 0.6, 0, 1)
    worse = scores.copy()
    worse[:60] = 1 - worse[:60]
    first, second = (answer(values, SCHEMA, [0.5] * 4) for values in (scores, worse))
    f1s = [measure(labels, said, SCHEMA)["means"]["macro_f1"] for said in (first, second)]
    low, high = bootstrap.macro_f1_difference(labels, first, second, resamples=400) or (0, 0)
    assert low < f1s[1] - f1s[0] < high < 0
    alone = [bootstrap.intervals(labels, said, SCHEMA, threshold=0.5)["means"]["macro_f1"] for said in (first, second)]
    assert high - low < sum(b - a for a, b in alone)
    turned = bootstrap.macro_f1_difference(labels, second, first, resamples=400)
    assert turned == pytest.approx([-high, -low])
    assert bootstrap.macro_f1_difference(labels, first, first) == [0.0, 0.0]
    assert bootstrap.macro_f1_difference(np.zeros_like(labels), first, second) is None
