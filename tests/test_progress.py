from __future__ import annotations

import io

import pytest

from par_model import progress
from par_model.progress import Progress, counting, unseen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_with_rate_and_time_left() -> None:
    stream = Terminal()
    bar = Progress(10, "tracklets", already=4, stream=stream)
    bar.advance(6)
    bar.close()
    last = stream.getvalue().split("\r")[-1]
    assert "10/10" in last
    assert "tracklets/s" in last
    assert "<00:00" in last


def test_elsewhere_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    lines = Progress(100, "tracklets", already=20, stream=stream)
    lines.advance(10)
    assert stream.getvalue() == ""
    now += 20
    lines.advance(10)
    lines.close()
    assert stream.getvalue() == "40/100 tracklets, 1.0 tracklets/s, 0:01:00 left\n"


def test_notes_and_lines_leave_the_bar_whole() -> None:
    stream = Terminal()
    bar = Progress(10, "tracklets", stream=stream)
    bar.reach(5, "loss 0.5")
    bar.say("halfway")
    bar.reach(10, "loss 0.25")
    bar.close()
    said = stream.getvalue()
    assert "halfway\n" in said
    assert "loss 0.25" in said.split("\r")[-1]
    assert "10/10" in said.split("\r")[-1]


def test_a_line_has_its_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    stream = io.StringIO()
    Progress(10, "tracklets", stream=stream).reach(10, "epoch 1/1")
    assert stream.getvalue().startswith("10/10 tracklets, ")
    assert stream.getvalue().endswith("0:00:00 left; epoch 1/1\n")


def test_a_bar_is_there_once_the_number_is_told_and_is_closed_whatever_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    with counting("videos"):
        pass
    assert terminal.getvalue() == ""

    def two_of_three() -> None:
        with counting("videos") as start:
            start(3)(2)
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        two_of_three()
    assert "2/3" in terminal.getvalue().split("\r")[-1]
    assert terminal.getvalue().endswith("\n")
    unseen(3)(2)
