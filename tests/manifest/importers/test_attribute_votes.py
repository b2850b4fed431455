"""What tracks say of attributes by name becomes labels in the schema's order."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import VotedLabels, Votes, count_votes

SCHEMA = AttributeSchema.parse(
    """
    name = "small"

    [[groups]]
    name = "hat"
    kind = "binary"
    text = "a hat"
    aliases = ["Kopfbedeckung"]

    [[groups]]
    name = "top color"
    kind = "exclusive"
    classes = [{ value = "red", text = "red", aliases = ["rot"] }, { value = "none", text = "no top" },
               { value = "light blue", text = "blue" }]
    """,
    "small.toml",
)


def labels(**said: str) -> tuple[int, ...]:
    """Of a track that says so in all its boxes."""
    votes: Votes = {"1": {name.replace("_", " "): Counter({value: 3}) for name, value in said.items()}}
    return count_votes(votes, SCHEMA, "a.xml").labels["1"]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        *((value, 1) for value in ("true", "True", "TRUE", "1", "1.0", "yes", " true ")),
        *((value, 0) for value in ("false", "False", "0", "0.0", "no")),
        *((value, -1) for value in ("", "__undefined__", "-1", "nan")),
    ],
)
def test_a_binary_group_is_yes_no_or_not_said(value: str, label: int) -> None:
    assert labels(hat=value) == (label, -1, -1, -1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("red", (1, 0, 0)),
        ("Red", (1, 0, 0)),
        ("rot", (1, 0, 0)),
        ("none", (0, 1, 0)),  # a class of the schema, though elsewhere it means that nothing was said
        ("light blue", (0, 0, 1)),
        ("Light-Blue", (0, 0, 1)),
        ("__undefined__", (-1, -1, -1)),
        ("", (-1, -1, -1)),
    ],
)
def test_an_exclusive_group_is_one_of_its_classes_by_name(value: str, expected: tuple[int, ...]) -> None:
    assert labels(top_color=value) == (-1, *expected)


def test_a_class_may_be_said_alone_and_names_have_many_spellings() -> None:
    votes: Votes = {
        "1": {"KOPFBEDECKUNG": Counter(true=1), "top-color red": Counter(true=1), "Top_Color_None": Counter(no=1)}
    }
    assert count_votes(votes, SCHEMA, "a.xml").labels == {"1": (1, 1, 0, -1)}


def test_what_changes_within_a_track_is_decided_by_the_majority_and_counted() -> None:
    votes: Votes = {
        "most": {"hat": Counter(true=3, false=2), "top color": Counter({"red": 1, "light blue": 5})},
        "level": {"hat": Counter(true=2, false=2), "top color": Counter({"red": 2, "rot": 1, "none": 2})},
        "same": {"hat": Counter({"true": 1, "True": 1, "__undefined__": 9})},
    }
    found = count_votes(votes, SCHEMA, "a.xml")
    assert found.labels == {"most": (1, 0, 0, 1), "level": (-1, 1, 0, 0), "same": (1, -1, -1, -1)}
    assert (found.changing, found.level) == ({"hat": 2, "top color": 2}, {"hat": 1})
    assert list(found.lines()) == [
        "hat changes within 2 tracklets: the majority counts, 1 of them without one and so not annotated",
        "top color changes within 2 tracklets: the majority counts",
    ]


def test_what_matches_nothing_is_listed_from_both_sides() -> None:
    votes: Votes = {
        "1": {"hat": Counter(maybe=2), "mood": Counter(happy=1)},
        "2": {"hat": Counter(maybe=2, true=1), "weather": Counter(rain=1)},
    }
    found = count_votes(votes, SCHEMA, "a.xml")
    assert found.labels == {"1": (-1,) * 4, "2": (-1,) * 4}
    assert found == VotedLabels(
        labels=found.labels,
        unknown_names=["mood", "weather"],
        absent=["top color"],
        unknown_values={"hat": Counter(maybe=2)},
        changing={"hat": 1},
    )
    assert list(found.lines())[:3] == [
        "attributes that the schema does not know: mood, weather",
        "attributes not annotated: top color",
        "hat is not annotated for values that are no class of it, by tracklets: 'maybe' 2",
    ]


def test_a_number_is_no_class_of_an_exclusive_group() -> None:
    """It may be counted from 0 or from 1, which nothing tells."""
    votes: Votes = {"1": {"top color": Counter({"1": 1})}}
    found = count_votes(votes, SCHEMA, "a.xml")
    assert (found.labels, found.unknown_values) == ({"1": (-1,) * 4}, {"top color": Counter({"1": 1})})


@pytest.mark.parametrize(
    ("votes", "problem"),
    [
        ({"1": {"mood": Counter(x=1)}}, "no attribute is one of schema small: it has mood, the schema hat, top color"),
        ({"1": {}}, "no attribute is one of schema small: it has none"),
        ({"1": {"hat": Counter(true=1), "Hat": Counter(true=1)}}, "'hat' and 'Hat' are the same attribute"),
        ({"1": {"top color": Counter(red=1), "top color red": Counter(true=1)}}, "are the same attribute"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(votes: Votes, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        count_votes(votes, SCHEMA, "a.xml")
    assert str(caught.value).startswith("a.xml: ")
    assert problem in str(caught.value)


@given(st.permutations([("true", 5), ("false", 4), ("", 40)]), st.integers(0, 3))
def test_the_order_of_values_does_not_matter(order: list[tuple[str, int]], more: int) -> None:
    said = Counter(dict(order))
    said["no"] += more  # another word for false
    expected = 1 if more == 0 else -1 if more == 1 else 0
    assert count_votes({"1": {"hat": said}}, SCHEMA, "a.xml").labels["1"][0] == expected
