"""The job in one process. tests/cluster holds Ray to the same tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.choices import DECODE_BUDGET
from par_model.errors import ManifestError, OutputError, UsageError
from par_model.inference.job import run_inference
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from par_model.manifest.write import write_manifest
from par_model.video.options import DecodeOptions
from tests.archive import assert_same_table, good_rows, video_row, write_archive, write_clips
from tests.tiny import write_tiny_weights
from tests.video.footage import write_tracks


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_archive(tmp_path_factory.mktemp("archive"), bad=True)


@pytest.fixture(scope="module")
def good_manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_archive(tmp_path_factory.mktemp("good"))


class Interrupted(LocalRunner):
    """Stops as Ctrl-C does, after so many tables of outcomes."""

    def __init__(self, after: int) -> None:
        super().__init__("cpu")
        self._after = after

    def outcomes(self, units: Any, settings: Any) -> Iterator[pa.Table]:
        for number, table in enumerate(super().outcomes(units, settings)):
            if number == self._after:
                raise KeyboardInterrupt
            yield table


def infer(manifest: str, weights: Path | str, output: Path, runner: Any = None, **options: Any) -> dict[str, Any]:
    asked = InferOptions(manifest=manifest, weights=str(weights), output=str(output), **options)
    return run_inference(asked, lambda: nullcontext(runner or LocalRunner("cpu")))


def read(output: Path) -> pa.Table:
    return pq.read_table(output / "attributes")


def test_every_tracklet_is_in_the_table_once_in_manifest_order(
    manifest: str, tiny_weights: Path, tmp_path: Path
) -> None:
    summary = infer(manifest, tiny_weights, tmp_path / "out")
    table = read(tmp_path / "out")
    wanted = pq.read_table(manifest)
    assert table["tracklet_id"].to_pylist() == wanted["tracklet_id"].to_pylist()
    for name in ("video_uri", "camera_id", "start_time", "split", "zone"):
        assert table[name].to_pylist() == wanted[name].to_pylist()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["attributes", "run.json"]
    assert summary["counts"] == {
        "tracklets": 14,
        "status": {"ok": 10, "failed": 4},
        "error": {"box-outside-frame": 1, "frame-out-of-range": 1, "invalid-tracklet": 1, "video-not-found": 1},
    }
    assert summary["exit_code"] == 3


def test_bad_tracklets_fail_each_with_its_code_and_the_rest_is_recognised(
    manifest: str, tiny_weights: Path, tmp_path: Path
) -> None:
    infer(manifest, tiny_weights, tmp_path / "out")
    for row in read(tmp_path / "out").to_pylist():
        if row["tracklet_id"].startswith("t"):
            assert (row["status"], row["error"], row["message"]) == ("ok", None, None)
            assert row["scores"].keys() >= {"hat", "top_color_black"}
        else:
            assert (row["status"], row["error"]) == ("failed", row["tracklet_id"])
            assert row["message"]


def test_sampled_frames_are_the_centres_of_equal_parts(good_manifest: str, tiny_weights: Path, tmp_path: Path) -> None:
    infer(good_manifest, tiny_weights, tmp_path / "out")
    rows = {row["tracklet_id"]: row for row in read(tmp_path / "out").to_pylist()}
    assert rows["t0"]["sampled_frames"] == [3, 10, 16]  # floor((i + 0.5) * 20 / 3)
    assert rows["t4"]["sampled_frames"] == [12, 13, 13]  # two frames for three places
    assert (rows["t0"]["num_frames"], rows["t4"]["num_frames"]) == (20, 2)


def test_frames_that_are_cheap_to_decode_are_sampled_and_the_budget_is_part_of_the_job(
    good_manifest: str, tiny_weights: Path, tmp_path: Path
) -> None:
    summary = infer(good_manifest, tiny_weights, tmp_path / "out", sampling="cheap")
    rows = {row["tracklet_id"]: row for row in read(tmp_path / "out").to_pylist()}
    assert all(row["status"] == "ok" for row in rows.values())
    # t9 has frames 27 to 46 of a video with a key frame every 20.
    assert 40 in rows["t9"]["sampled_frames"]
    assert len(set(rows["t9"]["sampled_frames"])) == 3
    assert rows["t4"]["sampled_frames"] == [12, 13, 13]
    decode = summary["stages"]["decode"]
    assert set(decode["sampled_uniformly"].values()) == {0}
    assert decode["frames_decoded"] < 60
    assert (summary["options"]["sampling"], summary["options"]["decode_budget"]) == ("cheap", DECODE_BUDGET)
    with pytest.raises(OutputError, match=rf"differs in decode_budget \({DECODE_BUDGET} there, 0.5 now\)"):
        infer(good_manifest, tiny_weights, tmp_path / "out", sampling="cheap", decode_budget=0.5)
    # A budget that nothing is sampled by makes no other job.
    infer(good_manifest, tiny_weights, tmp_path / "even", sampling="uniform")
    again = infer(good_manifest, tiny_weights, tmp_path / "even", sampling="uniform", decode_budget=0.5)
    assert set(again["stages"]["decode"]["sampled_uniformly"].values()) == {0}


def test_a_finished_job_does_nothing_says_so_and_returns_the_same_code(
    manifest: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = infer(manifest, tiny_weights, tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    again = infer(manifest, tiny_weights, tmp_path / "out", runner=Interrupted(0))
    assert again == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == before
    assert "nothing to do" in capsys.readouterr().err


def test_an_interrupted_job_goes_on_and_gives_the_table_of_an_undisturbed_one(
    manifest: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    infer(manifest, tiny_weights, tmp_path / "whole", batch_size=2)
    for after in (2, 1, 0):
        with pytest.raises(KeyboardInterrupt):
            infer(manifest, tiny_weights, tmp_path / "out", runner=Interrupted(after), batch_size=2)
        assert not (tmp_path / "out" / "run.json").exists()
        assert not (tmp_path / "out" / "_lock").exists()
    infer(manifest, tiny_weights, tmp_path / "out", batch_size=3)
    assert "are done already" in capsys.readouterr().err
    assert_same_table(read(tmp_path / "out"), read(tmp_path / "whole"))
    assert len(set(read(tmp_path / "out")["run_id"].to_pylist())) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": 2}, r"frames \(3 there, 2 now\)"),
        ({"sampling": "first"}, "sampling"),
        ({"seed": 7}, "seed"),
        ({"limit": 3}, "limit"),
        ({"split": "test"}, "split"),
        ({"embedding": True}, "embedding"),
        ({"partition_by": ("camera_id",)}, "partition_by"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_job_over_the_same_output_is_refused_with_what_differs(
    good_manifest: str, tiny_weights: Path, tmp_path: Path, change: dict[str, Any], said: str, finished: bool
) -> None:
    if finished:
        infer(good_manifest, tiny_weights, tmp_path / "out")
    else:
        with pytest.raises(KeyboardInterrupt):
            infer(good_manifest, tiny_weights, tmp_path / "out", runner=Interrupted(1), batch_size=4)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=said):
        infer(good_manifest, tiny_weights, tmp_path / "out", **change)
    assert sorted(tmp_path.rglob("*")) == before


def test_other_weights_and_another_manifest_are_refused_by_content(
    good_manifest: str, manifest: str, tiny_weights: Path, tmp_path: Path
) -> None:
    infer(good_manifest, tiny_weights, tmp_path / "out")
    other = write_tiny_weights(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(OutputError, match="differs in weights"):
        infer(good_manifest, other, tmp_path / "out")
    with pytest.raises(OutputError, match="differs in manifest"):
        infer(manifest, tiny_weights, tmp_path / "out")


def test_pool_sizes_batch_size_timeouts_and_the_manifests_place_change_nothing(
    good_manifest: str, tiny_weights: Path, tmp_path: Path
) -> None:
    first = infer(good_manifest, tiny_weights, tmp_path / "out", batch_size=1)
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(Path(good_manifest).read_bytes())
    assert infer(str(copy), tiny_weights, tmp_path / "out", batch_size=5, max_failure_rate=0.5) == first


def test_limit_and_split_say_which_rows_are_meant(good_manifest: str, tiny_weights: Path, tmp_path: Path) -> None:
    infer(good_manifest, tiny_weights, tmp_path / "both", split="val", limit=3)
    ids = [r["tracklet_id"] for r in pq.read_table(good_manifest).to_pylist() if r["split"] == "val"]
    assert read(tmp_path / "both")["tracklet_id"].to_pylist() == ids[:3]
    with pytest.raises(ManifestError, match="'nope'"):
        infer(good_manifest, tiny_weights, tmp_path / "none", split="nope")
    assert not (tmp_path / "none").exists()


def test_failures_up_to_the_rate_are_no_failure_of_the_job(manifest: str, tiny_weights: Path, tmp_path: Path) -> None:
    assert infer(manifest, tiny_weights, tmp_path / "out", max_failure_rate=4 / 14)["exit_code"] == 0


def test_embeddings_have_length_one(good_manifest: str, tiny_weights: Path, tmp_path: Path) -> None:
    infer(good_manifest, tiny_weights, tmp_path / "out", embedding=True)
    for embedding in read(tmp_path / "out")["embedding"].to_pylist():
        assert len(embedding) == 16
        assert sum(v * v for v in embedding) == pytest.approx(1, abs=1e-5)


def test_partitions_hold_every_row_and_run_json_their_types(manifest: str, tiny_weights: Path, tmp_path: Path) -> None:
    summary = infer(manifest, tiny_weights, tmp_path / "out", partition_by=("zone", "status"))
    infer(manifest, tiny_weights, tmp_path / "flat")
    assert summary["partitions"] == {"zone": "int64", "status": "string"}
    table = pq.read_table(tmp_path / "out" / "attributes")
    assert set(table["tracklet_id"].to_pylist()) == set(read(tmp_path / "flat")["tracklet_id"].to_pylist())
    assert (tmp_path / "out/attributes/zone=__HIVE_DEFAULT_PARTITION__/status=failed").is_dir()
    assert json.loads((tmp_path / "out" / "run.json").read_text())["files"] == sorted(summary["files"])


def test_times_to_the_millisecond_name_folders_that_read_back(tiny_weights: Path, tmp_path: Path) -> None:
    write_clips(tmp_path)
    rows = good_rows(str(tmp_path))[:3]
    times = [datetime(2026, 5, 1, 8, 0, 0, 250_000, UTC), datetime(2026, 5, 1, 8, tzinfo=UTC), None]
    for row, time in zip(rows, times, strict=True):
        row["start_time"] = time
    write_manifest(str(tmp_path / "m.parquet"), rows)
    infer(str(tmp_path / "m.parquet"), tiny_weights, tmp_path / "out", partition_by=("start_time",))
    hive = ds.partitioning(pa.schema([("start_time", pa.timestamp("ms", "UTC"))]), flavor="hive")
    table = ds.dataset(tmp_path / "out" / "attributes", partitioning=hive).to_table().sort_by("tracklet_id")
    assert table["start_time"].to_pylist() == times


def test_too_many_frames_name_the_limit_and_write_nothing(
    good_manifest: str, tiny_weights: Path, tmp_path: Path
) -> None:
    weights = write_tiny_weights(tmp_path / "w.safetensors", beyond_depth="refuse", frames=3)
    with pytest.raises(UsageError, match="at most 3"):
        infer(good_manifest, weights, tmp_path / "out", frames=4)
    assert not (tmp_path / "out").exists()


def test_untrained_classes_leave_their_group_null(good_manifest: str, tmp_path: Path) -> None:
    trained = tuple(i != 3 for i in range(30))  # a top colour
    weights = write_tiny_weights(tmp_path / "w.safetensors", trained=trained)
    infer(good_manifest, weights, tmp_path / "out")
    table = read(tmp_path / "out")
    assert table["top_color"].null_count == table["top_color_score"].null_count == len(table)
    assert table["bottom_color"].null_count == 0


def test_thresholds_of_the_weights_decide(good_manifest: str, tmp_path: Path) -> None:
    weights = write_tiny_weights(tmp_path / "w.safetensors", thresholds=(0.999,) * 30)
    infer(good_manifest, weights, tmp_path / "out")
    table = read(tmp_path / "out")
    assert not any(table["hat"].to_pylist())
    recorded = json.loads((tmp_path / "out" / "run.json").read_text())["schema"]["thresholds"]
    assert recorded == dict.fromkeys(load_schema("street").score_fields, 0.999)


def test_a_table_that_this_job_did_not_begin_is_left_alone(
    good_manifest: str, tiny_weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "out/attributes").mkdir(parents=True)
    (tmp_path / "out/attributes/mine.parquet").write_bytes(b"somebody's")
    with pytest.raises(OutputError, match="did not begin"):
        infer(good_manifest, tiny_weights, tmp_path / "out")
    assert (tmp_path / "out/attributes/mine.parquet").read_bytes() == b"somebody's"


# --- several video tracks in one file ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_cameras(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A manifest of tracklets of a file with two cameras, of one with one, and of two that no file can have."""
    folder = tmp_path_factory.mktemp("cameras")
    write_clips(folder)
    write_tracks(folder / "both.mp4", [range(60), range(1000, 1060)])
    row = partial(video_row, frames=[3, 20, 40])
    streams = {"none": None, "front": 0, "rear": 1, "third": 2, "negative": -1}
    rows = [row(name, f"{folder}/both.mp4", video_stream=stream) for name, stream in streams.items()]
    write_manifest(str(folder / "m.parquet"), [*rows, row("alone", f"{folder}/a.mp4")])
    return str(folder / "m.parquet")


