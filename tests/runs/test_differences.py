"""What makes two runs different is named, with both values where they say something."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.errors import OutputError
from par_model.runs.differences import differing, refuse_differing

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()) | st.tuples(st.text())


@given(st.dictionaries(st.text(), VALUES))
def test_a_run_is_the_same_before_and_after_its_way_through_json(asked: dict[str, Any]) -> None:
    recorded = {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()}
    assert differing(recorded, asked) == []
    refuse_differing("out", recorded, asked)


def test_what_was_not_recorded_differs_and_what_is_recorded_beside_does_not() -> None:
    assert differing({"a": 1, "more": 2}, {"a": 1, "b": None, "c": 0}) == ["c"]
    assert differing({"a": 1}, {"a": True}) == []  # JSON's true is no number, but equals it
    assert differing({"a": (1,)}, {"a": (1,)}) == ["a"]  # what is recorded has been through JSON


def test_what_differs_is_named_with_both_values_and_digests_by_name_alone() -> None:
    recorded = {"weights": "0a", "manifest": "1b", "seed": 1, "by": ["a"]}
    with pytest.raises(OutputError) as caught:
        refuse_differing("out", recorded, recorded | {"weights": "2c", "seed": 7, "by": ("a", "b")})
    assert str(caught.value) == (
        "out holds results of another run; it differs in weights, seed (1 there, 7 now), "
        "by (['a'] there, ('a', 'b') now): give another --output"
    )
