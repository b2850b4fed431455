"""Many videos are asked in order, and a bad one costs itself alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread, Timer

import pytest

from par_model.errors import FailureCode, TrackletError
from par_model.video import surveys as surveys_module
from par_model.video.survey import Survey
from par_model.video.surveys import Question, surveys
from tests.video.frame_numbers import HEIGHT, WIDTH, write_clip

HOOKS = Path(__file__).parents[1] / "faults" / "hooks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 frames in containers of three kinds."""
    folder = tmp_path_factory.mktemp("clips")
    for suffix in ("mp4", "mkv", "ts"):
        write_clip(folder / f"a.{suffix}", 200)
    return folder


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


def test_a_helper_that_is_about_to_start_is_killed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever stops listening in that moment waits for its answer, which never comes."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HOOKS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("FAULTS", "1")
    is_starting, may_start, start = Event(), Event(), surveys_module._start

    def late() -> object:
        is_starting.set()
        may_start.wait()
        return start()

    monkeypatch.setattr(surveys_module, "_start", late)
    helper = surveys_module._Helper()
    asking = Thread(target=helper.ask, args=[Question("hang:///a.mp4", 1)], daemon=True)
    asking.start()
    assert is_starting.wait(60)
    Timer(0.5, may_start.set).start()
    helper.kill()
    asking.join(60)
    assert not asking.is_alive()
    is_starting.clear()
    answer = helper.ask(Question("hang:///a.mp4", 1))
    assert isinstance(answer, TrackletError)
    assert not is_starting.is_set()


def test_a_machine_that_starts_no_process_is_no_fault_of_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> object:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(surveys_module, "_start", refuse)
    with pytest.raises(BlockingIOError, match="temporarily unavailable"):
        list(surveys([Question("v.mp4", 1)]))


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
