"""Pictures as they are displayed, by whatever the frames carry beside them."""

from __future__ import annotations

import io
import struct
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
from tests.video.footage import write_sizes
from tests.video.frame_numbers import HEIGHT, WIDTH, draw, read, write_clip

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


# --- size -------------------------------------------------------------------------------------------------------------

FIRST_AND_LAST = [(range(20), 1), (range(20, 60), 2), (range(60, 80), 1)]


def right_half(uri: str, frames: list[int], **options: object) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """The crops of a box that holds the right half of the numbered picture, and their sizes."""
    half = np.asarray([[WIDTH / 2, 0, WIDTH / 2, HEIGHT]] * len(frames), np.float32)
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False, **options))  # type: ignore[arg-type]
    (result,) = stage([Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray(frames, np.int32), boxes=half)])
    assert isinstance(result, RawCrops), result
    return [(image.shape, image) for image in result.images]


@pytest.mark.parametrize("name", ["sizes.mkv", "sizes.mp4", "sizes.ts"])
def test_boxes_refer_to_the_first_size_where_it_changes(name: str, tmp_path: Path) -> None:
    uri = write_sizes(tmp_path / name, FIRST_AND_LAST)
    for frames in ([5, 30, 70], [75], [30]):
        for (shape, crop), number in zip(right_half(uri, frames), frames, strict=True):
            assert shape == (HEIGHT, WIDTH // 2, 3)
            assert np.abs(crop - draw(number)[:, WIDTH // 2 :].astype(np.int32)).mean() < 8


def test_a_seek_knows_the_first_size_without_decoding_it(tmp_path: Path) -> None:
    """The packet index keeps it, also the second time, when nothing of the first frames is decoded."""
    uri = write_sizes(tmp_path / "long.mkv", [(range(20), 2), (range(20, 160), 1)])
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False))
    for most in (40, 20):
        before = stage.counters.copy()
        (result,) = stage([Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray([155], np.int32))])
        assert isinstance(result, RawCrops)
        assert result.images[0].shape == (2 * HEIGHT, 2 * WIDTH, 3)
        assert read(result.images[0][::2, ::2]) == 155
        assert stage.counters.since(before).frames_decoded <= most


def test_a_picture_whose_size_changes_is_turned_after_it_was_scaled(tmp_path: Path) -> None:
    uri = write_sizes(tmp_path / "upright.mp4", [(range(10), 1), (range(10, 20), 2)])
    data = bytearray(Path(uri).read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT << 16, 0, 1 << 30)
    Path(uri).write_bytes(data)
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False))
    (result,) = stage([Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray([3, 15], np.int32))])
    assert isinstance(result, RawCrops)
    assert [image.shape for image in result.images] == [(WIDTH, HEIGHT, 3)] * 2
    assert [read(np.rot90(image)) for image in result.images] == [3, 15]


def whole_pictures(clip: Path, frames: list[int]) -> list[np.ndarray]:
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False))
    (result,) = stage([Tracklet(0, "t", video_uri=str(clip), frame_indices=np.asarray(frames, np.int32))])
    stage.close()
    assert isinstance(result, RawCrops), result
    return list(result.images)


def say_what_is_shown(clip: Path, width: int, height: int) -> None:
    """Put a box clap (ISO/IEC 14496-12, 12.1.4) into an mp4 of H.264 whose header lies behind its pictures."""
    data = bytearray(clip.read_bytes())
    clap = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    start = end = 0
    for kind, header in (
        (b"moov", 8),
        (b"trak", 8),
        (b"mdia", 8),
        (b"minf", 8),
        (b"stbl", 8),
        (b"stsd", 16),
        (b"avc1", 0),
    ):
        while (box := struct.unpack(">I4s", data[start : start + 8]))[1] != kind:
            start += box[0]
        data[start : start + 4] = struct.pack(">I", box[0] + len(clap))
        start, end = start + header, start + box[0]
    clip.write_bytes(data[:end] + clap + data[end:])


def test_pictures_are_whole_where_the_container_would_crop_them(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 4)
    say_what_is_shown(clip, WIDTH - 64, HEIGHT - 32)
    (picture,) = whole_pictures(clip, [3])
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert read(picture) == 3


def test_empty_chunks_of_avi_are_no_frames(tmp_path: Path) -> None:
    shown = [*range(20), *range(30, 50)]
    clip = write_clip(tmp_path / "gap.avi", shown, times=shown, codec="mjpeg", pix_fmt="yuvj420p")
    assert clip.read_bytes().count(b"00dc\0\0\0\0") >= 10
    assert [read(picture) for picture in whole_pictures(clip, [19, 20, 39])] == [19, 30, 49]
