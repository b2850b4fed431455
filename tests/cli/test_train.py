"""parjob train: bad input is one line with its exit code, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.manifest.write import write_manifest
from tests.archive import video_row
from tests.cli.test_infer import one_line, parjob
from tests.tiny import write_tiny_weights

SCHEMA = AttributeSchema(
    "two",
    tuple(AttributeGroup(name, "binary", (AttributeClass(name, f"a {name}"),)) for name in ("hat", "bag")),
)
OTHER = AttributeSchema("one", SCHEMA.groups[:1])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_weights(tmp_path_factory.mktemp("weights") / "w.safetensors", SCHEMA)


def train(manifest: object, weights: object, output: object, *more: object) -> int:
    options = ("--manifest", manifest, "--weights", weights, "--output", output)
    return parjob("train", *options, *(() if "--workers" in more else ("--no-ray",)), *more)


def rows(**changes: Any) -> list[dict[str, Any]]:
    """Six tracklets of a video that is not there: nothing here gets as far as decoding."""
    split = ("train", "train", "train", "val", "test", "train")
    return [video_row(f"t{i}", "none.mp4", range(5), split=split[i], labels=[1, i % 2]) | changes for i in range(6)]


@pytest.mark.parametrize(
    ("changes", "schema", "said"),
    [
        ({"labels": None}, SCHEMA, "has no labels"),
        ({"labels": [-1, -1]}, SCHEMA, "has no labels"),
        ({"labels": [1, 0, 1]}, SCHEMA, "row 0, 't0', has 3 labels, the schema 2 classes"),
        ({"labels": [1, 2]}, SCHEMA, "has the label 2"),
        ({"split": "test"}, SCHEMA, "no row of split 'train' (only test)"),
        ({}, None, "give it with --schema"),
        ({"labels": [1]}, OTHER, "only two has bag"),
    ],
)
def test_labels_that_cannot_be_trained_on(
    changes: dict[str, Any],
    schema: AttributeSchema | None,
    said: str,
    weights: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manifest = tmp_path / "m.parquet"
    write_manifest(str(manifest), rows(**changes), label_schema=schema)
    assert train(manifest, weights, tmp_path / "out") == 1
    assert said in one_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--workers", 8, "--batch-size", 4), "--batch-size 4 is smaller than --workers 8"),
        (("--batch-size", 1), "--batch-size is 1"),
        (("--lr", 0), "--lr is 0"),
        (("--epochs", 0), "--epochs is 0"),
        (("--val-fraction", 1), "--val-fraction is 1"),
        (("--frames", 9), "at most 3"),
        (("--clip-norm", -1), "--clip-norm"),
        (("--tune", "none"), "--tune"),
        (("--optimizer", "sgd"), "--optimizer"),
        (("--augment", "crop"), "--augment"),
        (("--workers", 2, "--no-ray"), "one process is one worker"),
    ],
)
def test_options_that_make_no_run(
    more: tuple[object, ...], said: str, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "m.parquet"
    write_manifest(str(manifest), rows(), label_schema=SCHEMA)
    assert train(manifest, weights, tmp_path / "out", *more) == 2
    assert said in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_people_must_be_plain_values(weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.Table.from_pylist([row | {"person_id": ["one", "two"]} for row in rows()])
    pq.write_table(table, tmp_path / "m.parquet")
    schema = tmp_path / "schema.toml"
    schema.write_text(SCHEMA.to_toml())
    assert train(tmp_path / "m.parquet", weights, tmp_path / "out", "--schema", schema) == 1
    assert "column 'person_id' is list<" in one_line(capsys)


def test_a_place_that_cannot_be_written_is_named(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "m.parquet"
    write_manifest(str(manifest), rows(), label_schema=SCHEMA)
    (tmp_path / "file").write_text("in the way")
    assert train(manifest, weights, tmp_path / "file" / "out") == 1
    assert "file/out" in one_line(capsys)


def test_footage_that_is_not_there_is_named(weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "m.parquet"
    write_manifest(str(manifest), rows(), label_schema=SCHEMA)
    assert train(manifest, weights, tmp_path / "out") == 1
    assert "5 of 5 labelled tracklets could not be read" in capsys.readouterr().err
    assert not (tmp_path / "out" / "_lock").exists()


def test_schema_for_a_manifest_written_elsewhere_and_json(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.training.archive import write_stills

    found = write_stills(tmp_path / "stills", 18)
    for row in found:
        row["labels"] = row["labels"][1::-1]  # the other way round than the weights have them
    reversed_schema = AttributeSchema("reversed", SCHEMA.groups[::-1])
    (tmp_path / "schema.toml").write_text(reversed_schema.to_toml())
    write_manifest(str(tmp_path / "m.parquet"), found, further=[pa.field("person_id", pa.string())])
    more = ("--schema", tmp_path / "schema.toml", "--epochs", 1, "--json")
    assert train(tmp_path / "m.parquet", weights, tmp_path / "out", *more) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((tmp_path / "out" / "run.json").read_text())
    assert summary["counts"]["train"] == 14
