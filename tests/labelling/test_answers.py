"""Files of answers are read, or refused with the place of what is wrong; the column keeps them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from par_model.errors import ManifestError, SchemaError
from par_model.labelling.answers import (
    FIELD,
    LabelAnswer,
    common_schema,
    from_column,
    labels_of,
    read_answers,
    to_column,
)
from tests.report.results import SCHEMA

TIME = "2026-11-28T17:45:00.123456+01:00"


def document(**changes: Any) -> dict[str, Any]:
    """What `label page` saves."""
    groups = {"backpack": "yes", "top_color": "red", "hat": None}
    return {
        "format": "parjob-answers",
        "version": 1,
        "author": " eva ",
        "schema": SCHEMA.to_toml(),
        "keys": 12,
        "answers": [{"tracklet_id": "t1", "time": TIME, "groups": groups}],
    } | changes


def write(path: Path, value: Any) -> str:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return str(path)


def answer(**changes: Any) -> list[dict[str, Any]]:
    return [{"tracklet_id": "t1", "time": TIME, "groups": {"hat": "no"}} | changes]


def test_a_file_of_answers(tmp_path: Path) -> None:
    found = read_answers(write(tmp_path / "a.json", document()))
    time = datetime(2026, 11, 28, 16, 45, 0, 123_000, tzinfo=UTC)
    assert (found.author, found.schema) == ("eva", SCHEMA)
    assert [(of.tracklet_id, of.group, of.answer, of.author) for of in found.answers] == [
        ("t1", "backpack", "yes", "eva"),
        ("t1", "top_color", "red", "eva"),
        ("t1", "hat", None, "eva"),
    ]
    assert {of.time for of in found.answers} == {time}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{", "is not valid JSON"),
        ([], "must be an object of names and values"),
        (document(format="other"), "format must be 'parjob-answers', got 'other'"),
        (document(version=2), "version must be 1, got 2"),
        (document(author="  "), "author must be a text that is not empty"),
        (document(answers=[]), "has no answers"),
        (document(answers=answer(time="yesterday")), "answers[0], time"),
        (document(answers=answer(time="2026-11-28T17:45:00")), "has no zone"),
        (
            document(answers=answer(groups={"shoes": "yes"})),
            "'shoes' is no group of schema small; its groups: top",
        ),
        (document(answers=answer(groups={"hat": "maybe"})), "tracklet 't1': hat is 'maybe', which is none of no, yes"),
        (document(answers=answer(groups={"hat": True})), "answers[0], groups, hat"),
        (document(answers=answer(groups={"top_color": "pink"})), "none of red, blue, green"),
    ],
)
def test_what_is_no_file_of_answers(value: Any, problem: str, tmp_path: Path) -> None:
    uri = write(tmp_path / "a.json", value)
    with pytest.raises(ManifestError) as caught:
        read_answers(uri)
    assert problem in str(caught.value)
    assert uri in str(caught.value)


def test_files_of_two_schemas_are_not_merged(tmp_path: Path) -> None:
    other = SCHEMA.to_toml().replace("small", "large")
    files = [
        read_answers(write(tmp_path / f"{n}.json", document(schema=toml)))
        for n, toml in enumerate((SCHEMA.to_toml(), other))
    ]
    assert common_schema(files[:1]) == SCHEMA
    with pytest.raises(SchemaError, match=r"1\.json follow another schema than .*0\.json \(large, small\)"):
        common_schema(files)


def test_answers_become_one_label_a_class() -> None:
    color, backpack, _ = SCHEMA.groups
    assert [labels_of(color, of) for of in ("red", "green", None)] == [[1, 0, 0], [0, 0, 1], [-1, -1, -1]]
    assert [labels_of(backpack, of) for of in ("yes", "no", None)] == [[1], [0], [-1]]


def test_the_column_gives_back_what_it_was_given() -> None:
    time = datetime(2026, 11, 28, 16, 45, 0, 123_000, tzinfo=UTC)
    said = [LabelAnswer("b", "hat", "yes", "eva", time), LabelAnswer("b", "top_color", None, "tom", time)]
    column = to_column([[], said, []])
    assert column.type == FIELD.type
    assert column.is_null().to_pylist() == [True, False, True]
    assert list(from_column(["a", "b", "c"], column, SCHEMA, "m")) == said
    with pytest.raises(ManifestError, match="column label_answers is string"):
        list(from_column(["a"], pa.array(["x"]), SCHEMA, "m"))
    with pytest.raises(ManifestError, match="m: tracklet 'b': 'shoes' is no group"):
        list(from_column(["b"], to_column([[LabelAnswer("b", "shoes", "yes", "eva", time)]]), SCHEMA, "m"))
