"""Which answers are right, and what is taken for what."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.attributes import AttributeClass, AttributeGroup
from par_model.report.labels import count_confusion, right_values, spans


@pytest.mark.parametrize(
    ("labels", "binary", "right"),
    [
        ([1], True, [1]),
        ([0], True, [0]),
        ([-1], True, None),
        ([0, 1, 0], False, [1]),
        ([1, 0, 1], False, [0, 2]),
        ([0, 0, 0], False, None),
        ([-1, -1, -1], False, None),
    ],
)
def test_right_values(labels: list[int], binary: bool, right: list[int] | None) -> None:
    assert right_values(np.array(labels, np.int8), binary) == right


def test_confusion_counts_every_annotated_class_under_what_was_said() -> None:
    labels = np.array([[1, 0], [1, 0], [0, 1], [1, 1], [0, 0], [-1, -1]], np.int8)
    said = np.array([0, 1, 2, 0, 1, 1])  # 2: nothing
    assert count_confusion(labels, said).tolist() == [[2, 1, 0], [1, 0, 1]]


def test_spans_follow_the_groups() -> None:
    groups = [
        AttributeGroup(name, kind, tuple(AttributeClass(value, value) for value in values))
        for name, kind, values in (("a", "binary", "a"), ("b", "exclusive", "xy"), ("c", "binary", "c"))
    ]
    assert spans(groups) == [slice(0, 1), slice(1, 3), slice(3, 4)]
