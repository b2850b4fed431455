"""Flat colours come out as they went in, whatever the stream says of matrix, range, depth and transfer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from par_model.errors import FailureCode, TrackletError
from par_model.sampling import Sampling
from par_model.types import Failure, Tracklet
from par_model.video.collect import RawCrops
from par_model.video.colours import to_rgb
from par_model.video.options import DecodeOptions, Matrix
from par_model.video.stage import DecodeStage
from tests.video.footage import (
    FULL,
    LIMITED,
    LUMA,
    Colour,
    Signal,
    bt2020_of,
    flat,
    h264,
    hlg,
    levels,
    pq,
    write_flat,
)

RED, GREEN, BLUE, SKIN, WHITE, BLACK = (
    (200, 30, 30), (30, 200, 30), (30, 30, 200), (224, 172, 140), (255, 255, 255), (0, 0, 0)
)  # fmt: skip
COLOURS = (RED, GREEN, BLUE, SKIN, WHITE, BLACK)
UNSTATED = 2
FLAGS = ("colorspace", "color_range", "color_trc", "color_primaries")
HDR: dict[int, Signal] = {16: pq, 18: hlg}
BT2020 = 9


def of_255(colour: Sequence[int]) -> Colour:
    return (colour[0] / 255, colour[1] / 255, colour[2] / 255)


def flagged(frame: av.VideoFrame, matrix: int, colour_range: int, transfer: int = 2, primaries: int = 2) -> Any:
    for name, value in zip(FLAGS, (matrix, colour_range, transfer, primaries), strict=True):
        setattr(frame, name, value)
    return frame


def picture(frame: av.VideoFrame, unflagged: Matrix = "bt601") -> list[int]:
    """The colour in the middle of a frame's picture."""
    pixels = to_rgb(frame, (frame.width, frame.height), unflagged, VideoReformatter())
    assert (pixels.shape, pixels.dtype) == ((frame.height, frame.width, 3), np.uint8)
    return [int(level) for level in pixels[frame.height // 2, frame.width // 2]]


def near(found: Sequence[int], wanted: Sequence[int]) -> bool:
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 4


def shown(uri: str, frames: Sequence[int], **options: Matrix) -> list[list[int]] | Failure:
    """The colours in the middle of some frames of a file, read as a job reads them."""
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False, **options))  # type: ignore[arg-type]
    (result,) = stage([Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray(frames, np.int32))])
    if isinstance(result, Failure):
        return result
    assert isinstance(result, RawCrops)
    return [[int(level) for level in image[image.shape[0] // 2, image.shape[1] // 2]] for image in result.images]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv422p10le", "yuv444p"])
def test_matrix_range_and_depth_are_honoured_for_sd_and_hd(pix_fmt: str) -> None:
    bits = 10 if "10" in pix_fmt else 8
    for matrix, colour_range, colour in product(LUMA, (LIMITED, FULL), COLOURS):
        for size in ((64, 48),) if colour is not RED else ((64, 48), (720, 576), (1920, 1080)):
            frame = flat(levels(of_255(colour), matrix, colour_range, bits), pix_fmt, size)
            found = picture(flagged(frame, matrix, colour_range), "bt709")
            assert near(found, colour), (matrix, colour_range, size, colour, found)


@pytest.mark.parametrize("size", [(64, 48), (1920, 1080)])
@pytest.mark.parametrize("unstated", [UNSTATED, 0, 3, 18, 250])
def test_unflagged_colours_are_bt601_unless_the_user_knows_better(unstated: int, size: tuple[int, int]) -> None:
    """Reserved numbers, and RGB on a picture that is none, say nothing either (ITU-T H.264, E.2.1)."""
    for colour_range, (matrix, name) in product((LIMITED, 0), ((5, "bt601"), (1, "bt709"))):
        frame = flagged(flat(levels(of_255(RED), matrix, LIMITED, 8), size=size), unstated, colour_range)
        assert near(picture(frame, name), RED)  # type: ignore[arg-type]
    as_detectors_see_it = picture(flagged(flat(levels(of_255(RED), 1, LIMITED, 8), size=size), unstated, LIMITED))
    assert near(as_detectors_see_it, (185, 11, 31))


@pytest.mark.parametrize(("pix_fmt", "codec"), [("gray", "libx265"), ("gray", "ffv1"), ("gray10le", "ffv1")])
@pytest.mark.parametrize(("colour_range", "signals"), [(LIMITED, (16, 126, 235)), (FULL, (0, 128, 255))])
def test_monochrome_pictures_have_the_range_that_they_say(
    pix_fmt: str, codec: str, colour_range: int, signals: tuple[int, ...], tmp_path: Path
) -> None:
    step = 4 if pix_fmt == "gray10le" else 1
    frames = [flat([signal * step], pix_fmt, (70, 50)) for signal in signals]
    options = {"x265-params": "log-level=none:lossless=1"} if codec == "libx265" else {}
    found = shown(write_flat(tmp_path / "mono.mkv", frames, codec, options, color_range=colour_range), [0, 1, 2])
    assert isinstance(found, list), found
    for grey, wanted in zip(found, (0, 128, 255), strict=True):
        assert near(grey, [wanted] * 3), found


@pytest.mark.parametrize("pix_fmt", ["gbrp", "rgb24", "gray"])
@pytest.mark.parametrize("matrix", [0, 2, 3, 8])
def test_pictures_without_a_matrix_do_not_get_one(pix_fmt: str, matrix: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), SKIN, np.uint8), "rgb24").reformat(format=pix_fmt)
    wanted = SKIN if pix_fmt != "gray" else [int(frame.to_ndarray()[0, 0])] * 3
    assert near(picture(flagged(frame, matrix, FULL), "bt709"), wanted)


@pytest.mark.parametrize(
    ("matrix", "name"),
    [(8, "YCgCo"), (10, "BT.2020 constant luminance"), (11, "SMPTE ST 2085"), (12, "derived from the primaries"),
     (13, "derived from the primaries, constant luminance"), (14, "ICtCp"), (15, "IPT-C2"), (16, "YCgCo-Re"),
     (17, "YCgCo-Ro")],
)  # fmt: skip
def test_colours_that_swscale_refuses_are_named(matrix: int, name: str) -> None:
    for transfer in (1, 16):
        with pytest.raises(TrackletError) as caught:
            picture(flagged(flat((92, 115, 148)), matrix, LIMITED, transfer))
        assert caught.value.code is FailureCode.VIDEO_UNREADABLE
        assert f"(pixel format yuv420p) are flagged with the matrix {name}; convert" in caught.value.message


def test_a_pixel_format_that_swscale_refuses_is_named() -> None:
    with pytest.raises(TrackletError, match=r"pixel format gray32le\) cannot be converted") as caught:
        picture(av.VideoFrame(16, 16, "gray32le"))
    assert caught.value.code is FailureCode.VIDEO_UNREADABLE


@pytest.mark.parametrize("transfer", HDR)
def test_hdr_shows_the_colours_of_a_plain_screen(transfer: int) -> None:
    """Whatever depth, range and size; reserved and unstated primaries are those of BT.2100."""
    for bits, colour_range in product((8, 10), (LIMITED, FULL)):
        pix_fmt = "yuv420p10le" if bits == 10 else "yuv420p"
        for colour in (WHITE, RED, GREEN, BLUE, SKIN, BLACK):
            signal = HDR[transfer](bt2020_of(of_255(colour)))
            frame = flat(levels(signal, BT2020, colour_range, bits), pix_fmt)
            for primaries in (BT2020, UNSTATED, 3) if colour is RED else (BT2020,):
                found = picture(flagged(frame, BT2020, colour_range, transfer, primaries))
                # 8 bits are too few for PQ: one level more or less is up to ten, in the dark.
                assert near(found, colour) or (bits == 8 and np.abs(np.subtract(found, colour)).max() <= 10), colour
        assert near(found, BLACK)


@pytest.mark.parametrize("transfer", HDR)
def test_hdr_greys_are_monotone(transfer: int) -> None:
    signals = np.linspace(0, 1, 220)
    for colour_range in (LIMITED, FULL):
        found = [
            picture(flagged(flat(levels((s, s, s), BT2020, colour_range, 10), "yuv420p10le", (16, 16)), BT2020,
                            colour_range, transfer, BT2020))
            for s in signals
        ]  # fmt: skip
        assert all(max(levels_) - min(levels_) <= 2 for levels_ in found)
        grey = [g for _, g, _ in found]
        assert (np.diff(grey) >= 0).all()
        assert (grey[0], grey[-1]) == (0, 255)


def test_hdr_of_other_primaries_and_without_a_matrix() -> None:
    """PQ without a matrix is of BT.2020; with the primaries of BT.709 its light needs no other."""
    frame = flat(levels(pq(bt2020_of(of_255(RED))), BT2020, LIMITED, 10), "yuv420p10le")
    assert near(picture(flagged(frame, UNSTATED, LIMITED, 16, BT2020)), RED)
    light = np.asarray([((c / 255 + 0.055) / 1.055) ** 2.4 for c in RED])
    frame = flat(levels(pq(light), 1, LIMITED, 10), "yuv420p10le")
    assert near(picture(flagged(frame, 1, LIMITED, 16, 1)), RED)


@pytest.mark.parametrize("transfer", [1, 4, 6, 8, 13, 14])
def test_other_transfers_are_left_as_they_are(transfer: int) -> None:
    frame = flat(levels(of_255(RED), 1, LIMITED, 8))
    assert near(picture(flagged(frame, 1, LIMITED, transfer, 1)), RED)


# --- in files ---------------------------------------------------------------------------------------------------------


def test_flags_of_files_are_read(tmp_path: Path) -> None:
    frames = [flat(levels(of_255(RED), 1, LIMITED, 8))] * 3
    said = write_flat(tmp_path / "said.mp4", frames, "libx264", colorspace=1, color_range=LIMITED)
    assert isinstance(found := shown(said, [1]), list)
    assert near(found[0], RED)
    silent = write_flat(tmp_path / "silent.mp4", frames, "libx264")
    for matrix, colour in (("bt601", (185, 11, 31)), ("bt709", RED)):
        assert isinstance(found := shown(silent, [1], unflagged_matrix=matrix), list)  # type: ignore[arg-type]
        assert near(found[0], colour)


def test_hdr_does_not_darken_by_the_screen_that_it_was_mastered_on(tmp_path: Path) -> None:
    white = flat(levels(pq(np.ones(3)), BT2020, LIMITED, 10), "yuv420p10le")
    screen = "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(40000000,1):max-cll=1000,400"
    uri = write_flat(
        tmp_path / "hdr10.ts", [white] * 3, "libx265", {"x265-params": f"log-level=none:pools=1:hdr10=1:{screen}"},
        colorspace=BT2020, color_range=LIMITED, color_trc=16, color_primaries=BT2020,
    )  # fmt: skip
    assert isinstance(found := shown(uri, [1]), list)
    assert near(found[0], WHITE)


def test_a_refused_flag_fails_the_tracklets_that_need_its_frames_alone(tmp_path: Path) -> None:
    frames = [flat(levels(of_255(RED), 5, LIMITED, 8))] * 4
    good, bad = (h264(frames, tmp_path, colorspace=matrix) for matrix in (6, 8))
    (tmp_path / "mixed.h264").write_bytes(good + bad)
    stage = DecodeStage(None, Sampling("all"))
    wanted = [
        Tracklet(i, f"t{i}", video_uri=str(tmp_path / "mixed.h264"), frame_indices=np.asarray(indices, np.int32))
        for i, indices in enumerate([[0, 3], [2, 5]])
    ]
    sound, failure = sorted(stage(wanted), key=lambda result: result.row)
    stage.close()
    assert isinstance(sound, RawCrops)
    assert isinstance(failure, Failure)
    assert failure.code is FailureCode.VIDEO_UNREADABLE
    assert failure.message.startswith("frame 5: its colours (pixel format yuv420p) are flagged with the matrix YCgCo")
