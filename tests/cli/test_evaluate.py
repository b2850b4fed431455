"""parjob evaluate: the join, what counts, what is left out, and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.attributes import load_schema
from par_model.evaluation.paper import paper_metrics
from par_model.manifest.write import write_manifest
from par_model.runs.lock import OutputLock
from tests.archive import video_row, write_clips
from tests.cli.test_infer import one_line, parjob
from tests.tiny import write_tiny_weights

SCHEMA = load_schema("street")


def labelled_rows(folder: Path) -> list[dict[str, Any]]:
    """Eight tracklets of split test, of which one cannot be read and one has no labels, and two of split val."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(10):
        labels = (rng.random(SCHEMA.num_classes) < 0.3).astype(int)
        labels[3] = -1
        uri = str(folder / ("none.mp4" if i == 2 else "a.mp4"))
        row = video_row(f"t{i}", uri, range(i, i + 9), split="test" if i < 8 else "val")
        rows.append(row if i == 5 else row | {"labels": labels.tolist()})
    return rows


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """manifest.parquet and out/, the finished table of it."""
    folder = tmp_path_factory.mktemp("labelled")
    write_clips(folder)
    write_manifest(str(folder / "manifest.parquet"), labelled_rows(folder), label_schema=SCHEMA)
    trained = [name != "bottom_color_red" for name in SCHEMA.score_fields]
    weights = write_tiny_weights(folder / "w.safetensors", trained=trained)
    manifest = folder / "manifest.parquet"
    code = parjob("infer", "--manifest", manifest, "--weights", weights, "--output", folder / "out", "--no-ray")
    assert code == 3
    return folder


def evaluate(archive: Path, output: Path, *more: object, manifest: object = None, predictions: object = None) -> int:
    return parjob(
        "evaluate",
        "--manifest",
        manifest or archive / "manifest.parquet",
        "--predictions",
        predictions or archive / "out",
        "--output",
        output,
        *more,
    )


def test_the_test_split_is_scored_and_nothing_is_left_out_in_silence(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(archive, tmp_path, "--json") == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert json.loads(capsys.readouterr().out) == metrics
    assert (metrics["split"], metrics["threshold"]) == ("test", 0.45)
    assert metrics["run_id"] == json.loads((archive / "out" / "run.json").read_text())["run_id"]
    assert metrics["schema_uri"] is None
    assert metrics["counts"] == {"labelled": 7, "failed": 1, "missing": 0}
    assert metrics["left_out"]["never_annotated"] == [SCHEMA.score_fields[3]]
    assert metrics["left_out"]["untrained"] == ["bottom_color_red"]
    bottoms = [name for name in SCHEMA.score_fields if name.startswith("bottom_color_")]
    assert metrics["left_out"]["undecided"] == [name for name in bottoms if name != "bottom_color_red"]
    assert "bottom_color" not in metrics["groups"]

    table = {row["tracklet_id"]: row for row in pq.read_table(archive / "out" / "attributes").to_pylist()}
    rows = [row for row in labelled_rows(archive)[:8] if "labels" in row]
    labels = np.array([row["labels"] for row in rows], np.int8)
    labels[:, [i for i, name in enumerate(SCHEMA.score_fields) if name.startswith("bottom_color")]] = -1
    said = [table[row["tracklet_id"]]["scores"] for row in rows]
    scores = np.array([[0.0] * SCHEMA.num_classes if s is None else list(s.values()) for s in said])
    paper = paper_metrics(labels, scores, SCHEMA)
    assert metrics["paper"]["f1"] == paper.mean.f1
    assert metrics["paper"]["groups"]["hat"]["accuracy"] == paper.groups["hat"].accuracy
    top = [(row["labels"], table[row["tracklet_id"]]["top_color"]) for row in rows if 1 in row["labels"][:9]]
    values = [c.value for c in SCHEMA.groups[0].classes]
    right = [value is not None and labels[values.index(value)] == 1 for labels, value in top]
    assert metrics["groups"]["top_color"]["accuracy"] == pytest.approx(np.mean(right))
    assert metrics["constant"]["paper"]["accuracy"] > 0.5


def test_a_readable_table_names_what_was_left_out(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(archive, tmp_path) == 0
    out = capsys.readouterr().out
    assert "7 labelled tracklets (split test), 1 of them failed, 0 missing" in out
    assert "untrained: bottom_color_red\n" in out
    assert "undecided: bottom_color_black, " in out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    for name in ("accuracy", "precision", "recall", "f1"):
        paper, constant = (m["paper"]["groups"]["top_color"][name] for m in (metrics, metrics["constant"]))
        assert f"{paper:.3f} ({constant:.3f})" in lines["top_color"]
    hat, constant_hat = (m["classes"]["hat"] for m in (metrics, metrics["constant"]))
    assert f"{hat['ece']:.3f} ({constant_hat['ece']:.3f})" in out


def test_tracklets_that_the_table_does_not_have_are_missing(archive: Path, tmp_path: Path) -> None:
    rows = labelled_rows(archive)
    rows.append(video_row("new", "x.mp4", range(3), split="test", labels=[0] * SCHEMA.num_classes))
    manifest = tmp_path / "more.parquet"
    write_manifest(str(manifest), rows, label_schema=SCHEMA)
    assert evaluate(archive, tmp_path, manifest=manifest) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["counts"] == {"labelled": 8, "failed": 1, "missing": 1}
    assert evaluate(archive, tmp_path, "--split", "val", manifest=manifest) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["counts"] == {"labelled": 2, "failed": 0, "missing": 0}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no labels", "has no labels"),
        ("no schema", "--schema"),
        ("other schema", "no scores for 'boots'"),
        ("label length", "has 3 labels"),
        ("label value", "has the label 7"),
        ("split", "its splits: test, val"),
        ("predictions", "no run.json"),
        ("threshold", "--threshold"),
        ("seed", "--seed is -1"),
    ],
)
def test_bad_input_is_one_line(
    kind: str, said: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, more, manifest = labelled_rows(archive), [], tmp_path / "bad.parquet"
    if kind == "no labels":
        rows = [{name: value for name, value in row.items() if name != "labels"} for row in rows]
    elif kind.startswith("label "):
        rows[1]["labels"] = [1, 0, 0] if kind == "label length" else [7] * SCHEMA.num_classes
    elif kind == "other schema":
        rows = [row | {"labels": [0] * 36} for row in rows]
    elif kind == "split":
        more = ["--split", "tset"]
    elif kind == "threshold":
        more = ["--threshold", 45]
    elif kind == "seed":
        more = ["--seed", -1]
    schema = {"no schema": None, "other schema": load_schema("duke")}.get(kind, SCHEMA)
    write_manifest(str(manifest), rows, label_schema=schema)
    predictions = tmp_path if kind == "predictions" else None
    code = evaluate(archive, tmp_path / "scores", *more, manifest=manifest, predictions=predictions)
    assert code == (2 if kind in ("threshold", "seed") else 1)
    assert said in one_line(capsys)
    assert not (tmp_path / "scores").exists()


def test_partitions_by_a_group_are_read(archive: Path, tmp_path: Path) -> None:
    manifest, weights = archive / "manifest.parquet", archive / "w.safetensors"
    for group in ("hat", "top_color"):
        output = tmp_path / group
        code = parjob(
            *("infer", "--manifest", manifest, "--weights", weights, "--output", output, "--no-ray"),
            *("--partition-by", group, "--partition-by", "camera_id"),
        )
        assert code == 3
        assert evaluate(archive, tmp_path / "a", predictions=output) == 0
        assert evaluate(archive, tmp_path / "b") == 0
        a, b = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in "ab")
        assert a["groups"] == b["groups"]
    assert pa.types.is_boolean(pq.read_schema(next((tmp_path / "top_color").rglob("*.parquet"))).field("hat").type)


