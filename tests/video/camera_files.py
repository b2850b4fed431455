"""Files as cameras and recorders write them, in forms that no muxer of FFmpeg makes, each from its definition.

Pictures are those of a clip whose frames show their numbers.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import av

from tests.video.frame_numbers import HEIGHT, WIDTH, write_clip

FRAMES = 40
_H264: dict[str, Any] = {
    "options": {"g": "20", "bf": "0", "x264-params": "annexb=1:repeat-headers=1"},
    "format": "h264",
}
_HEVC: dict[str, Any] = {
    "codec": "libx265",
    "options": {"x265-params": "log-level=none:pools=1:keyint=20:bframes=0:repeat-headers=1"},
    "format": "hevc",
}
_MPEG4: dict[str, Any] = {"codec": "mpeg4", "options": {"g": "20", "bf": "0"}, "bit_rate": 4_000_000, "format": "m4v"}
_MJPEG: dict[str, Any] = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "bit_rate": 8_000_000, "format": "mjpeg"}


def _pictures(path: Path, **settings: Any) -> list[bytes]:
    """The packets of a bare stream, a picture each, the first with its headers."""
    bare = write_clip(path.with_name(f"{path.name}.bare"), FRAMES, **settings)
    with av.open(str(bare)) as container:
        found = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert len(found) == FRAMES
    return found


def hxvs(path: Path, *, hevc: bool = False) -> Path:
    """HXVS, HXVT (.264, .265): each NAL unit with a header of its own, after a header of the file."""
    tag = b"HXVT" if hevc else b"HXVS"
    parts = [struct.pack("<4sII4x", tag, WIDTH, HEIGHT)]
    for number, picture in enumerate(_pictures(path, **(_HEVC if hevc else _H264))):
        for unit in re.split(b"(?=\0\0\0\1)", picture.replace(b"\0\0\0\1", b"\0\0\1").replace(b"\0\0\1", b"\0\0\0\1")):
            if unit:
                parts.append(struct.pack("<4sIII", b"HXVF", len(unit), 40 * number, number % 20 == 0) + unit)
    path.write_bytes(b"".join(parts))
    return path


def luodat(path: Path) -> Path:
    """CCTV's .dat: 8 KiB of header, then packets of H.264 with 128 bytes of header each."""
    parts = [b"luo ".ljust(0x1FFC, b"\0") + b" oul"]
    for number, picture in enumerate(_pictures(path, **_H264)):
        head = struct.pack(
            "<4sIIII16xI4xI4xQI", b"liu ", 1, WIDTH, HEIGHT, 25, number % 20 == 0, 0, number, len(picture)
        )
        parts.append(head.ljust(124, b"\0") + b" uil" + picture)
    path.write_bytes(b"".join(parts))
    return path


def multipart(path: Path, *, with_lengths: bool = True, closed: bool = False) -> Path:
    """What a camera's HTTP server sends as multipart/x-mixed-replace: RFC 2046, 5.1."""
    parts = []
    for picture in _pictures(path, **_MJPEG):
        length = f"Content-Length: {len(picture)}\r\n" if with_lengths else ""
        parts.append(f"--camera\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + picture + b"\r\n")
    path.write_bytes(b"".join(parts) + (b"--camera--\r\n" if closed else b""))
    return path


def nc(path: Path) -> Path:
    """The NC camera feed: MPEG-4 pictures, each after 16 bytes that tell its size."""
    parts = [b"\0\0\1\xa5\0" + struct.pack("<H9x", len(picture)) + picture for picture in _pictures(path, **_MPEG4)]
    path.write_bytes(b"".join(parts))
    return path


def iv8(path: Path) -> Path:
    """IndigoVision 8000: MPEG-4 pictures in pieces, each after a length and twelve bytes as RTP has them."""
    parts, sequence, largest = [], 0, 0x3B8 - 12
    for number, picture in enumerate(_pictures(path, **_MPEG4)):
        pieces = [picture[i : i + largest] for i in range(0, len(picture), largest)]
        for piece in pieces:
            is_last = piece is pieces[-1]
            parts.append(struct.pack(">HHBBHII", 257, len(piece) + 12, 0x80, 0xE0 if is_last else 0x60, sequence,
                                     3600 * number, 0x6A13E388) + piece)  # fmt: skip
            sequence += 1
    path.write_bytes(b"".join(parts))
    return path


def ingenient(path: Path) -> Path:
    """Ingenient: JPEG pictures, each after 48 bytes that tell its size."""
    parts = []
    for picture in _pictures(path, **_MJPEG):
        head = struct.pack("<4sIHH4xI6x", b"MJPG", len(picture), WIDTH, HEIGHT, len(picture))
        parts.append(head + b"2026-11-28 09:00:00.00" + picture)
    path.write_bytes(b"".join(parts))
    return path


def pva(path: Path, *, first: int) -> Path:
    """PVA of a television card: MPEG-2 pictures with a header of 8 bytes and a time each, from picture ``first`` on."""
    pictures = _pictures(path, codec="mpeg2video", options={"g": "20", "bf": "0"}, bit_rate=2_000_000,
                         format="mpeg2video")  # fmt: skip
    parts = []
    for number, picture in enumerate(pictures[first:], first):
        assert len(picture) < 6000
        head = struct.pack(">2sBBBBHI", b"AV", 1, number % 256, 0x55, 0x10, 4 + len(picture), 3600 * number)
        parts.append(head + picture)
    path.write_bytes(b"".join(parts))
    return path


def dhav(path: Path, *, without: int | None = None) -> Path:
    """DHAV (.dav): each picture of H.264 between a header and its length again; one may be left out."""
    parts = []
    for number, picture in enumerate(_pictures(path, **_H264)):
        is_key = number % 20 == 0
        more = struct.pack("<BBBBBBBBHH", 0x81, 0, 2, 25, 0x82, 0, 0, 0, WIDTH, HEIGHT) if is_key else b""
        length = 24 + len(more) + len(picture) + 8
        date = 26 << 26 | 11 << 22 | 28 << 17 | 9 << 12 | number // 25
        head = struct.pack("<4sBBBBIIIHBB", b"DHAV", 0xFD if is_key else 0xFC, 0, 0, 0, number, length, date,
                           40 * (number % 25), len(more), 0)  # fmt: skip
        if number != without:
            parts.append(head + more + picture + b"dhav" + struct.pack("<I", length))
    path.write_bytes(b"".join(parts))
    return path
