"""Numbers and lists in sentences."""

from __future__ import annotations

import pytest

from par_model.wording import counted, listed


@pytest.mark.parametrize(("number", "text"), [(0, "0 boxes"), (1, "1 box"), (12345, "12 345 boxes")])
def test_a_number_and_what_it_counts(number: int, text: str) -> None:
    assert counted(number, "box", "boxes", thousands=" ") == text


@pytest.mark.parametrize(
    ("names", "text"), [("", ""), ("a", "a"), ("ab", "a, b"), ("abc", "a, b and 1 more"), ("abcde", "a, b and 3 more")]
)
def test_a_list_names_some_and_counts_the_others(names: str, text: str) -> None:
    assert listed(names, 2) == text
