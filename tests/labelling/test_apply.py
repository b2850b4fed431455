"""Answers of several people become labels, splits and a column of who said what."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from par_model.errors import ManifestError, SchemaError, UsageError
from par_model.labelling.apply import Applied, run_apply
from par_model.labelling.options import LEAKS, ApplyOptions
from par_model.manifest.write import write_manifest
from tests.labelling.results import PERSON, manifest_row
from tests.report.results import SCHEMA

OTHER = SCHEMA.to_toml().replace("small", "large")


def write_answers(path: Path, author: str, said: dict[str, dict[str, str | None]], *, hour: int = 12) -> str:
    """A file as `label page` saves it. said: tracklet -> group -> answer."""
    document = {
        "format": "parjob-answers",
        "version": 1,
        "author": author,
        "schema": SCHEMA.to_toml(),
        "answers": [
            {"tracklet_id": tracklet_id, "time": f"2026-11-28T{hour}:00:0{i % 10}Z", "groups": groups}
            for i, (tracklet_id, groups) in enumerate(said.items())
        ],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def write_people(path: Path, rows: list[dict[str, Any]] | None = None, **more: Any) -> str:
    write_manifest(str(path), rows or [manifest_row(i) for i in range(40)], further=[PERSON], **more)
    return str(path)


def apply(manifest: str, output: Path, *answers: str, **asked: Any) -> tuple[Applied, dict[str, dict[str, Any]]]:
    applied = run_apply(ApplyOptions(manifest, str(output), answers, **asked))
    return applied, {row["tracklet_id"]: row for row in pq.read_table(output).to_pylist()}


def test_three_people_by_majority(tmp_path: Path) -> None:
    manifest = write_people(tmp_path / "m.parquet")
    eva = write_answers(tmp_path / "e.json", "eva", {"t01": {"hat": "yes", "top_color": "red"}, "t02": {"hat": "no"}})
    tom = write_answers(tmp_path / "t.json", "tom", {"t01": {"hat": "yes", "top_color": "blue"}, "t02": {"hat": None}})
    ida = write_answers(tmp_path / "i.json", "ida", {"t01": {"hat": "no", "top_color": "green"}, "t03": {"hat": None}})
    applied, rows = apply(manifest, tmp_path / "l.parquet", eva, tom, ida)
    assert rows["t01"]["labels"] == [-1, -1, -1, -1, 1]
    assert [rows[name]["labels"] for name in ("t02", "t03", "t04")] == [None] * 3
    assert len(rows) == applied.rows == 40
    assert applied.labelled == 1
    assert applied.undecided == {"top_color": 1, "hat": 1}
    assert applied.authors == {"eva": 3, "tom": 3, "ida": 3}
    assert [(of.group, of.tracklets, of.measure) for of in applied.agreements] == [
        ("top_color", 1, "Fleiss"),
        ("hat", 2, "Fleiss"),
    ]
    said = [(of["group"], of["answer"], of["author"], f"{of['time']:%H:%M}") for of in rows["t02"]["label_answers"]]
    assert said == [("hat", "no", "eva", "12:00"), ("hat", None, "tom", "12:00")]
    assert rows["t04"]["label_answers"] is None
    assert pq.read_schema(tmp_path / "l.parquet").metadata[b"par.schema"].decode() == SCHEMA.to_toml()


def test_everything_else_of_the_manifest_stays(tmp_path: Path) -> None:
    manifest = write_people(tmp_path / "m.parquet")
    answers = write_answers(tmp_path / "a.json", "eva", {"t00": {"hat": "yes"}})
    _, rows = apply(manifest, tmp_path / "deeper" / "l.parquet", answers)
    assert list(rows) == [f"t{i:02}" for i in range(40)]
    for i in range(40):
        wanted = manifest_row(i) | {"image_uris": [f"{tmp_path}/a.png", f"{tmp_path}/b.png"], "split": None}
        assert {name: rows[f"t{i:02}"][name] for name in wanted} == wanted


def test_later_answers_are_merged_with_those_that_the_manifest_keeps(tmp_path: Path) -> None:
    manifest = write_people(tmp_path / "m.parquet")
    first = write_answers(tmp_path / "1.json", "eva", {"t00": {"hat": "yes", "backpack": "no"}})
    _, rows = apply(manifest, tmp_path / "l.parquet", first)
    assert rows["t00"]["labels"] == [-1, -1, -1, 0, 1]
    tom = write_answers(tmp_path / "2.json", "tom", {"t00": {"hat": "no"}, "t01": {"top_color": "green"}})
    applied, rows = apply(str(tmp_path / "l.parquet"), tmp_path / "l2.parquet", tom)
    assert rows["t00"]["labels"] == [-1, -1, -1, 0, -1]
    assert rows["t01"]["labels"] == [0, 0, 1, -1, -1]
    assert (applied.changed, applied.authors) == (1, {"eva": 2, "tom": 2})
    assert [(of.group, of.authors) for of in applied.agreements] == [("hat", ("eva", "tom"))]
    again = write_answers(tmp_path / "3.json", "eva", {"t00": {"hat": "no"}}, hour=13)
    _, rows = apply(str(tmp_path / "l2.parquet"), tmp_path / "l3.parquet", again)
    assert rows["t00"]["labels"] == [-1, -1, -1, 0, 0]
    assert len(rows["t00"]["label_answers"]) == 3
    _, once_more = apply(str(tmp_path / "l3.parquet"), tmp_path / "l4.parquet", first, tom, again)
    assert once_more == rows, "the same files again change nothing"


def test_splits_of_other_names_are_kept_and_counted(tmp_path: Path) -> None:
    rows = [manifest_row(i) | {"split": split} for i, split in enumerate(["holdout", None, "train"])]
    manifest = write_people(tmp_path / "m.parquet", rows)
    answers = write_answers(tmp_path / "a.json", "eva", {f"t0{i}": {"hat": "yes"} for i in range(3)})
    applied, found = apply(manifest, tmp_path / "l.parquet", answers)
    assert applied.splits == {"train": 1, "holdout": 1, None: 1}
    assert [row["split"] for row in found.values()] == ["holdout", None, "train"]


def test_labels_of_groups_that_nobody_was_asked_for_stay(tmp_path: Path) -> None:
    rows = [manifest_row(i) for i in range(2)]
    rows[0]["labels"] = [0, 1, 0, 1, -1]
    manifest = write_people(tmp_path / "m.parquet", rows, label_schema=SCHEMA)
    answers = write_answers(tmp_path / "a.json", "eva", {"t00": {"hat": "yes", "backpack": None}})
    applied, found = apply(manifest, tmp_path / "l.parquet", answers)
    assert found["t00"]["labels"] == [0, 1, 0, -1, 1]
    assert (applied.changed, applied.labelled) == (1, 1)


def test_splits_share_neither_person_nor_camera(tmp_path: Path) -> None:
    rows = [manifest_row(i) | {"camera_id": f"c{i // 4}"} for i in range(40)]
    manifest = write_people(tmp_path / "m.parquet", rows)
    answers = write_answers(tmp_path / "a.json", "eva", {f"t{i:02}": {"hat": "yes"} for i in range(0, 40, 2)})
    applied, found = apply(manifest, tmp_path / "l.parquet", answers, split_shares=(0.6, 0.2, 0.2))
    assert applied.splits == {"train": 12, "val": 4, "test": 4}
    assert applied.lone == 0
    for name in ("person_id", "camera_id"):
        assert set(Counter((row[name], row["split"]) for row in found.values()).values()) <= {2, 4}
        assert len({(row[name], row["split"]) for row in found.values()}) == len({row[name] for row in found.values()})
    more = write_answers(tmp_path / "b.json", "eva", {f"t{i:02}": {"hat": "no"} for i in range(1, 40, 2)})
    _, later = apply(str(tmp_path / "l.parquet"), tmp_path / "l2.parquet", more, split_shares=(0.6, 0.2, 0.2), seed=5)
    assert {name: row["split"] for name, row in later.items()} == {name: row["split"] for name, row in found.items()}


def test_people_who_pass_both_cameras_are_divided_only_where_that_is_said(tmp_path: Path) -> None:
    manifest = write_people(tmp_path / "m.parquet")
    answers = write_answers(tmp_path / "a.json", "eva", {f"t{i:02}": {"hat": "yes"} for i in range(40)})
    with pytest.raises(ManifestError, match=r"hang together in 1 group,.*--split-by person"):
        apply(manifest, tmp_path / "l.parquet", answers, split_shares=(0.7, 0.15, 0.15))
    assert not (tmp_path / "l.parquet").exists()
    applied, rows = apply(manifest, tmp_path / "l.parquet", answers, split_shares=(0.7, 0.15, 0.15), split_by=LEAKS[:1])
    assert applied.splits == {"train": 28, "val": 6, "test": 6}
    assert all(rows[f"t{i:02}"]["split"] == rows[f"t{i + 1:02}"]["split"] for i in range(0, 40, 2))
    nameless = [manifest_row(i) | {"person_id": None} for i in range(40)]
    unknown = write_people(tmp_path / "n.parquet", nameless)
    applied, _ = apply(unknown, tmp_path / "l.parquet", answers, split_shares=(0.7, 0.15, 0.15), split_by=LEAKS[:1])
    assert applied.lone == 40


def test_answers_that_fit_neither_manifest_nor_schema_change_nothing(tmp_path: Path) -> None:
    manifest = write_people(tmp_path / "m.parquet")
    strange = {f"x{i}": {"hat": "yes"} for i in range(5)}
    answers = write_answers(tmp_path / "a.json", "eva", {"t00": {"hat": "yes"}} | strange)
    with pytest.raises(
        ManifestError, match=r"has no tracklet 'x0', 'x1', 'x2' and 2 more: give the manifest"
    ) as caught:
        apply(manifest, tmp_path / "l.parquet", answers)
    assert answers in str(caught.value)
    own = write_answers(tmp_path / "b.json", "eva", {"t00": {"hat": "yes"}})
    (tmp_path / "large.toml").write_text(OTHER)
    with pytest.raises(SchemaError, match=r"has another schema \(large\) than the answers \(small\)"):
        apply(manifest, tmp_path / "l.parquet", own, schema=str(tmp_path / "large.toml"))
    rows = [manifest_row(0) | {"labels": [1, 0, 0, 0, 0]}]
    with pytest.raises(ManifestError, match="has labels and does not say of which schema"):
        apply(write_people(tmp_path / "n.parquet", rows), tmp_path / "l.parquet", own)
    rows = [manifest_row(0) | {"labels": [1, 0]}]
    with pytest.raises(ManifestError, match="has 2 labels, the schema 5 classes"):
        apply(write_people(tmp_path / "n.parquet", rows), tmp_path / "l.parquet", own)
    assert not (tmp_path / "l.parquet").exists()


def test_the_output_is_no_file_of_answers(tmp_path: Path) -> None:
    manifest = write_people(tmp_path / "m.parquet")
    eva = write_answers(tmp_path / "e.json", "eva", {"t00": {"hat": "yes"}})
    tom = write_answers(tmp_path / "t.json", "tom", {"t00": {"hat": "yes"}})
    before = Path(tom).read_bytes()
    with pytest.raises(UsageError, match=r"t\.json is a file of answers, which would be lost"):
        apply(manifest, Path(tom), eva, f"file://{tom}")
    assert Path(tom).read_bytes() == before


def test_labels_of_a_manifest_that_lost_its_metadata_follow_the_given_schema(tmp_path: Path) -> None:
    labelled = tmp_path / "l.parquet"
    eva = write_answers(tmp_path / "e.json", "eva", {"t00": {"hat": "yes"}})
    apply(write_people(tmp_path / "m.parquet"), labelled, eva)
    pl.read_parquet(labelled).write_parquet(tmp_path / "p.parquet")
    tom = write_answers(tmp_path / "t.json", "tom", {"t00": {"hat": "yes"}, "t01": {"hat": "no"}})
    with pytest.raises(ManifestError, match=r"say so with --schema \(small\)"):
        apply(str(tmp_path / "p.parquet"), tmp_path / "n.parquet", tom)
    (tmp_path / "small.toml").write_text(SCHEMA.to_toml())
    applied, rows = apply(str(tmp_path / "p.parquet"), tmp_path / "n.parquet", tom, schema=str(tmp_path / "small.toml"))
    assert applied.authors == {"tom": 2, "eva": 1}
    assert [rows[name]["labels"] for name in ("t00", "t01", "t02")] == [[-1] * 4 + [1], [-1] * 4 + [0], None]
