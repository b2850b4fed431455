"""Numbers and lists in sentences, and what errors say on one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.wording import counted, lines_of, listed, one_line, typed_line, without_colours

PACKAGE = Path(__file__).parent.parent / "par_model"
_BY_HAND = re.compile(r"""["'] ["']\.join\(.*\.split\(\)|\bstr\(\w+\).*\.splitlines\(\)""")


@pytest.mark.parametrize(("number", "text"), [(0, "0 boxes"), (1, "1 box"), (12345, "12 345 boxes")])
def test_a_number_and_what_it_counts(number: int, text: str) -> None:
    assert counted(number, "box", "boxes", thousands=" ") == text


@pytest.mark.parametrize(
    ("names", "text"), [("", ""), ("a", "a"), ("ab", "a, b"), ("abc", "a, b and 1 more"), ("abcde", "a, b and 3 more")]
)
def test_a_list_names_some_and_counts_the_others(names: str, text: str) -> None:
    assert listed(names, 2) == text


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (ValueError("one thing \n\n\tand another\r\n"), "one thing and another"),
        (ValueError("cannot read /a  b.mp4:\n  no"), "cannot read /a  b.mp4: no"),
        (ValueError(), "ValueError"),
        (ValueError(""), "ValueError"),
        (ValueError(" \n "), "ValueError"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("it's \"it's 'it'\"\nof a name"), "it's \"it's 'it'\" of a name"),
        (KeyError("it's"), '"it\'s"'),
        (FileNotFoundError(2, "No such file or directory", "a\nb"), "[Errno 2] No such file or directory: 'a\\nb'"),
        ("a text\nof two lines", "a text of two lines"),
        ("\n", ""),
    ],
)
def test_what_an_error_says_is_one_line_and_without_a_text_its_type(said: BaseException | str, line: str) -> None:
    assert one_line(said) == line


@pytest.mark.parametrize(
    ("most", "line"), [(20, "one thing and more"), (18, "one thing and more"), (17, "one thing and..."), (3, "...")]
)
def test_of_a_longer_text_the_end_is_left_out(most: int, line: str) -> None:
    assert one_line("one thing\nand more", most) == line


@given(text=st.text(), most=st.integers(3, 30))
def test_a_line_breaks_nowhere_and_is_no_longer_than_it_may(text: str, most: int) -> None:
    line = one_line(ValueError(text), most)
    assert len(line.splitlines()) == 1
    assert 0 < len(line) <= most
    assert one_line(line, most) == line
    assert "".join(one_line(text).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("a"), "KeyError: 'a'"),
        (MemoryError(), "MemoryError"),
        (ValueError("1\n2"), "ValueError: 1 2"),
        (ValueError("12345678"), "ValueError: 1234..."),
    ],
)
def test_an_error_with_its_type(error: Exception, line: str) -> None:
    assert typed_line(error, 7) == line


@pytest.mark.parametrize(
    ("said", "lines"),
    [(ValueError(" a\n\n  b\n"), ["a", "b"]), (ValueError("\n"), ["ValueError"]), ("a\r\nb", ["a", "b"]), ("", [""])],
)
def test_lines_of_an_error(said: Exception | str, lines: list[str]) -> None:
    assert lines_of(said) == lines


def test_colours_go_and_brackets_stay() -> None:
    assert without_colours("\x1b[31;1mred\x1b[0m [1m] \x1b[mplain") == "red [1m] plain"


def test_nothing_else_of_the_package_makes_one_line_of_several() -> None:
    assert _BY_HAND.search('" ".join(str(error).split())')
    assert _BY_HAND.search("(str(error).strip().splitlines() or [kind])[0]")
    found = [path.name for path in sorted(PACKAGE.rglob("*.py")) if _BY_HAND.search(path.read_text(encoding="utf-8"))]
    assert found == ["wording.py"]
