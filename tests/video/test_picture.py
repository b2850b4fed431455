"""Pictures as they are displayed, by whatever the frames carry beside them."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from par_model.sampling import Sampling
from par_model.types import RawCrops, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import draw

MAKER, ORIENTATION = 0x010F, 0x0112  # tags of Exif


def motion_jpeg(path: Path, orientation: int | None, frames: int = 8) -> list[Image.Image]:
    """A video of JPEGs as cameras write them, each with Exif. Returns what Pillow displays of each."""
    shown = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width = draw(0).shape[:2]
        stream.pix_fmt = "yuvj420p"
        for number in range(frames):
            exif = Image.Exif()
            exif[MAKER] = "Maker"
            if orientation is not None:
                exif[ORIENTATION] = orientation
            jpeg = io.BytesIO()
            Image.fromarray(draw(number)).save(jpeg, "JPEG", quality=95, exif=exif)
            shown.append(ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg.getvalue()))))
            packet = av.Packet(jpeg.getvalue())
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    return shown


@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
def test_exif_in_motion_jpeg_turns_and_mirrors_its_pictures(orientation: int | None, tmp_path: Path) -> None:
    """PyAV has no name for side data of this kind, and refuses to list any where there is some."""
    path = tmp_path / "camera.avi"
    truth = motion_jpeg(path, orientation)
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=orientation == 6))
    wanted = Tracklet(0, "t", video_uri=str(path), frame_indices=np.asarray([2, 7], np.int32))
    (result,) = stage([wanted])
    stage.close()
    assert isinstance(result, RawCrops), result
    for picture, index in zip(result.images, (2, 7), strict=True):
        expected = np.asarray(truth[index], np.int32)
        assert picture.shape == expected.shape
        assert np.abs(picture - expected).mean() < 3  # FFmpeg and Pillow differ in how they widen the colours
