"""parjob plan: from a sample's run.json, or a sample made now, to nodes, hours and cost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from par_model.inference import sample as sampling
from par_model.inference.job import run_inference
from par_model.manifest.write import write_manifest
from par_model.video.process import parent as isolation
from tests.archive import video_row, write_archive
from tests.cli.test_infer import one_line, parjob

PRICES = ("--cpu-price", 0.5, "--gpu-price", 1.5)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten tracklets of two videos: nine of twenty frames, one of two."""
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def sample(manifest: str, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "out"
    where = ("--manifest", manifest, "--weights", tiny_weights, "--output", out)
    assert parjob("infer", *where, "--limit", 4, "--no-ray", "--device", "cpu") == 0
    return out


def as_measured_on_a_gpu(sample: Path, folder: Path) -> Path:
    """A run.json with round numbers: 2 CPU seconds, 0.05 GPU seconds, 90 frames and 3 MB for each of 100 tracklets."""
    summary = json.loads((sample / "run.json").read_text())
    summary["options"]["device"] = "cuda"
    summary["stages"] |= {"tracklets": 100, "model": {"busy_seconds": 5.0}}
    summary["stages"]["decode"] = {"busy_seconds": 200.0, "frames_decoded": 9000, "bytes_read": 300_000_000}
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(summary))
    return folder


