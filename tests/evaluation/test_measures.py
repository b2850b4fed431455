"""Measures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.attributes.decide import decide
from par_model.evaluation.measures import Answers, answer, commonest, constant_answers, measure

SCHEMA = AttributeSchema(
    "small",
    (
        AttributeGroup("hat", "binary", (AttributeClass("hat", "a hat"),)),
        AttributeGroup("color", "exclusive", tuple(AttributeClass(v, v) for v in ("red", "green", "blue"))),
    ),
)
# hat, red, green, blue
LABELS = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0], [-1, -1, -1, -1]], np.int8)
SCORES = np.array(
    [[0.9, 0.6, 0.2, 0.1], [0.4, 0.5, 0.3, 0.1], [0.6, 0.1, 0.8, 0.1], [0.1, 0.2, 0.3, 0.1], [0.9, 0.9, 0.9, 0.9]]
)


def test_each_class_and_each_group() -> None:
    found = measure(LABELS, answer(SCORES, SCHEMA, [0.5] * 4), SCHEMA)
    hat = found["classes"]["hat"]
    assert (hat["labelled"], hat["positives"], hat["positive_rate"]) == (4, 2, 0.5)
    assert (hat["precision"], hat["recall"], hat["f1"], hat["mA"]) == (0.5, 0.5, 0.5, 0.5)
    assert hat["f1_always"] == pytest.approx(2 / 3)
    assert hat["auroc"] == 0.75  # of the four pairs of a positive and a negative, 0.4 against 0.6 is wrong
    assert hat["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    green = found["classes"]["color_green"]
    assert (green["precision"], green["recall"], green["f1"]) == (1.0, pytest.approx(2 / 3), pytest.approx(0.8))
    blue = found["classes"]["color_blue"]
    assert (blue["precision"], blue["f1"], blue["auroc"], blue["mA"]) == (None, None, None, None)
    assert found["groups"]["color"]["accuracy"] == 0.75
    assert found["groups"]["color"]["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert found["means"]["macro_f1"] == pytest.approx((0.5 + 2 / 3 + 0.8) / 3)
    assert found["means"]["group_accuracy"] == pytest.approx((0.5 + 0.75) / 2)


def test_a_tracklet_that_failed_predicts_nothing_and_counts() -> None:
    answered = np.array([True, False, True, True, True])
    scores = np.where(answered[:, None], SCORES, 0.0)
    said = Answers(scores, decide(SCORES, SCHEMA, [0.3] * 4) & answered[:, None], answered)
    found = measure(LABELS, said, SCHEMA)
    assert found["classes"]["hat"]["recall"] == 0.5
    assert found["groups"]["color"]["labelled"] == 4
    assert found["groups"]["color"]["accuracy"] == 0.75
    assert sum(bin_["count"] for bin_ in found["classes"]["hat"]["reliability"]) == 3
    not_wearing = np.array([True, True, True, False, True])  # to say nothing is no right "no"
    silent = Answers(SCORES, decide(SCORES, SCHEMA, [0.5] * 4) & not_wearing[:, None], not_wearing)
    assert measure(LABELS, silent, SCHEMA)["groups"]["hat"]["accuracy"] == 0.25


def test_the_constant_predictor_says_what_is_commonest() -> None:
    found = measure(LABELS, constant_answers(LABELS, SCHEMA), SCHEMA)
    assert found["groups"]["color"]["accuracy"] == 0.75  # green for all
    assert found["classes"]["color_green"]["auroc"] == 0.5
    assert found["classes"]["hat"]["ece"] == 0.0


def test_the_commonest_label_of_a_class_is_no_matter_of_the_threshold() -> None:
    """46 of 100 are positive: at the paper's 0.45 the rate itself would say yes to all."""
    labels = np.full((100, SCHEMA.num_classes), -1, np.int8)
    labels[:, -1] = np.arange(100) < 46
    labels[:, 0] = np.arange(100) < 54
    constant = constant_answers(labels, SCHEMA)
    assert constant.scores[0, -1] > 0.45
    assert not commonest(constant)[:, -1].any()
    assert commonest(constant)[:, 0].all()
