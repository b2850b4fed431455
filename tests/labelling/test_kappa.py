"""Kappas against published and worked values."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from par_model.labelling.answers import LabelAnswer
from par_model.labelling.kappa import agreements, fleiss_kappa
from par_model.labelling.merge import Voices, gather_voices
from tests.evaluation.test_measures import SCHEMA

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
# The example of ten subjects, fourteen raters and five categories that explains the measure in many textbooks.
TEXTBOOK = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def voices(**of_author: str) -> Voices:
    """Each author's answers to the hat, a letter a tracklet: y, n, ? for cannot be seen, - for not answered."""
    spelt = {"y": "yes", "n": "no", "?": None}
    return gather_voices(
        LabelAnswer(f"t{i}", "hat", spelt[letter], author, NOON)
        for author, letters in of_author.items()
        for i, letter in enumerate(letters)
        if letter != "-"
    )


def test_fleiss_kappa_of_the_textbook() -> None:
    assert fleiss_kappa(np.array(TEXTBOOK)) == pytest.approx(0.2099, abs=5e-5)
    assert fleiss_kappa(np.array([[3, 0], [2, 0]])) is None


def test_cohens_kappa_of_two_people() -> None:
    """20 yes and 15 no alike of 50; one says yes to half of them, the other to 0.6, so 0.5 by chance."""
    eva = "y" * 25 + "n" * 25
    tom = "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15
    (found,) = agreements(voices(eva=eva, tom=tom), SCHEMA)
    assert (found.group, found.tracklets, found.authors, found.measure) == ("hat", 50, ("eva", "tom"), "Cohen")
    assert found.alike == pytest.approx(0.7)
    assert found.kappa == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_three_people_who_each_answered_other_tracklets() -> None:
    """y y n, y y, n n; the fourth was answered by one person alone."""
    (found,) = agreements(voices(eva="yyny", tom="yyn-", ida="n---"), SCHEMA)
    assert (found.tracklets, found.measure) == (3, "Fleiss")
    assert found.alike == pytest.approx((2 + 2 + 2) / (6 + 2 + 2))
    observed, by_chance = (1 / 3 + 1 + 1) / 3, (4 / 7) ** 2 + (3 / 7) ** 2
    assert found.kappa == pytest.approx((observed - by_chance) / (1 - by_chance))


def test_what_one_of_three_did_not_answer_is_no_answer() -> None:
    (found,) = agreements(voices(eva="yynynyynny", tom="yynynyynny", ida="yyny------"), SCHEMA)
    assert (found.tracklets, found.alike, found.kappa) == (10, 1.0, 1.0)


def test_that_it_cannot_be_seen_is_an_answer_and_those_who_only_say_one_thing_have_no_kappa() -> None:
    (found,) = agreements(voices(eva="yy??", tom="yyn?"), SCHEMA)
    assert found.alike == pytest.approx(0.75)
    assert found.kappa == pytest.approx((0.75 - 6 / 16) / (1 - 6 / 16))
    (same,) = agreements(voices(eva="yy", tom="yy"), SCHEMA)
    assert (same.alike, same.kappa) == (1.0, None)
    assert agreements(voices(eva="y-", tom="-n"), SCHEMA) == []
