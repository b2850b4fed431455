"""Under which names files know what a schema has."""

from __future__ import annotations

import pytest

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_names import Target, known_names, known_values, match_names

COLOR = AttributeGroup(
    "top_color",
    "exclusive",
    (AttributeClass("red", "red"), AttributeClass("gray", "gray", aliases=("grey",), released="upgray")),
    aliases=("upper",),
)
SCHEMA = AttributeSchema("small", (AttributeGroup("hat", "binary", (AttributeClass("hat", "a hat"),)), COLOR))


def test_groups_classes_and_aliases_are_known_as_field_names() -> None:
    known = known_names(SCHEMA)
    assert known["hat"] == Target(0, 1, False)
    assert known["top_color"] == known["upper"] == Target(1, 3, True)
    assert known["top_color_red"] == known["upper_red"] == Target(1, 2, False)
    assert known["grey"] == known["upgray"] == known["top_color_gray"] == Target(2, 3, False)
    assert known_values(COLOR) == {"red": 0, "gray": 1, "grey": 1, "upgray": 1}


def test_names_are_matched_whatever_their_case_and_blanks_and_others_are_left_alone() -> None:
    found = match_names([" Hat ", "Top-Color", "age"], SCHEMA, "a.csv")
    assert found == {" Hat ": Target(0, 1, False), "Top-Color": Target(1, 3, True)}


def test_two_names_of_one_attribute_are_refused() -> None:
    with pytest.raises(ManifestError) as caught:
        match_names(["upper", "grey"], SCHEMA, "a.csv")
    assert str(caught.value) == "a.csv: 'upper' and 'grey' are the same attribute of schema small; remove one"
