"""More than half of the answers, and nothing less."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.labelling.answers import LabelAnswer
from par_model.labelling.merge import gather_voices, majority

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["red"], "red"),
        (["red", "red", "blue"], "red"),
        (["red", "blue"], None),
        (["red", "red", "blue", "green"], None),
        (["red", None, None], None),
        ([None], None),
        (["red", "red", None], "red"),
    ],
)
def test_the_majority(said: list[str | None], expected: str | None) -> None:
    assert majority(said) == expected


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=9))
def test_no_order_of_answers_changes_the_majority(said: list[str | None]) -> None:
    winner = majority(said)
    assert winner == majority(said[::-1]) == majority(sorted(said, key=str))
    assert winner is None or Counter(said)[winner] > len(said) / 2


def test_of_one_persons_answers_the_latest_counts() -> None:
    first = LabelAnswer("t", "hat", "no", "eva", NOON)
    later = LabelAnswer("t", "hat", "yes", "eva", NOON + timedelta(minutes=1))
    other = LabelAnswer("t", "hat", "no", "tom", NOON)
    for order in ([first, later, other], [later, other, first]):
        voices = gather_voices(order)
        assert {author: said.answer for author, said in voices["t"]["hat"].items()} == {"eva": "yes", "tom": "no"}
