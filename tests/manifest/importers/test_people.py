"""Which classes are people is said, or plain, or refused."""

from __future__ import annotations

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.people import choose_people


@pytest.mark.parametrize(
    ("classes", "wanted", "people"),
    [
        (["person", "car", "Person"], [], [True, False, True]),
        (["pedestrian", "person", "dog"], [], [True, True, False]),
        (["0", "0.0"], [], [True, True]),  # data frames write whole numbers with a fraction
        (["0", "2"], ["0"], [True, False]),
        (["0", "2", "7"], ["2", "7"], [False, True, True]),
        (["2.0", "0"], ["2"], [True, False]),
        (["car", "man"], ["MAN"], [False, True]),
        ([], [], []),
    ],
)
def test_people_are_those_that_are_named_or_plainly_so(
    classes: list[str], wanted: list[str], people: list[bool]
) -> None:
    chosen, _ = choose_people(classes, wanted, "t.csv")
    assert chosen.tolist() == people


@pytest.mark.parametrize(
    ("classes", "wanted", "problem"),
    [
        (["0", "2", "2"], [], "say with --people which classes are people; it has '2' 2, '0' 1"),
        (["2", "2"], [], "say with --people"),  # one class, but of cars or of people?
        (["car", "bus"], [], "say with --people"),
        (
            ["car", "car"],
            [],
            "say with --people which classes are people; it has 'car' 2",
        ),  # a detector may know no other
        (["0", "2"], ["1"], "has no class '1'; it has '0' 1, '2' 1"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_classes(classes: list[str], wanted: list[str], problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        choose_people(classes, wanted, "t.csv")
    assert str(caught.value).startswith("t.csv: ")
    assert problem in str(caught.value)


def test_the_others_are_named_and_counted() -> None:
    _, why = choose_people(["person", "car", "dog", "car"], [], "t.csv")
    assert why == "of classes that are not people ('car' 2, 'dog' 1)"


def test_the_only_class_that_a_user_has_named_is_of_people() -> None:
    """Who draws boxes of people under a label of their own, in CVAT for example, need not say it again."""
    chosen, _ = choose_people(["shopper", "shopper"], [], "t.xml", own_names=True)
    assert chosen.tolist() == [True, True]
    with pytest.raises(ManifestError, match="which classes are people"):
        choose_people(["2", "2"], [], "t.xml", own_names=True)
