"""Which class is a person."""

from __future__ import annotations

import pytest

from par_model.errors import WeightsError
from par_model.tracking.person_class import person_class_of

COCO = {0: "person", 1: "bicycle", 2: "car"}


@pytest.mark.parametrize(
    ("labels", "wanted", "number"),
    [
        (COCO, None, 0),
        ({0: "N/A", 1: " Person "}, None, 1),
        ({3: "car", 7: "pedestrian"}, None, 7),
        ({0: "people", 1: "person"}, None, 1),
        (COCO, "car", 2),
        (COCO, "2", 2),
        (COCO, "Bicycle", 1),
        ({0: "1", 1: "0"}, "1", 0),
        ({}, "1", 1),
    ],
)
def test_it_is_told_by_labels_or_by_the_user(labels: dict[int, str], wanted: str | None, number: int) -> None:
    assert person_class_of(labels, wanted, "d.xml") == number


@pytest.mark.parametrize(
    ("labels", "wanted", "says"),
    [
        (
            {0: "LABEL_0", 1: "LABEL_1"},
            None,
            "d.xml: its labels do not say which .*, one of 0 LABEL_0, 1 LABEL_1",
        ),
        ({0: "person", 1: "Person"}, None, "do not say which one"),
        (COCO, "dog", "'dog' is none of 0 person, 1 bicycle, 2 car"),
        (COCO, "3", "'3' is none of"),
        ({0: "a", 1: "A"}, "a", "is more than one of"),
        ({}, None, r"give its number by --person-class \(like so\)"),
        ({}, "person", "names no classes, so --person-class must be a number, not 'person'"),
        ({n: f"LABEL_{n}" for n in range(91)}, None, "11 LABEL_11 and 79 more"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_classes_that_there_are(
    labels: dict[int, str], wanted: str | None, says: str
) -> None:
    with pytest.raises(WeightsError, match=says):
        person_class_of(labels, wanted, "d.xml", example=" (like so)")
