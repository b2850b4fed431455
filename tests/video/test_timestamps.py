"""Timestamps are those of the decoded frames, in presentation order, counted from frame 0."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from par_model.errors import FailureCode, TrackletError
from par_model.video.timestamps import timestamps
from tests.video.frame_numbers import write_clip

HOUR = 3600 * 25  # in the units of write_clip
UNEVEN = [0, 1, 2, 7, 8, 20, 21, 22, 60, 61]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_uneven_frame_rates_are_followed(name: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / name, len(UNEVEN), times=UNEVEN, options={"bf": "3"})
    assert timestamps(str(clip)) == pytest.approx([time / 25 for time in UNEVEN], abs=1e-3)


def test_time_starts_at_frame_0_whatever_the_container_says(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", 5, times=[1000, 1001, 1002, 1003, 1010])
    assert timestamps(str(clip)) == pytest.approx([0, 0.04, 0.08, 0.12, 0.4], abs=1e-3)


def test_avi_has_no_timestamps_of_its_own_but_a_rate(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 6, codec="mpeg4", options={"bf": "0"})
    assert timestamps(str(clip)) == pytest.approx([i / 25 for i in range(6)], abs=1e-3)


@pytest.mark.parametrize("start", [0, 9 * HOUR])
@pytest.mark.parametrize("options", [{"g": "1", "bf": "0"}, {"bf": "3", "g": "9"}])
def test_times_of_mpeg_go_on_where_its_clock_begins_again(options: dict[str, str], start: int, tmp_path: Path) -> None:
    shown = [start + HOUR * i for i in range(60)]
    clip = write_clip(tmp_path / "clip.ts", 60, times=shown, options=options)
    assert timestamps(str(clip)) == pytest.approx([3600 * i for i in range(60)], abs=1e-3)


def test_one_picture_whose_time_is_spoilt_moves_no_other(tmp_path: Path) -> None:
    """The upper bits of a packet's time, as a broken transmission leaves them: nothing in MPEG-TS protects them."""
    clip = write_clip(tmp_path / "clip.ts", 20, times=[25 * i for i in range(20)], options={"g": "1", "bf": "0"})
    data = bytearray(clip.read_bytes())
    header = [found.start() for found in re.finditer(b"\x00\x00\x01\xe0", data)][10]
    data[header + 9] |= 0x0E  # bits 32 to 30 of 33: ISO/IEC 13818-1, 2.4.3.7
    clip.write_bytes(data)
    found = timestamps(str(clip))
    assert found.pop(10) > 12 * 3600
    assert found == pytest.approx([i for i in range(20) if i != 10], abs=1e-3)


def test_only_as_many_frames_as_asked_for(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 10))
    assert len(timestamps(clip, count=4)) == 4
    assert len(timestamps(clip, count=99)) == 10
    assert timestamps(clip, count=0) == []


def test_a_missing_video_has_its_code(tmp_path: Path) -> None:
    with pytest.raises(TrackletError) as caught:
        timestamps(str(tmp_path / "none.mp4"))
    assert caught.value.code is FailureCode.VIDEO_NOT_FOUND
