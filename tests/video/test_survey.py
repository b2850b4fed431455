"""What a video says of itself, with as little decoding as that takes, and of many without one bad one counting."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import pytest

from par_model.errors import TrackletError
from par_model.video import survey as survey_module
from par_model.video.survey import Survey, clock, survey
from tests.video.frame_numbers import HEIGHT, WIDTH, draw, write_clip


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
