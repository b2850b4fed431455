"""Answers against values worked out by hand."""

from __future__ import annotations

import numpy as np

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.attributes.decide import decide

SCHEMA = AttributeSchema(
    "small",
    (
        AttributeGroup("hat", "binary", (AttributeClass("hat", "a hat"),)),
        AttributeGroup("color", "exclusive", tuple(AttributeClass(v, v) for v in ("red", "green", "blue"))),
    ),
)
# hat, red, green, blue
SCORES = np.array([[0.9, 0.6, 0.2, 0.1], [0.4, 0.5, 0.3, 0.1], [0.6, 0.1, 0.8, 0.1], [0.1, 0.2, 0.3, 0.1]])


def test_what_the_table_says_is_by_threshold_or_the_highest_of_a_group() -> None:
    decided = decide(SCORES, SCHEMA, [0.5] * 4)
    assert decided.astype(int).tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]]
    assert decide(SCORES, SCHEMA, [0.3] * 4)[:, 0].tolist() == [True, True, True, False]


def test_of_equal_scores_the_first_class_is_named() -> None:
    decided = decide(np.array([[0.5, 0.2, 0.7, 0.7]]), SCHEMA, [0.5] * 4)
    assert decided.tolist() == [[False, False, True, False]]


def test_a_threshold_is_compared_in_the_precision_of_the_scores() -> None:
    """0.3 as a double is above 0.3 as a float: a score that was written as 0.3 is not above the threshold 0.3."""
    score = np.array([[0.3, 0.1, 0.2, 0.3]], np.float32)
    assert not decide(score, SCHEMA, [0.3] * 4)[0, 0]
    assert decide(np.nextafter(score, np.float32(1)), SCHEMA, [0.3] * 4)[0, 0]
