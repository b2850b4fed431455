"""Figures that come from a benchmark are those of benchmarks/RESULTS.md.

A figure has a mark behind it that names the section, the row (words in it, cells joined by commas) and the column, or
no column where the row is a sentence:

    in a page           6.3 times faster <!-- RESULTS: Frames; decord opened for each; result -->
    in a comment        # 0.94 (RESULTS: Pipeline; decode; of the slower stage)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import pytest

from par_model.inference.forecast import DRIVER_SECONDS
from par_model.inference.plan_options import EFFICIENCY
from tests.blocks import PAGES, ROOT

RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
TEXTS = ["README.md", "CHANGELOG.md", "par_model/ARCHITECTURE.md", *PAGES]
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "par_model").rglob("*.py"))
_MARK = re.compile(r"(?:<!-- |\()RESULTS: (?P<names>[^;]+(?:; [^;]+?){1,2})(?: -->|\))")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
_AFAR = 100  # characters between a figure and its mark, at most


@dataclass(frozen=True)
class Mark:
    """before: the text from the mark before to this one, white space folded."""

    document: str
    before: str
    section: str
    row: str
    column: str | None

    def __str__(self) -> str:
        return f"{self.document}: {self.section}; {self.row}; {self.column}"

    @property
    def figure(self) -> Decimal:
        found = _NUMBER.findall(self.before[-_AFAR:])
        assert found, f"{self}: no figure before it"
        return number(found[-1])


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def marks(document: str, text: str) -> Iterator[Mark]:
    if document.endswith(".py"):
        text = re.sub(r"\n\s*#", "\n", text)
    text, end = " ".join(text.split()), 0
    for match in _MARK.finditer(text):
        section, row, *column = match["names"].split("; ")
        yield Mark(document, text[end : match.start()], section, row, column[0] if column else None)
        end = match.end()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def result(section: str, row: str, column: str | None, results: str = RESULTS) -> str:
    """What stands there: under that column in the rows whose first cell this is, else in those that have these words.
    Without a column, what follows the words in a sentence. Several such rows must say the same."""
    (text,) = (part for part in re.split(r"^## ", results, flags=re.MULTILINE) if part.startswith(f"{section}\n"))
    if column is None:
        found = {line.partition(row)[2] for line in text.splitlines() if row in line and not line.startswith("|")}
    else:
        rows = list(rows_with(column, text))
        rows = [r for r in rows if r[0] == row] or [r for r in rows if row in ", ".join(r[1])]
        found = {r[2] for r in rows}
    assert len(found) == 1, f"{section}; {row}; {column}: there are {len(found)} such figures"
    return found.pop()


def rows_with(column: str, text: str) -> Iterator[tuple[str, list[str], str]]:
    """Of each row of the tables that have the column: the first cell, all cells, and the cell below the column."""
    header: list[str] = []
    for before, line in pairwise(["", *text.splitlines()]):
        if line.startswith("|"):
            header = header if before.startswith("|") else cells(line)
            if column in header and before.startswith("|"):
                yield cells(line)[0], cells(line), cells(line)[header.index(column)]


def is_of(figure: Decimal, stated: str) -> bool:
    """Whether one of the numbers that stand there is the figure, rounded to its digits."""
    digits = Decimal(1).scaleb(figure.as_tuple().exponent)  # type: ignore[arg-type]
    return any(number(found).quantize(digits) == figure for found in _NUMBER.findall(stated))


MARKS = [m for name in [*TEXTS, *SOURCES] for m in marks(name, (ROOT / name).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("mark", MARKS, ids=str)
def test_a_figure_is_that_of_the_benchmark(mark: Mark) -> None:
    stated = result(mark.section, mark.row, mark.column)
    assert is_of(mark.figure, stated), f"{mark.document} says {mark.figure}, RESULTS.md {stated!r}"


def test_a_text_that_points_at_the_results_has_marks() -> None:
    """Each paragraph, or row of a table, that names RESULTS.md or one of its sections beside a figure."""
    sections = re.findall(r"^## (.*)$", RESULTS, re.MULTILINE)
    named = re.compile("|".join(["RESULTS\\.md", *(f'"{re.escape(section)}"' for section in sections)]))
    for name in [*TEXTS, *SOURCES]:
        text = (ROOT / name).read_text(encoding="utf-8")
        for part in re.split(r"\n\s*\n|\n(?=\|)|\n(?=- )", text):
            measured = re.search(r"\d+\.\d+|\d ?(?:%|ms\b|s\b|MiB|hours|tracklets/s|times)", part)
            if named.search(part) and measured:
                assert _MARK.search(" ".join(part.split())), f"{name}: {part.strip()[:100]!r}"


def test_every_row_of_the_performance_table_has_a_mark_for_each_figure() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.partition("## Performance")[2].partition("\n## ")[0].splitlines() if "|" in line]
    assert len(rows) > 6
    for row in rows[2:]:
        shown = re.sub(r"<!--.*?-->", "", row).strip("| ").split(" | ")
        figures = re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", shown[-1])
        assert len(_MARK.findall(row)) >= len(figures) > 0, row


def test_a_wrong_figure_and_a_row_that_is_gone_are_seen() -> None:
    table = "| what | result |\n| --- | --- |\n| one | 6.26 times, 3 of it |\n| two | 1,384 |\n"
    text = f"## Frames\n\n{table}\nIn all 47.4 %.\n"
    assert result("Frames", "one", "result", text) == "6.26 times, 3 of it"
    assert result("Frames", "In all", None, text) == " 47.4 %."
    for figure, stated, holds in [("6.3", "6.26 times", True), ("6.2", "6.26 times", False), ("1384", "1,384", True)]:
        assert is_of(Decimal(figure), stated) == holds
    for row, column in [("three", "result"), ("one", "time"), ("o", "result")]:
        with pytest.raises(AssertionError):
            result("Frames", row, column, text)
    (mark,) = marks("a.py", "# reads 0.94 of it\n# (RESULTS: Frames; one; result)\n")
    assert (mark.figure, mark.section, mark.row, mark.column) == (Decimal("0.94"), "Frames", "one", "result")


def test_the_forecast_counts_with_what_was_measured() -> None:
    """Rather long: the process that the user starts works while others do, too."""
    micro = float(result("Outcomes and table through Ray", "run.json: this", None).split(",")[0])
    assert pytest.approx(micro / 1e6, rel=0.25) == DRIVER_SECONDS
    assert float(result("Pipeline", "decode", "of the slower stage")) >= EFFICIENCY
