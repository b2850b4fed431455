"""``parjob run``: from bare video to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pyarrow.parquet as pq
import pytest

from tests.cli.run import parjob
from tests.tracking.colours import ColourDetector, UnsureDetector, write_walks


def asked(folder: Path, weights: Path) -> list[object]:
    words: list[object] = ["run", "--no-ray", "--device", "cpu", "--detector", "colours", "--weights", weights]
    return [*words, "--output", folder / "out", "--videos", folder / "a.mp4", "--frames", "2"]


def test_track_infer_and_report_each_once(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("par_model.tracking.look.load_detector", lambda location, **more: ColourDetector())
    write_walks(tmp_path / "a.mp4")
    assert parjob(*asked(tmp_path, tiny_weights)) == 0
    out, err = capsys.readouterr()
    assert f"{tmp_path}/out/manifest/tracklets.parquet: 3 tracklets" in out
    assert f"{tmp_path}/out/table/attributes: 3 tracklets, 0 of them failed" in out
    assert out.splitlines()[-1] == f"{tmp_path}/out/report.html"
    table = pq.read_table(tmp_path / "out" / "table" / "attributes")
    assert table["tracklet_id"].to_pylist() == ["a-0", "a-1", "a-2"]
    assert table["status"].to_pylist() == ["ok"] * 3
    assert {len(frames) for frames in table["sampled_frames"].to_pylist()} == {2}
    assert "a-2" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert parjob(*asked(tmp_path, tiny_weights), "--json") == 0
    out, err = capsys.readouterr()
    assert err.count("nothing to do") == 2
    told = json.loads(out)
    assert told["track"]["counts"]["tracklets"] == sum(told["infer"]["counts"]["status"].values()) == 3
    assert told["report"] == f"{tmp_path}/out/report.html"


def test_an_empty_output_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        parjob("run", "--no-ray", "--detector", "demo", "--weights", "demo", "--videos", "a.mp4", "--output", "") == 2
    )
    assert "--output is empty" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_videos_in_which_nobody_is_found_say_why(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("par_model.tracking.look.load_detector", lambda location, **more: UnsureDetector())
    write_walks(tmp_path / "a.mp4")
    assert parjob(*asked(tmp_path, tiny_weights)) == 1
    out, err = capsys.readouterr()
    assert "boxes of people, but no tracks" in out
    assert "nobody was found in the videos" in err
    assert not (tmp_path / "out" / "table").exists()


@pytest.mark.parametrize(
    ("words", "job", "kept", "where"),
    [
        ("infer --manifest m --weights w --output o", "inference.job.run_inference", "what is done is", "here"),
        ("track --videos v --detector demo --output o", "tracking.job.run_tracking", "what is done is", "here"),
        ("train --manifest m --weights w --output o", "training.job.run_training", "whole epochs are", "there"),
    ],
)
def test_who_stops_a_job_is_told_that_it_goes_on(
    words: str, job: str, kept: str, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"par_model.{job}", stopped)
    assert parjob(*words.split(), "--no-ray") == 130
    lines = capsys.readouterr().err.split("\n")
    assert lines[0] == f"parjob: stopped; {kept} kept. The same command again goes on from {where}"
    assert lines[-2:] == ["parjob: interrupted", ""]


def test_ctrl_c_says_how_to_go_on(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stopped(ColourDetector):
        def detect(self, *given: object) -> NoReturn:
            raise KeyboardInterrupt

    monkeypatch.setattr("par_model.tracking.look.load_detector", lambda location, **more: Stopped())
    write_walks(tmp_path / "a.mp4")
    assert parjob(*asked(tmp_path, tiny_weights)) == 130
    err = capsys.readouterr().err
    assert "parjob: stopped; what is done is kept. The same command again goes on from here\n" in err
