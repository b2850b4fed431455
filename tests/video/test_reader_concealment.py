"""Damage that FFmpeg passes over or conceals: no frame that it makes up or miscounts is taken for a sound one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from par_model.errors import FailureCode
from par_model.types import RawCrops
from tests.video.damaged_files import (
    FASTSTART,
    FRAMES,
    H264,
    MPEG2,
    MPEG4,
    VP8_OGG,
    VP9,
    WMV2,
    one_by_one,
    read_each,
    whole_file,
)

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


def spoil_content(data: bytearray, place: int, size: int, draw: np.random.Generator) -> None:
    """One bit, or some bytes, of a packet are others; its start, which names its kind, is as it was."""
    at = place + int(draw.integers(min(8, size - 1), size))
    length = min(int(draw.integers(1, 40)), place + size - at)
    match draw.integers(3):
        case 0:
            data[at] ^= 1 << int(draw.integers(8))
        case 1:
            data[at : at + length] = bytes(length)
        case _:
            data[at : at + length] = bytes(draw.integers(256, size=length, dtype=np.uint8))


def plain_pictures(uri: str) -> list[Picture]:
    with av.open(uri) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def strictly_refused(uri: str) -> int | None:
    """The first packet that a decoder refuses which was told to make nothing up, None if there is none."""
    with av.open(uri) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"err_detect": "explode"}
        for number, packet in enumerate(container.demux(stream)):
            try:
                packet.decode()
            except av.error.InvalidDataError:
                return number
    return None


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("h264.mp4", FASTSTART),
        ("h264-cavlc.mkv", {"options": H264["options"] | {"coder": "0"}}),
        ("h264.flv", H264),
        ("mpeg4.avi", MPEG4),
        ("mpeg4-b.mp4", MPEG4 | {"options": {"g": "20", "bf": "2"}}),
        ("mpeg2.mkv", MPEG2),
        ("ffv1.mkv", {"codec": "ffv1"}),
    ],
)
def test_what_a_decoder_makes_up_is_never_passed_off_as_sound(
    name: str, settings: dict[str, Any], folder: Path
) -> None:
    """FFmpeg fills what it cannot decode from other pictures, and gives that as a frame like any other."""
    whole = whole_file(folder, name, settings)
    sound = plain_pictures(str(whole))
    with av.open(str(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    times = sorted(packet.pts for packet in packets if packet.pts is not None)
    shown = [times.index(packet.pts) for packet in packets if packet.pts is not None]
    made_up = 0
    for seed in range(16):
        draw = np.random.default_rng(seed)
        number = int(draw.integers(FRAMES - 5))
        hit = packets[number]
        assert hit.pos is not None
        data = bytearray(whole.read_bytes())
        spoil_content(data, hit.pos, hit.size, draw)
        path = folder / f"content-{seed}-{name}"
        path.write_bytes(data)
        refused = number if name.startswith("ffv1") else strictly_refused(str(path))  # FFV1 has checksums
        if refused is None:
            continue  # it decodes without an error: nothing tells it from what was encoded
        made_up += 1
        for result in read_each(str(path), "fail"):
            if isinstance(result, RawCrops) and result.row in shown[refused:]:
                assert np.array_equal(result.images[0], sound[result.row]), (seed, result.row)
    assert made_up >= 5


def spoil_headers(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Some bytes of a packet's header, or just before it, are others."""
    place = places[int(draw.integers(10, FRAMES - 5))]
    for _ in range(int(draw.integers(1, 12))):
        data[place - int(draw.integers(-6, 24))] = int(draw.integers(256))


def spoil_cluster(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Some bytes of the header of a Matroska cluster are others."""
    clusters = [match.start() for match in re.finditer(b"\x1f\x43\xb6\x75", data)]
    for _ in range(int(draw.integers(1, 6))):
        data[clusters[int(draw.integers(len(clusters)))] + int(draw.integers(16))] = int(draw.integers(256))


def lose_packets(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Bytes are missing, of one frame or of several."""
    place = places[int(draw.integers(10, FRAMES - 5))]
    del data[place : place + int(draw.integers(1, 3000))]


def spoil_anywhere(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Some bytes are others, wherever they are."""
    place = int(draw.integers(places[10], len(data) - 200))
    length = int(draw.integers(1, 60))
    data[place : place + length] = bytes(draw.integers(256, size=length, dtype=np.uint8))


@pytest.mark.parametrize(
    ("name", "settings", "spoil"),
    [
        ("h264.mkv", H264, spoil_headers),
        ("h264.mkv", H264, spoil_cluster),
        ("vp9.webm", VP9, spoil_headers),
        ("vp9.webm", VP9, spoil_cluster),
        ("h264.flv", H264, spoil_headers),
        ("h264.ts", H264, lose_packets),
        ("h264.ts", H264, spoil_anywhere),
        ("vp8.ogg", VP8_OGG, lose_packets),
        ("vp8.ogg", VP8_OGG, spoil_anywhere),
        ("wmv2.asf", WMV2, lose_packets),
        ("mpeg2.mxf", MPEG2, lose_packets),
        ("mpeg2.mxf", MPEG2, spoil_anywhere),
    ],
)
def test_frames_that_a_demuxer_passes_over_are_never_miscounted(
    name: str, settings: dict[str, Any], spoil: Callable[..., None], folder: Path
) -> None:
    whole = whole_file(folder, name, settings)
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    failures = 0
    for seed in range(10):
        data = bytearray(whole.read_bytes())
        spoil(data, places, np.random.default_rng(seed))
        path = folder / f"{spoil.__name__}-{seed}-{name}"
        path.write_bytes(data)
        found = one_by_one(str(path), "fail")
        assert {k: shown for k, shown in found.items() if shown != k and not isinstance(shown, FailureCode)} == {}, seed
        failures += any(isinstance(shown, FailureCode) for shown in found.values())
    assert failures >= 4
