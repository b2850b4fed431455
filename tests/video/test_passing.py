"""Every Nth picture of a video, wherever one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from par_model import storage
from par_model.errors import FailureCode, TrackletError
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.passed import Pass, PassedFrame, PassEnd
from par_model.video.passing import pass_video
from par_model.video.process import parent
from par_model.video.process.parent import close_processes, pass_isolated
from tests.video.frame_numbers import read, write_clip

FRAMES = 50


def passed(wanted: Pass, options: DecodeOptions | None = None) -> tuple[list[tuple[int, int, float | None]], PassEnd]:
    """Of each frame its index, the number that it shows and its time; and the end."""
    seen = []
    end = None
    for one in pass_isolated(wanted, options or DecodeOptions(), Counters()):
        if isinstance(one, PassEnd):
            end = one
        else:
            assert one.picture is not None
            seen.append((one.index, read(one.picture), one.seconds))
    assert end is not None
    return seen, end


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "a.mp4", FRAMES, options={"g": "10", "bf": "2"})
    write_clip(folder / "a.mkv", FRAMES, options={"g": "10", "bf": "2"})
    write_clip(folder / "a.ts", FRAMES, options={"g": "10", "bf": "2"})
    return folder


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(("every", "skip"), [(1, 0), (7, 0), (1, 33), (7, 4), (7, 8), (60, 0), (60, 1)])
def test_frames_are_those_that_were_asked_for(clips: Path, name: str, every: int, skip: int) -> None:
    seen, end = passed(Pass(str(clips / name), every, skip))
    wanted = list(range(every * skip, FRAMES, every))
    assert [(index, number) for index, number, _ in seen] == [(k, k) for k in wanted]
    assert [seconds for _, _, seconds in seen] == pytest.approx([k / 25 for k in wanted], abs=1e-3)
    assert (end.frames, end.damage) == (FRAMES, None)


def test_times_count_from_frame_0(tmp_path: Path) -> None:
    """Where the first frame is not shown at 0, and the rate varies."""
    times = [100 + 3 * k + k % 2 for k in range(20)]
    write_clip(tmp_path / "v.mp4", 20, times=times)
    for skip in (0, 13):
        seen, _ = passed(Pass(str(tmp_path / "v.mp4"), 1, skip))
        assert [s for _, _, s in seen] == pytest.approx([(t - times[0]) / 25 for t in times[skip:]], abs=1e-6)


def test_pictures_in_this_process_are_those_of_the_child(clips: Path) -> None:
    wanted = Pass(str(clips / "a.mp4"), 9)
    here = [(f.index, None if f.picture is None else f.picture.tobytes()) for f in _frames(pass_video, wanted)]
    there = [(f.index, None if f.picture is None else f.picture.tobytes()) for f in _frames(pass_isolated, wanted)]
    assert here == there


def _frames(
    read_pass: Callable[[Pass, DecodeOptions, Counters], Iterator[PassedFrame | PassEnd]], wanted: Pass
) -> Iterator[PassedFrame]:
    return (f for f in read_pass(wanted, DecodeOptions(), Counters()) if isinstance(f, PassedFrame))


def test_s3_gives_the_same_frames(clips: Path, s3: Callable[[], str]) -> None:
    uri = f"{s3()}/v.mp4"
    storage.write_bytes(uri, (clips / "a.mp4").read_bytes())
    seen, _ = passed(Pass(uri, 7, 2))
    assert [number for _, number, _ in seen] == [14, 21, 28, 35, 42, 49]


def test_the_child_stays_for_the_next_video(clips: Path) -> None:
    """Also for one behind a video that cannot be read; its start takes as long as a hundred frames."""
    close_processes()
    pids = set()
    for name in ("a.mp4", "none.mp4", "a.mkv", "a.ts"):
        with suppress(TrackletError):
            frames = pass_isolated(Pass(str(clips / name)), DecodeOptions(), Counters())
            assert sum(isinstance(one, PassedFrame) for one in frames) == FRAMES
        (process,) = parent._idle
        pids.add(process._process.pid)
    assert len(pids) == 1


def test_the_child_is_free_before_the_end_is_told(clips: Path) -> None:
    """So that who stops there, and asks for no more, does not end it."""
    close_processes()
    frames = pass_isolated(Pass(str(clips / "a.mp4")), DecodeOptions(), Counters())
    assert any(isinstance(one, PassEnd) for one in frames)
    frames.close()
    assert [process.is_usable() for process in parent._idle] == [True]


@pytest.mark.parametrize(
    ("name", "code"), [("none.mp4", FailureCode.VIDEO_NOT_FOUND), ("text.mp4", FailureCode.VIDEO_UNREADABLE)]
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, code: FailureCode) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(TrackletError, match=name) as raised:
        passed(Pass(str(tmp_path / name)))
    assert raised.value.code is code


def test_damaged_frames_come_without_a_picture_unless_they_are_wanted(tmp_path: Path) -> None:
    """A hole of zeros in the middle: what is sound before and behind it stays."""
    path = write_clip(tmp_path / "v.mp4", FRAMES, options={"g": "10"})
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[at : at + 400] = bytes(400)
    path.write_bytes(data)
    frames = list(_frames(pass_isolated, Pass(str(path))))
    spoilt = [f.index for f in frames if f.picture is None]
    assert spoilt
    assert all(f.damage for f in frames if f.picture is None)
    sound = [f for f in frames if f.picture is not None]
    assert [f.index for f in sound] == [read(f.picture) for f in sound if f.picture is not None]
    assert sound[-1].index == FRAMES - 1
    used = [f for f in pass_isolated(Pass(str(path)), DecodeOptions(damaged="use"), Counters()) if f != 0]
    pictures = [f for f in used if isinstance(f, PassedFrame)]
    assert all(f.picture is not None for f in pictures)
