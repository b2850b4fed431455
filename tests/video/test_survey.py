"""What a video says of itself, with as little decoding as that takes, and of many without one bad one counting."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from par_model.errors import FailureCode, TrackletError
from par_model.video import survey as survey_module
from par_model.video import surveys as surveys_module
from par_model.video.survey import Survey, clock, survey
from par_model.video.surveys import Question, surveys
from tests.video.frame_numbers import HEIGHT, WIDTH, draw, write_clip

HOOKS = Path(__file__).parents[1] / "faults" / "hooks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 frames in containers of three kinds, and two tracks in one file."""
    folder = tmp_path_factory.mktemp("clips")
    for suffix in ("mp4", "mkv", "ts"):
        write_clip(folder / f"a.{suffix}", 200)
    with av.open(str(folder / "two.mp4"), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, size in zip(streams, ((128, 96), (256, 96)), strict=True):
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
        for stream, size in zip(streams, ((128, 96), (256, 96)), strict=True):
            for number in range(5):
                frame = av.VideoFrame.from_ndarray(draw(number, 256, 96)[:, : size[0]], format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return folder


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_frames_are_counted_only_where_they_are_in_doubt(
    suffix: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = str(folder / f"a.{suffix}")
    near_end = survey(uri, 199)
    assert (near_end.width, near_end.height) == (WIDTH, HEIGHT)
    assert near_end.frames == 200
    assert survey(uri, 200) == Survey(WIDTH, HEIGHT, 200, True, 1)
    assert survey(uri, 5000) == Survey(WIDTH, HEIGHT, 200, True, 1)
    assert survey(uri, 0, decode=True) == Survey(WIDTH, HEIGHT, 200, True, 1)
    for name in ("_decode", "_count_packets"):
        monkeypatch.delattr(survey_module, name)
    early = survey(uri, 100)
    assert not early.is_counted
    assert 100 < early.frames <= 200


def test_tracks_are_told_apart(folder: Path) -> None:
    uri = str(folder / "two.mp4")
    assert survey(uri, 4) == Survey(128, 96, 5, True, 2)
    assert survey(uri, 4, 1) == Survey(256, 96, 5, True, 2)
    with pytest.raises(TrackletError, match="video_stream 2 is asked for"):
        survey(uri, 4, 2)


def test_a_turned_video_has_the_size_that_is_shown(folder: Path, tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("shutil").which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("needs ffmpeg")
    turned = tmp_path / "turned.mp4"
    command = [ffmpeg, "-v", "error", "-i", str(folder / "a.mp4"), "-c", "copy", "-metadata:s:v", "rotate=90"]
    assert os.spawnv(os.P_WAIT, ffmpeg, [*command, str(turned)]) == 0
    found = survey(str(turned), 0)
    assert (found.width, found.height) == (HEIGHT, WIDTH)


def test_a_change_of_size_and_damage_are_met_by_decoding(folder: Path, tmp_path: Path) -> None:
    small, large = (
        write_clip(tmp_path / f"{width}.h264", 10, size=(width, 96), format="h264").read_bytes() for width in (240, 256)
    )
    both = tmp_path / "both.h264"
    both.write_bytes(small + large)
    found = survey(str(both), 0, decode=True)
    assert (found.width, found.frames, found.new_size) == (240, 20, (10, 256, 96))
    data = bytearray((folder / "a.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    (tmp_path / "bad.mkv").write_bytes(data)
    assert survey(str(tmp_path / "bad.mkv"), 0).damage is None
    assert survey(str(tmp_path / "bad.mkv"), 0, decode=True).damage is not None


def test_the_clock_begins_with_the_earliest_track(folder: Path) -> None:
    found = clock(str(folder / "a.mkv"))
    assert found.rate == 25
    assert found.times[:3] == [0, Fraction(1, 25), Fraction(2, 25)]
    assert len(found.times) == 200


def test_surveys_come_in_order_and_a_bad_video_costs_itself_alone(folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video", encoding="utf-8")
    uris = [str(folder / "a.mp4"), str(tmp_path / "none.mp4"), str(text), str(folder / "a.ts")]
    found = [answer for _, answer in surveys([Question(uri, 250) for uri in uris])]
    assert found[0] == found[3] == Survey(WIDTH, HEIGHT, 200, True, 1)
    codes = [answer.code for answer in found[1:3] if isinstance(answer, TrackletError)]
    assert codes == [FailureCode.VIDEO_NOT_FOUND, FailureCode.VIDEO_UNREADABLE]


def test_who_stops_listening_need_not_wait_for_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HOOKS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("FAULTS", "1")
    asked = surveys([Question(str(folder / "a.mp4"), 250), *[Question("hang:///a.mp4", 1)] * 3])
    assert next(asked)[1] == Survey(WIDTH, HEIGHT, 200, True, 1)
    started = time.monotonic()
    asked.close()
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_a_video_that_ends_the_process_or_never_answers_costs_itself_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child processes know the file systems of tests/faults/hooks."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HOOKS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("FAULTS", "1")
    uris = ["crash:///a.mp4", str(folder / "a.mp4"), "hang:///a.mp4", str(folder / "a.mkv")]
    monkeypatch.setattr(surveys_module, "_SECONDS", 6.0)
    found = [answer for _, answer in surveys([Question(uri, 250) for uri in uris])]
    assert found[1] == found[3] == Survey(WIDTH, HEIGHT, 200, True, 1)
    failures = [(answer.code, answer.message) for answer in found if isinstance(answer, TrackletError)]
    assert failures == [
        (FailureCode.VIDEO_CRASHED, "cannot read crash:///a.mp4: it ends the decoding process"),
        (FailureCode.VIDEO_TIMEOUT, "cannot read hang:///a.mp4: no answer within 6 s"),
    ]


def test_a_script_needs_no_guard_and_runs_once(folder: Path, tmp_path: Path) -> None:
    """multiprocessing would run it again in each child, and fail there."""
    script = tmp_path / "script.py"
    script.write_text(
        "from par_model.video.surveys import Question, surveys\n"
        "print('once')\n"
        f"for _, answer in surveys([Question({str(folder / 'a.mp4')!r}, 250)]):\n"
        "    print(answer.frames)\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert (ran.stdout.split(), ran.stderr) == (["once", "200"], "")
