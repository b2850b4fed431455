"""Files that are damaged in known ways, and reading each of their frames alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Failure, RawCrops, Tracklet
from par_model.video.collect import Decoded
from par_model.video.options import Damaged, DecodeOptions
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import read, write_clip

FRAMES = 75
HIT = 42  # in decode order
SOUND = 30
H264: dict[str, Any] = {"options": {"g": "20", "bf": "2", "sc_threshold": "0"}}
FASTSTART = H264 | {"container_options": {"movflags": "faststart"}}
FRAGMENTED = H264 | {"container_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}}
HEVC: dict[str, Any] = {"codec": "libx265", "options": {"x265-params": "log-level=none:pools=1:keyint=20"}}
VP9: dict[str, Any] = {"codec": "libvpx-vp9", "options": {"g": "20", "deadline": "realtime", "cpu-used": "8"}}
VP8_OGG: dict[str, Any] = {
    "codec": "libvpx",
    "options": VP9["options"],
    "container_options": {"page_duration": "160000"},  # four frames a page
}
MPEG4: dict[str, Any] = {"codec": "mpeg4", "options": {"g": "20"}, "bit_rate": 2_000_000}
MJPEG: dict[str, Any] = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "bit_rate": 8_000_000}
MPEG2: dict[str, Any] = {"codec": "mpeg2video", "options": {"g": "15", "bf": "2"}, "bit_rate": 3_000_000}
WMV2: dict[str, Any] = {"codec": "wmv2", "options": {"g": "20"}, "bit_rate": 2_000_000}

Damage = Callable[[bytearray, int, int], None]


def flip(data: bytearray, position: int, size: int) -> None:
    """Some bits of a packet are wrong."""
    for i in range(position + size // 4 + 8, position + size // 4 + 30):
        data[i] ^= 0x5A


def erase(data: bytearray, position: int, size: int) -> None:
    """A packet is overwritten with zeros."""
    data[position + 8 : position + size] = bytes(size - 8)


def cut(data: bytearray, position: int, size: int) -> None:
    """The file ends in the middle of a packet, as while it is being written."""
    del data[position + size // 2 :]


def punch(data: bytearray, position: int, size: int) -> None:
    """Bytes are missing in the middle."""
    del data[position + 10 : position + size + 200]


def garble(data: bytearray, position: int, size: int) -> None:
    """The header before a packet is wrong."""
    for i in range(position - 8, position):
        data[i] ^= 0x5A


def misname(data: bytearray, position: int, size: int) -> None:
    """One bit before a packet is wrong."""
    data[position - 1] ^= 0x40


def blank(data: bytearray, position: int, size: int) -> None:
    """The header before a packet, and its start, are overwritten with zeros."""
    data[position - 12 : position + 20] = bytes(32)


def drop(data: bytearray, position: int, size: int) -> None:
    """Bytes around a packet's header are missing."""
    del data[position - 20 : position + 44]


def whole_file(folder: Path, name: str, settings: dict[str, Any]) -> Path:
    """The sound clip, made once."""
    path = folder / name
    return path if path.exists() else write_clip(path, FRAMES, **settings)


def damaged_file(folder: Path, name: str, settings: dict[str, Any], damage: Damage) -> str:
    whole = whole_file(folder, name, settings)
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        position, size = packets[HIT].pos, packets[HIT].size
    data = bytearray(whole.read_bytes())
    if position is None:  # packets of MPEG-PS lie anywhere in its packs
        position = len(data) // 2
    damage(data, position, size)
    path = folder / f"{damage.__name__}-{name}"
    path.write_bytes(data)
    return str(path)


def read_each(uri: str, damaged: Damaged, frames: Iterable[int] = range(FRAMES)) -> Iterator[Decoded]:
    """A tracklet of each frame alone, all read together."""
    wanted = [Tracklet(k, f"t{k}", video_uri=uri, frame_indices=np.asarray([k], np.int32)) for k in frames]
    return DecodeStage(None, Sampling("all"), DecodeOptions(damaged=damaged, isolate=False))(wanted)


def one_by_one(uri: str, damaged: Damaged, frames: Iterable[int] = range(FRAMES)) -> dict[int, int | FailureCode]:
    """For each frame what a tracklet of it alone shows, or its failure. All are read together."""
    found: dict[int, int | FailureCode] = {}
    for result in read_each(uri, damaged, frames):
        if isinstance(result, Failure):
            found[result.row] = result.code
            assert "frame" in result.message or "no video" in result.message, result.message
        else:
            assert isinstance(result, RawCrops)
            found[result.row] = read(result.images[0])
    return found
