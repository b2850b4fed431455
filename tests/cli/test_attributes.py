"""`parjob attributes`: what it prints."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from par_model.attributes import shipped_schemas
from tests.cli.run import parjob


def test_all_that_ship_are_listed_with_their_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert parjob("attributes", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_schemas())
    assert "mars      14 groups  43 classes" in lines
    assert parjob("attributes", "list", "--json") == 0
    assert {"name": "duke", "groups": 12, "classes": 36} in json.loads(capsys.readouterr().out)


def test_what_is_shown_is_a_schema_that_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parjob("attributes", "show", "street") == 0
    shown = capsys.readouterr().out
    assert [group["name"] for group in tomllib.loads(shown)["groups"]][:3] == [
        "top_color", "bottom_color", "short_sleeves",
    ]  # fmt: skip
    own = tmp_path / "own.toml"
    own.write_text(shown)
    assert parjob("attributes", "show", own) == 0
    assert capsys.readouterr().out == shown


def test_as_json_it_names_the_columns_and_scores_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert parjob("attributes", "show", "street", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["groups"][-1] == {
        "name": "gait", "kind": "exclusive", "column": "gait", "classes": ["walking", "running", "standing"],
    }  # fmt: skip
    assert shown["score_fields"][-3:] == ["gait_walking", "gait_running", "gait_standing"]


def test_a_schema_with_a_duplicate_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = tmp_path / "mine.toml"
    schema.write_text(
        'name = "mine"\n[[groups]]\nname = "hat"\nkind = "binary"\ntext = "a hat"\n'
        '[[groups]]\nname = "color"\nkind = "exclusive"\n'
        'classes = [{ value = "red", text = "r" }, { value = "red", text = "r2" }]\n'
    )
    assert parjob("attributes", "show", schema) == 1
    assert "'red' twice" in capsys.readouterr().err
