"""What the documents beside the README name is there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from par_model import __version__

ROOT = Path(__file__).parents[1]


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
