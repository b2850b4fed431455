"""``manifest look`` shows the right frames, with the boxes where they are, in a page or a picture of its own."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from par_model.cli import main
from par_model.manifest import write_manifest
from tests.archive import video_row, write_clips
from tests.manifest.examples import box
from tests.report.test_page import policy_hashes
from tests.video.frame_numbers import HEIGHT, WIDTH, read

YELLOW = (255, 200, 0)
LOW = box(60, 50, 30, 40)  # below the numbers that the frames show


def look(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["manifest", "look", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def pictures(page: str) -> list[NDArray[np.uint8]]:
    found = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data in found]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Nine tracklets of a.mp4, one of b.mp4 that ends beyond it, a still."""
    folder = tmp_path_factory.mktemp("archive")
    write_clips(folder)
    rows = [video_row(f"t{i}<b>", f"{folder}/a.mp4", range(6 * i, 6 * i + 5), boxes=[LOW] * 5) for i in range(9)]
    rows.append(video_row("late", f"{folder}/b.mp4", [3, 50, 99], boxes=[LOW] * 3))
    rows.append({"tracklet_id": "still", "image_uris": ["/1.jpg"]})
    path = str(folder / "m.parquet")
    write_manifest(path, rows)
    return path


def test_the_page_shows_first_middle_and_last_frames_of_tracklets_over_the_whole_video(
    manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "look.html"
    assert look(manifest, "--output", str(output)) == 0
    assert capsys.readouterr().err.strip() == (
        f"{output}: 4 of 10 tracklets, 2 of 2 videos; 1 frame could not be read; 1 row left out: no sound tracklets of "
        "videos"
    )
    page = output.read_text(encoding="utf-8")
    shown = pictures(page)
    assert [read(picture) for picture in shown] == [6, 8, 10, 24, 26, 28, 42, 44, 46, 1003, 1050]
    assert all(picture.shape == (HEIGHT, WIDTH, 3) for picture in shown)
    for picture in shown:  # the box's left edge, where nothing else is yellow
        assert np.abs(picture[60:80, 60].astype(int) - YELLOW).max() < 60
        assert np.abs(picture[60:80, 75].astype(int) - YELLOW).max() > 60
    assert "t1&lt;b&gt;" in page
    assert "<b>t1" not in page
    assert "frame-out-of-range" in page
    assert "last, frame 99: not readable" in page
    allowed, own = policy_hashes(page)
    assert allowed == own
    assert not re.search(r"https?://", page)


def test_videos_and_tracklets_are_limited_and_others_on_the_frame_are_drawn(
    manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "look.html"
    assert look(manifest, "--output", str(output), "--limit", "1", "--tracklets", "1") == 0
    assert "1 of 10 tracklets, 1 of 2 videos" in capsys.readouterr().err
    assert [read(picture) for picture in pictures(output.read_text(encoding="utf-8"))] == [24, 26, 28]


def test_the_picture_holds_a_row_a_tracklet(manifest: str, tmp_path: Path) -> None:
    output = tmp_path / "look.PNG"
    assert look(manifest, "--output", str(output)) == 0
    sheet = np.asarray(Image.open(output).convert("RGB"))
    rows = 4 * (20 + 10 + 20 + HEIGHT + 10) + 10
    assert sheet.shape == (rows, 10 + 3 * 430, 3)
    first = sheet[50 : 50 + HEIGHT, 10 : 10 + WIDTH]
    assert read(np.ascontiguousarray(first)) == 6


def test_what_cannot_be_looked_at_is_one_line(
    manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert look(manifest, "--output", str(tmp_path / "look.jpg")) == 2
    assert "must end with .html or .png" in capsys.readouterr().err
    stills = str(tmp_path / "stills.parquet")
    write_manifest(stills, [{"tracklet_id": "still", "image_uris": ["/1.jpg"]}])
    assert look(stills, "--output", str(tmp_path / "look.html")) == 1
    assert "has no sound tracklet of a video to look at" in capsys.readouterr().err
    assert not (tmp_path / "look.html").exists()
