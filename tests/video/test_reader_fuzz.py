"""Files with bytes that nobody wrote: each tracklet is answered once, with a code, and nothing hangs or crashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Failure, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.video import corpus

VIDEOS = (
    "h264.mp4", "h264.avi", "h264.ts", "h264.flv", "h264-open.mkv", "h264-fragmented.mp4", "h264-variable-rate.mkv",
    "hevc-open.mkv", "vp9.webm", "av1.mkv", "mpeg4-b.avi", "mjpeg.mov", "mpeg2.ps", "wmv2.asf", "ffv1.mkv",
)  # fmt: skip
VIDEO_CODES = {
    FailureCode.VIDEO_UNREADABLE,
    FailureCode.VIDEO_DAMAGED,
    FailureCode.FRAME_OUT_OF_RANGE,
    FailureCode.BOX_OUTSIDE_FRAME,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def spoil(data: bytes, draw: np.random.Generator) -> bytes:
    """Change a few bytes, zero a stretch, cut a piece out, or cut the end off; headers as likely as the rest."""
    spoilt = bytearray(data)
    reach = len(data) if draw.random() < 0.5 else min(len(data), 2000)
    at = int(draw.integers(reach))
    length = int(draw.integers(1, 400))
    match draw.integers(4):
        case 0:
            for _ in range(int(draw.integers(1, 30))):
                spoilt[int(draw.integers(reach))] = int(draw.integers(256))
        case 1:
            spoilt[at : at + length] = bytes(len(spoilt[at : at + length]))
        case 2:
            del spoilt[at : at + length]
        case _:
            del spoilt[at:]
    return bytes(spoilt)


def check_videos(folder: Path, rounds: range) -> None:
    stage = DecodeStage(None, Sampling(frames=3), DecodeOptions(video_timeout=30))
    for case in (c for c in corpus.CASES if c.name in VIDEOS):
        data = corpus.make(case, folder).read_bytes()
        for number in rounds:
            path = folder / f"spoilt-{case.name}"
            path.write_bytes(spoil(data, np.random.default_rng(number)))
            wanted = [
                Tracklet(row, "t", video_uri=str(path), frame_indices=np.asarray(frames, np.int32), boxes=boxes)
                for row, (frames, boxes) in enumerate(
                    [([0, 1, 2], None), ([40, 41, 70], None), ([66], np.asarray([[200, 50, 9, 9]], np.float32))]
                )
            ]
            results = list(stage(wanted))
            assert sorted(r.row for r in results) == [0, 1, 2], (case.name, number)
            codes = {r.code for r in results if isinstance(r, Failure)}
            assert codes <= VIDEO_CODES, (case.name, number, codes)


def test_spoilt_videos(folder: Path) -> None:
    check_videos(folder, range(4))


@pytest.mark.slow
def test_many_spoilt_videos(folder: Path) -> None:
    check_videos(folder, range(4, 120))


def test_spoilt_images(folder: Path) -> None:
    stage = DecodeStage(None, Sampling(frames=1))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 30, 3), dtype=np.uint8))
    for extension in ("jpg", "png", "webp", "tif", "gif", "bmp"):
        picture.save(folder / f"whole.{extension}")
        data = (folder / f"whole.{extension}").read_bytes()
        for number in range(40):
            path = folder / f"spoilt.{extension}"
            path.write_bytes(spoil(data, np.random.default_rng(number)))
            (result,) = stage([Tracklet(0, "t", image_uris=(str(path),))])
            assert not isinstance(result, Failure) or result.code is FailureCode.IMAGE_UNREADABLE, (extension, number)