def test_from_ten_thousand_to_a_billion(
    manifest: str, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = as_measured_on_a_gpu(sample, tmp_path / "run")
    assert parjob("plan", "--manifest", manifest, "--run", run, *PRICES, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert {name: said["manifest"][name] for name in ("tracklets", "videos", "frames")} == {
        "tracklets": 10,
        "videos": 2,
        "frames": 182,
    }
    assert said["measured"]["cpus_per_gpu"] == pytest.approx(40)
    assert [plan["tracklets"] for plan in said["plans"]] == [10, *(10**power for power in range(4, 10))]
    million = said["plans"][3]
    assert (million["gpu_nodes"], million["cpu_nodes"], million["frames"]) == (8, 12, 18_200_000)
    assert million["hours"] == pytest.approx(1e6 / (0.85 * 160) / 3600 + 7 / 3600)
    assert million["cost"] == pytest.approx(million["hours"] * 18)

    assert parjob("plan", "--manifest", manifest, "--run", run, "--tracklets", 10**6, "--hours", 24, *PRICES) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(": 10 tracklets, 182 frames, 2 videos, 5.0 a video")
    assert lines[2] == "40.0 CPUs decode as fast as one GPU recognises"
    cells = lines[4].split()
    assert (cells[0], cells[-5:-2]) == ("1,000,000", ["13.9", "1", "2"])  # GPU hours and nodes


def test_what_a_sample_measured_and_one_made_now(
    manifest: str, sample: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By options and by their variables; the two agree on what does not depend on the clock."""
    assert parjob("plan", "--manifest", manifest, "--run", sample, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    stages = json.loads((sample / "run.json").read_text())["stages"]
    assert first["measured"]["decode_seconds"] == pytest.approx(stages["decode"]["busy_seconds"] / 4)
    assert first["measured"]["device"] == "cpu"
    assert all(plan["gpu_nodes"] == 0 and plan["cost"] is None for plan in first["plans"])

    began: list[str] = []

    class Process(isolation.DecodeProcess):
        def __init__(self) -> None:
            began.append("process")
            super().__init__()

    def job(*given: Any) -> Any:
        began.append("job")
        return run_inference(*given)

    isolation.close_processes()
    monkeypatch.setattr(isolation, "DecodeProcess", Process)
    monkeypatch.setattr(sampling, "run_inference", job)
    for name, value in {"MANIFEST": manifest, "SAMPLE": 4, "WEIGHTS": tiny_weights, "DEVICE": "cpu"}.items():
        monkeypatch.setenv(f"PARJOB_PLAN_{name}", str(value))
    assert parjob("plan", "--json") == 0
    second = json.loads(capsys.readouterr().out)
    assert second["manifest"] == first["manifest"]
    assert second["measured"]["frames_decoded"] == first["measured"]["frames_decoded"]
    assert second["measured"]["tracklets"] == 4
    assert began == ["process", "job"]  # a start of a second would be much of a short sample


def test_what_cheap_sampling_would_take(
    manifest: str, sample: Path, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From what a uniform run says of its videos; else from a run, or a sample made now, that was sampled so."""
    run = as_measured_on_a_gpu(sample, tmp_path / "run")
    summary = json.loads((run / "run.json").read_text())
    asked = ("plan", "--manifest", manifest, "--run", run, "--sampling", "cheap")
    assert parjob(*asked) == 2
    assert "does not tell what it would cost" in one_line(capsys)
    summary["stages"]["decode"]["cheap_sampling"] = {"frames_share": 0.08, "time_share": 0.25}
    (run / "run.json").write_text(json.dumps(summary))
    assert parjob(*asked, "--tracklets", 1000) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "0.5" in lines[1]
    assert "to decode 7.2 frames" in lines[1]
    assert lines[2] == "estimated for --sampling cheap from what the run's videos say of their packets"

    now = ("--weights", tiny_weights, "--sample", 4, "--device", "cpu", "--sampling", "cheap", "--decode-budget", 0.1)
    assert parjob("plan", "--manifest", manifest, *now, "--json") == 0
    measured = json.loads(capsys.readouterr().out)["measured"]
    assert (measured["sampling"], measured["decode_budget"]) == ("cheap", 0.1)
    summary["options"] |= {"sampling": "cheap", "decode_budget": 0.1}
    summary["stages"]["decode"]["cheap_sampling"] = None
    (run / "run.json").write_text(json.dumps(summary))
    assert parjob(*asked) == 0
    assert "sampled by cost, with a --decode-budget of 0.1" in capsys.readouterr().out
    assert parjob(*asked, "--decode-budget", 0.2) == 2
    assert "--sampling cheap --decode-budget 0.2: the run of --run sampled otherwise" in one_line(capsys)


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ((), 2, "give either --run"),
        (("--run", "RUN", "--sample", 2), 2, "give either --run"),
        (("--sample", 2), 2, "give --weights too"),
        (("--sample", 0, "--weights", "demo"), 2, "--sample is 0"),
        (("--run", "nowhere"), 1, "nowhere is not a finished run"),
        (("--run", "RUN", "--nodes", 0), 2, "--nodes is 0"),
        (("--run", "RUN", "--nodes", 2, "--hours", 2), 2, "give one of them"),
        (("--run", "RUN", "--tracklets", -5), 2, "--tracklets is -5"),
        (("--run", "RUN", "--tracklets", 10**400), 2, "must be from 1 to 1000000000000000"),
        (("--run", "RUN", "--gpus", 10**400), 2, "must be at least 1 and at most 1000000"),
        (("--run", "RUN", "--gpu-price", -1), 2, "--gpu-price is -1.0"),
        (("--run", "RUN", "--cpu-node-cpus", 0), 2, "--cpu-node-cpus is 0"),
        (("--run", "RUN", "--efficiency", 2), 2, "--efficiency is 2.0"),
        (("--run", "RUN", "--split", "nope"), 1, "no tracklet of split 'nope'"),
        (("--run", "RUN", "--limit", 0), 2, "--limit is 0"),
    ],
)
def test_bad_input(
    more: tuple[object, ...], code: int, said: str, manifest: str, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [sample if option == "RUN" else option for option in more]
    assert parjob("plan", "--manifest", manifest, *given) == code
    assert said in one_line(capsys)


@pytest.mark.parametrize("text", ['{"fingerprint": {}, "epochs": 3}', '{"epochs": 3}', '{"fingerprint": ', "[]"])
def test_a_run_that_is_not_inference(
    text: str, manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text(text)
    assert parjob("plan", "--manifest", manifest, "--run", tmp_path) == 1
    said = one_line(capsys)
    assert "is not the run.json of parjob infer" in said
    assert "--output" not in said


def test_a_manifest_without_tracklets(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_manifest(str(tmp_path / "empty.parquet"), [])
    assert parjob("plan", "--manifest", tmp_path / "empty.parquet", "--run", sample) == 1
    assert "empty.parquet has no tracklet: nothing to plan" in one_line(capsys)


def test_stills_are_counted_and_failures_are_said(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nine tracklets of one JPEG, one whose file is missing; more are asked for than there are. Nothing is left."""
    image = tmp_path / "crop.jpg"
    image.write_bytes(simplejpeg.encode_jpeg(np.full((64, 32, 3), 90, np.uint8)))
    rows = [{"tracklet_id": f"s{i}", "image_uris": [str(image if i else tmp_path / "gone.jpg")]} for i in range(10)]
    write_manifest(str(tmp_path / "stills.parquet"), rows)
    asked = ("plan", "--manifest", tmp_path / "stills.parquet", "--weights", tiny_weights, "--sample", 200)
    before = set(Path(tempfile.gettempdir()).glob("parjob-sample-*"))
    assert parjob(*asked, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert set(Path(tempfile.gettempdir()).glob("parjob-sample-*")) <= before
    assert said["manifest"] == {"uri": str(tmp_path / "stills.parquet"), "tracklets": 10, "videos": 0, "frames": 10}
    measured = said["measured"]
    assert (measured["tracklets"], measured["failed"]) == (10, 0.1)
    assert measured["bytes_read"] == pytest.approx(0.9 * image.stat().st_size)


def test_a_sample_of_failures_measures_nothing(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [video_row(f"m{i}", str(tmp_path / "gone.mp4"), range(6)) for i in range(30)]
    write_manifest(str(tmp_path / "m.parquet"), rows)
    assert parjob("plan", "--manifest", tmp_path / "m.parquet", "--weights", tiny_weights, "--sample", 200) == 1
    assert "measured nothing: 30 tracklets in its last run, 0 of its table" in capsys.readouterr().err


def test_what_tracking_takes_is_planned_too(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a manifest that `parjob track` made: 40 frames a tracklet, each 0.01 s to read and 0.05 s of a GPU."""
    manifest = write_archive(tmp_path / "archive")
    record = {
        "fingerprint": {},
        "device": "cuda",
        "counts": {"tracklets": 10, "frames": 400},
        "stages": {
            "frames": 200,
            "bytes_read": 2_000_000,
            "decode": {"busy_seconds": 2.0},
            "detect": {"busy_seconds": 10.0},
        },
    }
    (tmp_path / "archive" / "_track").mkdir()
    (tmp_path / "archive" / "_track" / "run.json").write_text(json.dumps(record))
    asked = ("plan", "--manifest", manifest, "--run", sample, "--tracklets", 10**6, *PRICES)
    assert parjob(*asked, "--json") == 0
    tracking = json.loads(capsys.readouterr().out)["tracking"]
    measured = tracking["measured"]
    assert (measured["decode_seconds"], measured["model_seconds"]) == (pytest.approx(0.4), pytest.approx(2.0))
    assert tracking["plans"][0]["gpu_hours"] == pytest.approx(2e6 / 3600)
    assert tracking["plans"][0]["bytes_read"] == 400_000 * 10**6
    assert parjob(*asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        "tracking before that: for each tracklet 0.4 s of a CPU to read 40 frames of 400 kB, and 2 s of a GPU for the "
        "detector"
    ) in lines
    (tmp_path / "archive" / "_track" / "run.json").write_text(json.dumps({"fingerprint": {}}))
    assert parjob(*asked) == 0
    assert "is not the run.json of parjob track" in capsys.readouterr().err
