"""Images that the real ffmpeg extracts show the frames that ``frames_shown`` says, as read off the pictures."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from par_model.manifest.importers.constant_rate import frames_of_fps_filter, frames_shown
from par_model.video.survey import clock
from tests.video.frame_numbers import read, write_clip

UNEVEN = [0, 1, 2, 7, 8, 20, 21, 22, 60, 61]
HALVED = [*range(10), *range(10, 30, 2)]  # a camera that takes half as many at night
A_THIRD = [*range(8), *range(8, 40, 3)]


def images_of(clip: Path, *how: str) -> list[int]:
    """The frames that the images show which ffmpeg extracts."""
    folder = clip.with_suffix("")
    folder.mkdir()
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(clip), *how, str(folder / "%d.png")], check=True)
    images = sorted(folder.glob("*.png"), key=lambda path: int(path.stem))
    return [read(np.asarray(Image.open(image).convert("RGB"))) for image in images]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("times", [list(range(12)), UNEVEN, HALVED, A_THIRD], ids=["even", "uneven", "halved", "third"])
def test_it_is_as_ffmpeg_does(times: list[int], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "v.mp4", len(times), times=times)
    found = clock(str(clip))
    assert found.rate == 25
    assert frames_shown(found.times, found.rate) == images_of(clip)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize(
    ("times", "rate"),
    [(list(range(30)), "5"), (UNEVEN, "10"), (HALVED, "5"), (HALVED, "30000/1001"), (A_THIRD, "1")],
    ids=["even", "uneven", "halved", "halved-ntsc", "third"],
)
def test_the_fps_filter_chooses_as_ffmpegs_does(times: list[int], rate: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "v.mp4", len(times), times=times)
    seen = images_of(clip, "-vf", f"fps={rate}")
    found = clock(str(clip))
    assert frames_of_fps_filter(found.times, Fraction(rate), found.rate) == seen


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize(
    ("rate", "begins", "ends"),
    [
        ("5", [0, 1, 4, 9], [9]),
        ("12", [0, 1, 2, 3, 6], [10]),
        ("50", [0, 0, 1, 1], [10, 11, 11]),
    ],
)
def test_more_or_fewer_images_than_frames(rate: str, begins: list[int], ends: list[int], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "v.mp4", 12)
    seen = images_of(clip, "-r", rate)
    assert (seen[: len(begins)], seen[-len(ends) :]) == (begins, ends)
    found = clock(str(clip))
    assert frames_shown(found.times, Fraction(rate), found.rate) == seen


def test_the_fps_filter_takes_the_last_of_the_frames_that_are_nearest_to_an_image() -> None:
    times = [Fraction(k, 25) for k in range(75)]
    assert frames_of_fps_filter(times, Fraction(5), Fraction(25)) == [2 + 5 * image for image in range(15)]
    assert frames_of_fps_filter(times, Fraction(1), Fraction(25)) == [12, 37, 62]
    assert frames_of_fps_filter([], Fraction(1), Fraction(25)) == []


def test_frames_that_come_late_are_repeated_and_those_that_come_too_soon_dropped() -> None:
    second = Fraction(1)
    assert frames_shown([Fraction(k) for k in (0, 1, 2, 5, 6)], second) == [0, 1, 2, 2, 3, 3, 4]
    assert frames_shown([Fraction(k, 2) for k in range(8)], second) == [0, 1, 2, 3, 5, 7]
    assert frames_shown([], second) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=40))
def test_frames_are_shown_in_order_and_for_about_their_time(gaps: list[int]) -> None:
    times = [Fraction(sum(gaps[:i])) for i in range(len(gaps))]
    shown = frames_shown(times, Fraction(1))
    assert shown == sorted(shown)
    assert set(shown) == set(range(len(times)))
    assert abs(len(shown) - (times[-1] + 1)) <= 8
