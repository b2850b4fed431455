"""``parjob track`` as the shell runs it, killed and all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from tests.cli.run import parjob
from tests.faults.conftest import HOOKS
from tests.tracking.colours import ColourDetector, Walk, write_walks

STAND_IN = """
from par_model.tracking import look, store
from tests.tracking.colours import ColourDetector
look.load_named = lambda location, more, device, threads: ColourDetector()
store._FLUSH_SECONDS = 0.0
"""


def command(archive: Path, output: Path, *more: object) -> list[str]:
    words = ["track", "--videos", archive, "--detector", "colours", "--output", output, "--device", "cpu", *more]
    return [sys.executable, "-c", f"{STAND_IN}\nfrom par_model.cli import main\nmain()", *map(str, words)]


def started(archive: Path, output: Path, *more: object, **faults: object) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    variables = os.environ | {"FAULTS": "1", "PYTHONPATH": f"{HOOKS}:{root}"}
    variables |= {name: str(value) for name, value in faults.items()}
    return subprocess.Popen(
        command(archive, output, *more), env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("par_model.tracking.look.load_detector", lambda location, **more: ColourDetector())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for name in ("a", "b", "c"):
        write_walks(folder / f"{name}.mp4")
    return folder


@pytest.mark.parametrize("ray", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_sigkill_on_the_way_then_the_same_command_gives_the_same_bytes(
    archive: Path, tmp_path: Path, ray: bool
) -> None:
    """In the middle of a write, with one video done and one begun. What was on disk is not looked at again."""
    more = [] if ray else ["--no-ray"]
    at = 2 if ray else 12  # Ray Data brings several batches at a time
    ended(started(archive, tmp_path / "whole" / "m.parquet", *more))
    output = tmp_path / "killed"
    process = started(archive, output / "m.parquet", *more, FAULT_KILL_AT_FOUND=at)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    assert not (output / "m.parquet").exists()
    kept = len(list((output / "_track" / "detections").iterdir()))
    assert kept >= at - 1
    _, err = ended(started(archive, output / "m.parquet", *more))
    assert "are done already; going on with the others" in err
    assert (output / "m.parquet").read_bytes() == (tmp_path / "whole" / "m.parquet").read_bytes()
    assert (output / "_videos.parquet").read_bytes() == (tmp_path / "whole" / "_videos.parquet").read_bytes()
    assert sorted(path.name for path in output.iterdir()) == ["_track", "_videos.parquet", "m.parquet"]


@pytest.mark.usefixtures("colours")
def test_the_command_says_what_came_of_it(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["track", "--no-ray", "--device", "cpu", "--detector", "colours", "--output", tmp_path / "m.parquet"]
    words += ["--videos", archive / "a.mp4", archive / "b.mp4", tmp_path / "none.mp4", "--max-failure-rate", "0.5"]
    assert parjob(*words) == 0
    out, err = capsys.readouterr()
    first, second, why, third = out.splitlines()
    assert first == f"{tmp_path}/m.parquet: 6 tracklets, {2 * (50 + 55 + 30)} boxes of 3 videos, 1 of them failed"
    assert second == "  video-not-found: 1"
    assert why == f"  {tmp_path}/_videos.parquet says of each why"
    assert third.startswith("  120 frames in ")
    assert parjob(*words, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["counts"]["tracklets"] == 6
    assert "is complete: nothing to do" in err


@pytest.mark.usefixtures("colours")
@pytest.mark.slow
def test_too_many_failed_videos_are_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_walks(tmp_path / "a.mp4", frames=4)
    words = ["track", "--no-ray", "--device", "cpu", "--detector", "colours", "--output", tmp_path / "out"]
    words += ["--videos", tmp_path / "a.mp4", "--videos", tmp_path / "none.mp4"]
    assert parjob(*words) == 3
    assert "more than --max-failure-rate 0.05 failed: exit code 3" in capsys.readouterr().out
    assert parjob(*words) == 3


@pytest.mark.usefixtures("colours")
@pytest.mark.slow
def test_a_preview_shows_the_tracks(tmp_path: Path) -> None:
    write_walks(tmp_path / "a.mp4", [Walk("red", 10, 39, 4, 2)])
    words = ["track", "--no-ray", "--device", "cpu", "--detector", "colours", "--output", tmp_path / "out"]
    words += ["--videos", tmp_path / "a.mp4", "--every", "2", "--preview", tmp_path / "p.mp4"]
    assert parjob(*words) == 0
    with av.open(str(tmp_path / "p.mp4")) as clip:
        pictures = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
        assert clip.streams.video[0].average_rate == 5
    assert len(pictures) == 25  # from frame 10 on
    rows = pq.read_table(tmp_path / "out" / "tracklets.parquet").to_pylist()
    box = rows[0]["boxes"][3]
    edge = pictures[3][round(box["y"] + box["h"] - 1), round(box["x"] + box["w"] / 2)].astype(int)
    assert abs(edge - [255, 38, 38]).max() < 70, "the box's lower edge is drawn"
    assert abs(pictures[3][100, 100].astype(int) - 128).max() < 12


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--videos: give at least one video"),
        (("--videos", "a.mp4", "--every", "0"), "--every is 0: must be at least 1"),
        (("--videos", "a.mp4", "--min-score", "2"), "--min-score is 2.0"),
        (("--videos", "a.mp4", "--start-time", "soon"), "--start-time is 'soon'"),
        (("--videos", "a.mp4", "--name-pattern", "x"), "--name-pattern 'x'"),
        (("--videos", "a.mp4", "--preview", "x.txt"), "--preview 'x.txt'"),
        (("--videos", "a.mp4", "--preview", "./a.mp4"), "--preview ./a.mp4: is one of the videos"),
        (("--videos", ".", "--preview", "p.mp4"), "--preview p.mp4: would be one more video of --videos ."),
        (("--videos", "*.mp4", "--preview", "p.mp4"), "--preview p.mp4: would be one more video of --videos *.mp4"),
        (("--videos", ""), "--videos is empty"),
        (("--videos", "a.mp4", "--output", ""), "--output is empty"),
        (("--videos", "a.mp4", "--camera", ""), "--camera is empty: give a name, or leave the option out"),
        (("--videos", "a.mp4", "--id-prefix", " "), "--id-prefix is empty"),
        (("--videos", "a.mp4", "--person-class", ""), "--person-class is empty"),
        (("--videos", "a.mp4", "--join", ""), "--join is empty"),
        (("--videos", "a.mp4", "--decode-workers", "0"), "--decode-workers is 0"),
        (("--videos", "a.mp4", "--tracker", "magic"), "'magic' is not one of"),
    ],
)
def test_wrong_usage_is_exit_code_2_in_one_line(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_walks(tmp_path / "a.mp4", frames=2)
    footage = (tmp_path / "a.mp4").read_bytes()
    assert parjob("track", "--detector", "colours", "--output", "out", "--no-ray", *words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert (tmp_path / "a.mp4").read_bytes() == footage
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]
