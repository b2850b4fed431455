"""Each benchmark replaces its own section of RESULTS.md, and no other."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import table, write_section


def test_a_section_is_appended_then_replaced_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for heading, body in (
        ("Model", "first"),
        ("Model, compiled", "other"),
        ("Frames", "a\n\n### b\n\nc"),
        ("Model", "2"),
    ):
        write_section(heading, body, machine="a machine", path=path)
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Results",
        "## Model",
        "## Model, compiled",
        "## Frames",
        "### b",
    ]
    assert "first" not in text
    sections = {part.split("\n")[0]: part for part in text.split("\n## ")[1:]}
    assert sections["Model"].rstrip().endswith("\n2")
    assert "other" in sections["Model, compiled"]
    assert "a machine. Command: `python -m benchmarks." in sections["Frames"]


def test_a_table() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
