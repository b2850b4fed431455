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
        ("[" * 100_000, "is not valid JSON"),
        (document(author="  "), "author must be one line of text, whoever answered"),
        (
            document(author="e\nva\x1b[31m"),
            "author must be one line of text, whoever answered: got",
        ),
        (document(answers=answer(time="9999-12-31T23:59:59-10:00")), "is before the year 1 or after 9999 in UTC"),
        (document(answers=answer(time="0001-01-01T00:00:00+10:00")), "is before the year 1 or after 9999 in UTC"),
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


@pytest.mark.parametrize("author", ["eva", " Eva M. ", "\u0645\u06cc\u200c\u0646\u0627", "O'Neill <3"])
def test_names_of_people_are_taken(author: str, tmp_path: Path) -> None:
    assert read_answers(write(tmp_path / "a.json", document(author=author))).author == author.strip()


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


def test_the_column_is_read_as_other_libraries_write_it() -> None:
    time = datetime(2026, 11, 28, 16, 45, 0, 123_000, tzinfo=UTC)
    said = [LabelAnswer("b", "hat", "yes", "eva", time), LabelAnswer("c", "top_color", None, "tom", time)]
    text = pa.large_string()
    fields = [("time", pa.timestamp("us", "UTC")), ("author", text), ("group", text), ("more", text), ("answer", text)]
    rows = [
        [{"group": of.group, "answer": of.answer, "author": of.author, "time": of.time, "more": "x"}] for of in said
    ]
    column = pa.array([None, *rows], pa.large_list(pa.struct(fields)))
    assert list(from_column(["a", "b", "c"], column, SCHEMA, "m")) == said
    assert list(from_column(["b", "c"], column[1:], SCHEMA, "m")) == said
    assert list(from_column(["a"], pa.array([None], pa.string()), SCHEMA, "m")) == []


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {"group": "hat", "answer": "yes", "author": "eva", "time": None},
        {"group": None, "answer": "yes", "author": "eva", "time": datetime(2026, 11, 28, tzinfo=UTC)},
        {"group": "hat", "answer": "yes", "author": None, "time": datetime(2026, 11, 28, tzinfo=UTC)},
        {"group": "hat", "answer": "yes", "author": " ", "time": datetime(2026, 11, 28, tzinfo=UTC)},
    ],
)
def test_an_entry_of_the_column_that_lacks_something_is_refused_by_its_tracklet(entry: Any) -> None:
    column = pa.array([None, [entry]], FIELD.type)
    with pytest.raises(ManifestError, match="m: tracklet 'b': an answer in column label_answers lacks its group"):
        list(from_column(["a", "b"], column, SCHEMA, "m"))


def test_a_column_whose_fields_are_of_other_kinds_is_refused() -> None:
    kind = pa.list_(pa.struct([(name, pa.binary()) for name in ("group", "answer", "author", "time")]))
    column = pa.array([[dict.fromkeys(("group", "answer", "author", "time"), b"\xff")]], kind)
    with pytest.raises(ManifestError, match="not what `parjob label apply` writes: rename it"):
        list(from_column(["a"], column, SCHEMA, "m"))