def scores(output: Path) -> dict[str, Any]:
    return {row["tracklet_id"]: row["scores"] for row in read(output).to_pylist()}


def distance(left: dict[str, float], right: dict[str, float]) -> float:
    return max(abs(left[name] - right[name]) for name in left)


def test_the_column_says_which_track_and_the_option_where_it_does_not(
    two_cameras: str, tiny_weights: Path, tmp_path: Path
) -> None:
    summary = infer(two_cameras, tiny_weights, tmp_path / "first")
    table = read(tmp_path / "first")
    assert table.schema.field("video_stream").type == pa.int32()
    assert table["tracklet_id"].to_pylist() == ["alone", "none", "front", "rear", "third", "negative"]
    assert table["video_stream"].to_pylist() == [None, None, 0, 1, 2, -1]
    assert table["error"].to_pylist() == [None, None, None, None, "video-unreadable", "invalid-tracklet"]
    assert "it has 2 moving video tracks, and video_stream 2" in table["message"].to_pylist()[4]
    assert table["message"].to_pylist()[5] == "video_stream is -1: a file's video tracks count from 0"
    assert summary["stages"]["decode"]["videos_with_several_tracks"] == 1
    assert (summary["options"]["video_stream"], summary["options"]["unflagged_matrix"]) == (0, "bt601")
    infer(two_cameras, tiny_weights, tmp_path / "second", decode=DecodeOptions(video_stream=1))
    first, second = scores(tmp_path / "first"), scores(tmp_path / "second")
    assert distance(first["front"], first["rear"]) > 1e-3
    for front in (first["none"], second["front"]):
        assert distance(front, first["front"]) < 1e-5
    for rear in (second["none"], second["rear"]):
        assert distance(rear, first["rear"]) < 1e-5
    assert second["alone"] is None


@pytest.mark.parametrize("record", ["run.json", "_job.json"])
def test_a_run_of_before_these_options_is_one_with_their_defaults(
    record: str, two_cameras: str, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if record == "run.json":
        infer(two_cameras, tiny_weights, tmp_path / "out")
    else:
        with pytest.raises(KeyboardInterrupt):
            infer(two_cameras, tiny_weights, tmp_path / "out", runner=Interrupted(1), batch_size=1)
    path = tmp_path / "out" / record
    document = json.loads(path.read_text())
    assert document["fingerprint"].pop("video_stream") == 0
    assert document["fingerprint"].pop("unflagged_matrix") == "bt601"
    path.write_text(json.dumps(document))
    for option, said in (({"video_stream": 1}, "0 there, 1 now"), ({"unflagged_matrix": "bt709"}, "'bt601' there")):
        with pytest.raises(OutputError, match=rf"differs in {next(iter(option))} \({said}"):
            infer(two_cameras, tiny_weights, tmp_path / "out", decode=DecodeOptions(**option))
    infer(two_cameras, tiny_weights, tmp_path / "out")
    assert {"run.json": "nothing to do", "_job.json": "are done already"}[record] in capsys.readouterr().err
