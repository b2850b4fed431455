"""What the documents beside the README name is there."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import click
import yaml

from par_model import __version__
from par_model.errors import FailureCode
from tests.cli.test_help import COMMANDS

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_security_policy_names_is_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`(test_\w+)`", text)
    assert len(named) >= 4
    for name in named:
        assert any(f"def {name}(" in source for source in sources.values()), name
    for path in re.findall(r"tests/[\w/]+(?:\.py)?", text):
        assert (ROOT / path).exists(), path


def test_the_citation_is_of_this_version() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == __version__


def test_the_form_for_issues_asks_for_the_doctor() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))
    doctor = next(part for part in form["body"] if part["id"] == "doctor")
    assert "parjob doctor" in doctor["attributes"]["label"]
    assert doctor["validations"]["required"] is True


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+), \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
    assert re.findall(r"^### (\w+)$", text.partition(newest[0])[2].partition("\n## ")[0], re.MULTILINE) == [
        "New",
        "Changed",
        "Mended",
    ]


def test_images_of_the_package_are_of_this_version() -> None:
    found = [
        tag
        for path in (ROOT / "deploy").iterdir()
        for tag in re.findall(r"/parjob:(\d[\w.]*)", path.read_text(encoding="utf-8"))
    ]
    assert len(found) >= 3
    assert set(found) == {__version__}


def codes_of(page: str, heading: str) -> list[str]:
    """The first cells of the table below a heading of a page."""
    table = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)


def test_the_page_of_errors_has_each_code_of_a_failed_tracklet() -> None:
    assert codes_of("docs/errors.md", "Why a tracklet failed") == [str(code) for code in FailureCode]


def test_lines_of_the_page_of_errors_are_lines_of_the_program() -> None:
    """Each line's parts, between its dots, follow each other in one text of the source."""
    texts = []
    for path in (ROOT / "par_model").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts.append("\0".join(str(part.value) for part in parts if isinstance(part, ast.Constant)))
    lines = codes_of("docs/errors.md", "Common error lines")
    assert len(lines) >= 15
    for line in lines:
        parts = [re.escape(part.strip()) for part in line.split("…") if part.strip(": ")]
        assert any(re.search(".*".join(parts), text, re.DOTALL) for text in texts), line


def test_the_page_of_commands_has_the_help_of_each() -> None:
    hook = runpy.run_path(str(ROOT / "docs" / "reference" / "commands.py"))
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    filled = hook["on_page_markdown"](page)
    assert re.findall(r"^#{2,3} (.*)$", filled, re.MULTILINE) == list(COMMANDS)
    assert filled.count("Example") == len(COMMANDS)
    sections = {part.partition("\n")[0]: part for part in re.split(r"^#{2,3} ", filled, flags=re.MULTILINE)}
    for name, command in COMMANDS.items():
        listed = re.findall(r"^`(-.+)`\n:   \S", sections[name], re.MULTILINE)
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert [words.split(" ")[0].rstrip(",") for words in listed] == [option.opts[0] for option in options]
        assert {words.split(" ")[-1] for words in listed}.isdisjoint({"TEXT", "INTEGER", "FLOAT", "RANGE"}), name
    assert r"file name, as in '\{camera\}\_\{time:%Y%m%d-%H%M%S\}.mp4'" in sections["parjob manifest from-mot"]
    assert hook["on_page_markdown"]("another page") == "another page"