def test_tables_in_object_stores_are_scored(archive: Path, s3: Callable[[], str], tmp_path: Path) -> None:
    bucket = s3()
    for path in (archive / "out").rglob("*"):
        if path.is_file():
            storage.write_bytes(f"{bucket}/out/{path.relative_to(archive / 'out')}", path.read_bytes())
    storage.write_bytes(f"{bucket}/m.parquet", (archive / "manifest.parquet").read_bytes())
    where = {"manifest": f"{bucket}/m.parquet", "predictions": f"{bucket}/out"}
    assert (
        parjob("evaluate", "--output", f"{bucket}/scores", *(a for k, v in where.items() for a in (f"--{k}", v))) == 0
    )
    assert evaluate(archive, tmp_path) == 0
    there, here = (
        json.loads(storage.read_bytes(f"{place}/metrics.json")) for place in (f"{bucket}/scores", str(tmp_path))
    )
    assert {k: v for k, v in there.items() if k not in where} == {k: v for k, v in here.items() if k not in where}


def test_tracklets_that_all_failed_or_are_all_missing_are_counted(archive: Path, tmp_path: Path) -> None:
    rows = labelled_rows(archive)
    write_manifest(str(tmp_path / "bad.parquet"), [rows[2]], label_schema=SCHEMA)
    weights = archive / "w.safetensors"
    parjob(
        "infer", "--manifest", tmp_path / "bad.parquet", "--weights", weights, "--output", tmp_path / "o", "--no-ray"
    )
    assert evaluate(archive, tmp_path / "a", manifest=tmp_path / "bad.parquet", predictions=tmp_path / "o") == 0
    counts = json.loads((tmp_path / "a" / "metrics.json").read_text())["counts"]
    assert counts == {"labelled": 1, "failed": 1, "missing": 0}
    write_manifest(str(tmp_path / "other.parquet"), [rows[0] | {"tracklet_id": "x"}], label_schema=SCHEMA)
    assert evaluate(archive, tmp_path / "b", manifest=tmp_path / "other.parquet", predictions=tmp_path / "o") == 0
    counts = json.loads((tmp_path / "b" / "metrics.json").read_text())["counts"]
    assert counts == {"labelled": 1, "failed": 0, "missing": 1}


def test_the_same_answers_as_another_models_table_get_the_same_marks(archive: Path, tmp_path: Path) -> None:
    table = pq.read_table(archive / "out" / "attributes")
    kept = ["tracklet_id", "status", "scores", *(g.column for g in SCHEMA.groups if g.column != "bottom_color")]
    pq.write_table(table.select(kept), tmp_path / "other.parquet")
    assert evaluate(archive, tmp_path / "ours") == 0
    assert evaluate(archive, tmp_path / "other", predictions=tmp_path / "other.parquet") == 0
    ours, other = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("ours", "other"))
    for name in ("counts", "paper", "means", "groups", "classes", "intervals"):
        assert other[name] == ours[name]
    assert other["run_id"] is None


def test_scores_are_not_written_beside_a_job_that_holds_the_folder(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OutputLock(str(tmp_path / "_lock")):
        assert evaluate(archive, tmp_path) == 1
        assert "another job (process " in one_line(capsys)
        assert [p.name for p in tmp_path.iterdir()] == ["_lock"]
    assert evaluate(archive, tmp_path) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]
