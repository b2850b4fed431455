"""What is a number in a tool's file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.manifest.importers.numbers import is_number


@pytest.mark.parametrize("text", ["1", "-1", "+1.", ".5", "1e3", "1.5E-3", " 7 ", "nan", "-inf", "Infinity", "007"])
def test_what_tools_write_as_numbers_are_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", " ", "1_0", "1,5", "0x10", "one", "1 2", "1e", "--1", "\u0663", "\uff11"])
def test_what_python_alone_would_read_is_none(text: str) -> None:
    assert not is_number(text)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers())
def test_every_number_of_python_is_one(value: float) -> None:
    assert is_number(str(value))
