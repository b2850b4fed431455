"""Bad input: each with its exit code and one helpful line, none with a traceback, and nothing is written."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.manifest.write import write_manifest
from tests.archive import bad_rows, write_archive, write_clips
from tests.cli.run import parjob
from tests.tiny import write_tiny_weights


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_archive(tmp_path_factory.mktemp("archive"))


def infer(*, manifest: object, weights: object, output: object, more: tuple[object, ...] = ()) -> int:
    return parjob("infer", "--manifest", manifest, "--weights", weights, "--output", output, "--no-ray", *more)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


def test_a_run_prints_what_it_did_on_stdout_and_the_rest_on_stderr(
    manifest: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert infer(manifest=manifest, weights=tiny_weights, output=tmp_path / "out", more=("--json",)) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert summary == json.loads((tmp_path / "out" / "run.json").read_text())
    assert "writing the table" in err


def test_further_columns_come_out_so_that_every_reader_opens_the_table(tiny_weights: Path, tmp_path: Path) -> None:
    """Views, list views, offsets, wide decimals and UUIDs stopped the job, or hid the whole file from a reader."""
    noon = datetime(2026, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)
    ids = [uuid.UUID(int=number) for number in (7, 8)]
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([one.bytes for one in ids], pa.binary(16)))
    table = {
        "tracklet_id": uuids,
        "image_uris": pa.array([["/none.png"]] * 2),
        "note": pa.array(["a note of more than twelve bytes", None], pa.string_view()),
        "tags": pa.array([[1, 2], None], pa.list_view(pa.int64())),
        "seen": pa.array([noon, None], pa.timestamp("us", "+05:30")),
        "price": pa.array([Decimal("1.5"), None], pa.decimal256(48, 10)),
        "person": uuids,
    }
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    assert infer(manifest=tmp_path / "m.parquet", weights=tiny_weights, output=tmp_path / "out") == 3
    files = f"{tmp_path}/out/attributes/*.parquet"
    texts = [str(one) for one in ids]
    wanted = list(
        zip(texts, [table["note"][0].as_py(), None], [[1, 2], None], [Decimal("1.5"), None], texts, strict=True)
    )
    columns = ["tracklet_id", "note", "tags", "price", "person"]
    assert duckdb.sql(f"SELECT {', '.join(columns)} FROM '{files}'").fetchall() == wanted
    assert duckdb.sql(f"SELECT epoch_us(seen) FROM '{files}'").fetchall() == [(int(noon.timestamp() * 1e6),), (None,)]
    assert pl.read_parquet(files).select(columns).rows() == wanted
    assert pl.read_parquet(files)["seen"].to_list() == [noon, None]
    frame = pd.read_parquet(tmp_path / "out" / "attributes")
    assert frame["person"].tolist() == texts
    assert frame["seen"].tolist() == [pd.Timestamp(noon), pd.NaT]


def test_exit_3_when_too_many_fail_again_when_repeated_and_0_when_that_is_allowed(
    tiny_weights: Path, tmp_path: Path
) -> None:
    bad = write_archive(tmp_path / "bad", bad=True)
    assert infer(manifest=bad, weights=tiny_weights, output=tmp_path / "a") == 3
    assert infer(manifest=bad, weights=tiny_weights, output=tmp_path / "a") == 3
    assert infer(manifest=bad, weights=tiny_weights, output=tmp_path / "b", more=("--max-failure-rate", 0.5)) == 0


def test_the_closing_lines_count_what_this_run_recognised(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All failed, some failed, nothing to do: no line tells of more than that, and none advises after a second."""
    rows = [row | {"tracklet_id": f"t{i}"} for i, row in enumerate(bad_rows(str(tmp_path))[:1] * 3)]
    write_manifest(str(tmp_path / "none.parquet"), rows)
    infer(manifest=tmp_path / "none.parquet", weights=tiny_weights, output=tmp_path / "none")
    out = capsys.readouterr().out
    assert "3 tracklets, 3 of them failed\n  video-not-found: 3\n  none recognised, 3 failed, in " in out
    bad = write_archive(tmp_path / "bad", bad=True)
    infer(manifest=bad, weights=tiny_weights, output=tmp_path / "some")
    some = capsys.readouterr().out
    assert "  10 recognised, 4 failed, in " in some
    assert not any(word in out + some for word in ("faster", "held the job back", "busy"))
    infer(manifest=bad, weights=tiny_weights, output=tmp_path / "some")
    again = capsys.readouterr().out
    assert "14 tracklets, 4 of them failed" in again
    assert "recognised" not in again


def damage(manifest: str, folder: Path, kind: str) -> Path:
    """A manifest that cannot be used, of a certain kind."""
    path = folder / "broken.parquet"
    table = pq.read_table(manifest)
    if kind == "not parquet":
        path.write_text("tracklet_id,video_uri\n1,a.mp4\n")
    elif kind == "missing":
        return folder / "none.parquet"
    elif kind == "no column":
        pq.write_table(table.drop(["frame_indices"]), path)
    elif kind == "empty":
        pq.write_table(table.slice(0, 0), path)
    elif kind == "wrong type":
        wrong = pa.array(["x"] * len(table))
        pq.write_table(table.set_column(table.schema.get_field_index("frame_indices"), "frame_indices", wrong), path)
    elif kind == "duplicate id":
        pq.write_table(pa.concat_tables([table, table.slice(3, 1)]), path)
    elif kind == "collides":
        pq.write_table(table.append_column("Hat", pa.array([1] * len(table))), path)
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "none.parquet"),
        ("not parquet", "broken.parquet"),
        ("no column", "frame_indices"),
        ("empty", "no rows"),
        ("wrong type", "frame_indices"),
        ("duplicate id", "row 10"),
        ("collides", "'Hat'"),
    ],
)
def test_manifests_that_cannot_be_used(
    kind: str, said: str, manifest: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = damage(manifest, tmp_path, kind)
    assert infer(manifest=path, weights=tiny_weights, output=tmp_path / "out") == 1
    assert said in one_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["missing", "text", "truncated", "pickle", "no metadata"])
def test_weights_that_cannot_be_used(
    kind: str, manifest: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "w.safetensors"
    if kind == "text":
        path.write_text("these are no weights")
    elif kind == "truncated":
        path.write_bytes(tiny_weights.read_bytes()[:-1000])
    elif kind == "pickle":
        torch.save({"model_state_dict": {}}, path)
    elif kind == "no metadata":
        save_file({"a": torch.zeros(2)}, path)
    assert infer(manifest=manifest, weights=path, output=tmp_path / "out") == 1
    assert "w.safetensors" in one_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--frames", 0), "--frames"),
        (("--frames", "six"), "--frames"),
        (("--limit", 0), "--limit"),
        (("--batch-size", 0), "--batch-size"),
        (("--decode-workers", 0), "--decode-workers"),
        (("--model-actors", "3:1"), "--model-actors"),
        (("--max-failure-rate", 2), "--max-failure-rate"),
        (("--video-timeout", 0), "timeout"),
        (("--video-timeout", "inf"), "timeout"),
        (("--partition-by", "nope"), "nope"),
        (("--partition-by", "scores"), "scores"),
        (("--sort-by", "hat"), "--sort-by hat"),
        (("--embedding-type", "fixed"), "no embeddings without --embedding"),
        (("--sampling", "best"), "--sampling"),
        (("--sampling", "cheap", "--decoder", "decord"), "--sampling cheap needs --decoder pyav"),
        (("--sampling", "cheap", "--decode-budget", 0), "--decode-budget"),
        (("--decode-budget", 1.5), "--decode-budget"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_wrong_usage_is_exit_2(
    more: tuple[object, ...],
    said: str,
    manifest: str,
    tiny_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert infer(manifest=manifest, weights=tiny_weights, output=tmp_path / "out", more=more) == 2
    assert said in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_frames_over_the_networks_limit_are_exit_2_and_name_it(
    manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = write_tiny_weights(tmp_path / "w.safetensors", beyond_depth="refuse", frames=3)
    assert infer(manifest=manifest, weights=weights, output=tmp_path / "out", more=("--frames", 9)) == 2
    assert "at most 3" in one_line(capsys)


def test_a_missing_option_names_itself_and_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parjob("infer", "--weights", "w", "--output", "o") == 2
    line = one_line(capsys)
    assert "--manifest" in line
    assert "PARJOB_INFER_MANIFEST" in line
    monkeypatch.setenv("PARJOB_INFER_MANIFEST", "none.parquet")
    assert parjob("infer", "--output", "o") == 2
    assert "PARJOB_INFER_WEIGHTS" in one_line(capsys)


def test_every_option_comes_from_the_environment_too(
    manifest: str, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("MANIFEST", manifest),
        ("WEIGHTS", tiny_weights),
        ("OUTPUT", tmp_path / "out"),
        ("NO_RAY", 1),
        ("LIMIT", 3),
        ("PARTITION_BY", "camera_id zone"),
    ):
        monkeypatch.setenv(f"PARJOB_INFER_{name}", str(value))
    assert parjob("infer") == 0
    summary = json.loads((tmp_path / "out" / "run.json").read_text())
    assert summary["counts"]["tracklets"] == 3
    assert summary["partitions"] == {"camera_id": "string", "zone": "int64"}


def test_an_output_that_cannot_be_written(
    manifest: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert infer(manifest=manifest, weights=tiny_weights, output=tmp_path / "file" / "out") == 1
    assert "cannot" in one_line(capsys)


def test_relative_uris_are_taken_from_the_manifests_folder(tiny_weights: Path, tmp_path: Path) -> None:
    write_clips(tmp_path / "archive" / "videos")
    table = pa.table({"tracklet_id": ["x"], "video_uri": ["videos/a.mp4"], "frame_indices": [[0, 1, 2]]})
    pq.write_table(table, tmp_path / "archive" / "m.parquet")
    assert infer(manifest=tmp_path / "archive/m.parquet", weights=tiny_weights, output=tmp_path / "out") == 0
    (row,) = pq.read_table(tmp_path / "out/attributes").to_pylist()
    assert row["status"] == "ok"
    assert row["video_uri"] == str(tmp_path / "archive/videos/a.mp4")


def test_json_and_debug_come_from_the_environment_under_their_own_names(
    manifest: str,
    tiny_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PARJOB_INFER_JSON", "1")
    assert infer(manifest=manifest, weights=tiny_weights, output=tmp_path / "out") == 0
    assert json.loads(capsys.readouterr().out)["command"] == "infer"
    monkeypatch.setenv("PARJOB_INFER_DEBUG", "1")
    monkeypatch.setenv("PARJOB_DEBUG", "")  # restored after the test
    monkeypatch.delenv("PARJOB_DEBUG")
    assert infer(manifest="nosuch.parquet", weights=tiny_weights, output=tmp_path / "out") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_device_that_is_not_there_leaves_nothing_behind(manifest: str, tiny_weights: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert infer(manifest=manifest, weights=tiny_weights, output=tmp_path / "out", more=("--device", "cuda")) == 2
    assert infer(manifest=manifest, weights=tiny_weights, output=tmp_path / "out", more=("--device", "cpu")) == 0


def test_all_frames_of_a_tracklet_that_is_too_long_are_exit_2(
    manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = write_tiny_weights(tmp_path / "w.safetensors", beyond_depth="refuse", frames=3)
    assert infer(manifest=manifest, weights=weights, output=tmp_path / "out", more=("--sampling", "all")) == 2
    assert "20 frames" in one_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("place", "x" * 300, "row 2 of {} has the value 'xxx"),
        ("place", "__HIVE_DEFAULT_PARTITION__", "row 2 of {} has the value '__HIVE"),
        ("place", "", "row 2 of {} has an empty value, and Spark"),
        ("a/b", "x", "rename the column"),
        ("a=b", "x", "rename the column"),
        ("_place", "x", "would read no row"),
        (".place", "x", "would read no row"),
    ],
)
def test_partitions_that_no_folder_can_spell_are_refused_before_any_work(
    column: str,
    value: str,
    said: str,
    manifest: str,
    tiny_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = pq.read_table(manifest)
    path = tmp_path / "m.parquet"
    pq.write_table(table.append_column(column, pa.array(["a", None, *[value] * (len(table) - 2)])), path)
    assert infer(manifest=path, weights=tiny_weights, output=tmp_path / "out", more=("--partition-by", column)) == 2
    line = one_line(capsys)
    assert f"--partition-by {column}" in line or f"--partition-by {column!r}" in line
    assert said.format(path) in line
    assert not (tmp_path / "out").exists()
