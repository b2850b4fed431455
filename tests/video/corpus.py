"""Files of many containers and codecs whose frames show their own numbers.

Each case says how its file is made and, where that is known beforehand, which numbers its frames show in order. What
the encoders in PyAV's wheel cannot make, Debian's ffmpeg makes; without it such a case is skipped.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.video.frame_numbers import write_clip

FRAMES = 75
ALL = tuple(range(FRAMES))


Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A file of the corpus.

    numbers: what its frames show; None where only a plain decoder can tell. upright: undoes what the display matrix
    does, so that the number can be read.
    """

    name: str
    make: Callable[[Path], object]
    numbers: tuple[int, ...] | None = ALL
    needs_ffmpeg: bool = False
    upright: Callable[[Picture], Picture] = lambda picture: picture

    def __str__(self) -> str:
        return self.name


def encoded(name: str, codec: str = "libx264", numbers: tuple[int, ...] = ALL, **settings: Any) -> Case:
    """A case that PyAV encodes."""
    return Case(name, lambda path: write_clip(path, numbers, codec=codec, **settings), numbers)


def x264(name: str, **options: str) -> Case:
    settings = {"g": "20", "bf": "2", "sc_threshold": "0"} | {k.replace("_", "-"): v for k, v in options.items()}
    return encoded(name, options=settings)


def remuxed(name: str, change: Callable[[int, av.Packet], av.Packet | None], source: dict[str, str], **kw: Any) -> Case:
    """An H.264 clip whose packets are dropped or changed one by one while they are copied to another container."""

    def make(path: Path) -> None:
        whole = write_clip(path.with_name(f"{path.stem}-source.mp4"), FRAMES, options=source)
        with av.open(str(whole)) as given, av.open(str(path), "w") as taken:
            stream = taken.add_stream_from_template(given.streams.video[0])
            for i, packet in enumerate(given.demux(video=0)):
                changed = change(i, packet) if packet.size else None
                if changed is not None:
                    changed.stream = stream
                    taken.mux(changed)

    return Case(name, make, **kw)


def ffmpeg(name: str, *arguments: str, source: str = "mp4", **settings: Any) -> Case:
    """A numbered clip (of PyAV) that goes through Debian's ffmpeg. ``{input}`` and ``{output}`` in arguments."""
    numbers = settings.pop("expected", ALL)

    def make(path: Path) -> None:
        given = write_clip(path.with_name(f"{path.stem}-source.{source}"), FRAMES, **settings)
        places = {"input": str(given), "output": str(path)}
        command = ["ffmpeg", "-v", "error", "-y", *(a.format(**places) for a in arguments)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    return Case(name, make, numbers, needs_ffmpeg=True)


def turned(name: str, *matrix: int, upright: Callable[[Picture], Picture]) -> Case:
    """An mp4 whose display matrix (first two columns of three rows, in units) turns or mirrors the picture.

    Displayed x = a x + c y + tx and y = b x + d y + ty, as ISO/IEC 14496-12 says.
    """

    def make(path: Path) -> None:
        write_clip(path, FRAMES)
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd") + 44
        a, b, c, d, x, y = (value << 16 for value in matrix)
        data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, x, y, 1 << 30)
        path.write_bytes(data)

    return Case(name, make, upright=upright)


def _cut_start(source: Path, path: Path, packets: int) -> None:
    """Leave out whole MPEG-TS packets from the start, so that the stream begins in the middle of a group."""
    data = source.read_bytes()
    path.write_bytes(data[packets * 188 :])


def mid_group_ts(path: Path) -> None:
    source = write_clip(path.with_name(f"{path.stem}-source.ts"), FRAMES, options=GOP)
    _cut_start(source, path, source.stat().st_size // 188 // 8)


def variable_times(step: Iterable[int] = (1, 1, 4, 2, 9)) -> list[int]:
    steps = list(step)
    times = [0]
    for i in range(FRAMES - 1):
        times.append(times[-1] + steps[i % len(steps)])
    return times


GOP = {"g": "20", "bf": "2", "sc_threshold": "0"}
NO_B = {"g": "20", "bf": "0"}
OPEN = {"g": "20", "bf": "3", "sc_threshold": "0", "x264-params": "open-gop=1:b-pyramid=normal"}
X265 = {"g": "20", "x265-params": "log-level=none:pools=1:keyint=20:open-gop=0"}
X265_OPEN = {"g": "20", "x265-params": "log-level=none:pools=1:keyint=20:open-gop=1:bframes=4"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def shifted(by: int) -> Callable[[int, av.Packet], av.Packet]:
    def change(_: int, packet: av.Packet) -> av.Packet:
        assert packet.pts is not None
        assert packet.dts is not None
        packet.pts, packet.dts = packet.pts + by, packet.dts + by
        return packet

    return change


CASES = [
    x264("h264.mp4"),
    x264("h264.mov"),
    x264("h264.mkv"),
    x264("h264.avi"),
    x264("h264.flv"),
    x264("h264.ts"),
    x264("h264-one-key.mp4", g="1000"),
    x264("h264-all-keys.mp4", g="1"),
    x264("h264-b-pyramid.mkv", bf="5", **{"x264-params": "b-pyramid=normal:ref=4"}),
    encoded("h264-no-b.mp4", options=NO_B),
    encoded("h264-no-b.avi", options=NO_B),
    encoded("h264-open.mp4", options=OPEN),
    encoded("h264-open.mkv", options=OPEN),
    encoded("h264-open.avi", options=OPEN),
    encoded("h264-open.ts", options=OPEN),
    encoded("h264-intra-refresh.mp4", options={"g": "20", "bf": "0", "x264-params": "intra-refresh=1"}),
    encoded("h264-intra-refresh.mkv", options={"g": "20", "bf": "0", "x264-params": "intra-refresh=1"}),
    encoded("h264-intra-refresh.ts", options={"g": "20", "bf": "0", "x264-params": "intra-refresh=1"}),
    encoded("h264-interlaced.mp4", options=GOP | {"x264-params": "interlaced=1"}),
    encoded("h264-interlaced.ts", options=GOP | {"x264-params": "interlaced=1"}),
    encoded("h264-10-bit.mkv", options=GOP, pix_fmt="yuv420p10le"),
    encoded("h264-444-odd-size.mp4", options=GOP, pix_fmt="yuv444p", size=(257, 99)),
    encoded("h264-fragmented.mp4", options=GOP, container_options=FRAGMENTED),
    encoded("h264-fragmented-one-key.mp4", options=GOP | {"g": "1000"}, container_options={
        "movflags": "frag_every_frame+empty_moov+default_base_moof"}),
    encoded("h264-variable-rate.mp4", options=GOP, times=variable_times()),
    encoded("h264-variable-rate.mkv", options=GOP, times=variable_times((1, 7))),
    encoded("h264-raw.h264", options=GOP, format="h264"),
    encoded("hevc.mp4", "libx265", options=X265),
    encoded("hevc-open.mp4", "libx265", options=X265_OPEN),
    encoded("hevc-open.mkv", "libx265", options=X265_OPEN),
    encoded("hevc-10-bit.ts", "libx265", options=X265, pix_fmt="yuv420p10le"),
    encoded("vp8.webm", "libvpx", options={"g": "20", "deadline": "realtime", "cpu-used": "8"}),
    encoded("vp8-odd-size.webm", "libvpx", options={"g": "20", "deadline": "realtime"}, size=(257, 99)),
    encoded("vp9.webm", "libvpx-vp9", options={"g": "20", "deadline": "realtime", "cpu-used": "8"}),
    encoded("vp9.mp4", "libvpx-vp9", options={"g": "20", "deadline": "realtime", "cpu-used": "8"}),
    encoded("vp9-alt-ref.webm", "libvpx-vp9", options={
        "g": "30", "deadline": "good", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16", "b": "300k"}),
    encoded("vp9.ivf", "libvpx-vp9", options={"g": "20", "deadline": "realtime", "cpu-used": "8"}),
    encoded("av1.mp4", "libsvtav1", options={"g": "20", "preset": "12", "svtav1-params": "lp=1"}),
    encoded("av1.mkv", "libsvtav1", options={"g": "20", "preset": "12", "svtav1-params": "lp=1"}),
    encoded("mpeg4.avi", "mpeg4", options={"g": "20", "bf": "0", "q:v": "3"}),
    encoded("mpeg4-b.avi", "mpeg4", options={"g": "20", "bf": "2"}, bit_rate=2_000_000),
    encoded("mpeg4-b.mp4", "mpeg4", options={"g": "20", "bf": "2"}, bit_rate=2_000_000),
    encoded("xvid.avi", "mpeg4", options={"g": "20", "bf": "2"}, bit_rate=2_000_000, codec_tag="XVID"),
    encoded("msmpeg4.avi", "msmpeg4v3", options={"g": "20"}, bit_rate=2_000_000),
    encoded("wmv2.asf", "wmv2", options={"g": "20"}, bit_rate=2_000_000),
    encoded("sorenson.flv", "flv", options={"g": "20"}, bit_rate=2_000_000),
    encoded("mjpeg.avi", "mjpeg", pix_fmt="yuvj420p", bit_rate=8_000_000),
    encoded("mjpeg.mov", "mjpeg", pix_fmt="yuvj420p", bit_rate=8_000_000),
    encoded("ffv1.mkv", "ffv1"),
    encoded("mpeg2.ps", "mpeg2video", options={"g": "15", "bf": "2"}, bit_rate=3_000_000, format="vob"),
    encoded("mpeg2-open.ts", "mpeg2video", options={"g": "15", "bf": "2", "flags": "-cgop"}, bit_rate=3_000_000),
    encoded("mpeg2-interlaced.mpg", "mpeg2video", options={"g": "15", "bf": "2", "flags": "+ilme+ildct"},
            bit_rate=3_000_000, format="mpeg"),
    encoded("mpeg1.mpg", "mpeg1video", options={"g": "15", "bf": "2"}, bit_rate=3_000_000, format="mpeg"),
    remuxed("start-late.mkv", shifted(90_000), GOP, numbers=ALL),
    remuxed("start-late.mp4", shifted(90_000), GOP, numbers=ALL),
    remuxed("start-late.ts", shifted(90_000), GOP, numbers=ALL),
    remuxed("mid-group.mkv", lambda i, p: p if i >= 7 else None, GOP, numbers=None),
    remuxed("mid-group.mp4", lambda i, p: p if i >= 7 else None, GOP, numbers=None),
    remuxed("mid-group-open.mkv", lambda i, p: p if i >= 20 else None, OPEN, numbers=None),
    Case("mid-group.ts", mid_group_ts, None),
    turned("turned-90.mp4", 0, 1, -1, 0, 96, 0, upright=np.rot90),
    turned("turned-180.mp4", -1, 0, 0, -1, 256, 96, upright=lambda p: p[::-1, ::-1]),
    turned("turned-270.mp4", 0, -1, 1, 0, 0, 256, upright=lambda p: np.rot90(p, -1)),
    turned("mirrored.mp4", -1, 0, 0, 1, 256, 0, upright=lambda p: p[:, ::-1]),
    ffmpeg("edit-list.mp4", "-ss", "1.3", "-i", "{input}", "-c", "copy", "{output}", options=GOP, expected=None),
    ffmpeg("edit-list-open.mp4", "-ss", "1.3", "-i", "{input}", "-c", "copy", "{output}", options=OPEN, expected=None),
    ffmpeg("negative-start.mov", "-i", "{input}", "-c", "copy", "-output_ts_offset", "-0.2", "{output}", options=GOP,
           expected=None),
    ffmpeg("packed-b.avi", "-i", "{input}", "-c:v", "libxvid", "-bf", "2", "-g", "20", "-q:v", "3", "{output}",
           options=GOP, expected=None),
    ffmpeg("theora.ogv", "-i", "{input}", "-c:v", "libtheora", "-g", "20", "-q:v", "9", "{output}", options=GOP),
    ffmpeg("with-sound.mp4", "-i", "{input}", "-f", "lavfi", "-i", "sine=d=3", "-c:v", "copy", "-shortest", "{output}",
           options=GOP),
    ffmpeg("with-sound.ts", "-i", "{input}", "-f", "lavfi", "-i", "sine=d=3", "-c:v", "copy", "{output}", options=GOP),
    ffmpeg("mxf.mxf", "-i", "{input}", "-c:v", "mpeg2video", "-b:v", "3M", "-g", "12", "-bf", "2", "{output}",
           options=GOP),
    ffmpeg("field-pictures.ts", "-i", "{input}", "-c:v", "mpeg2video", "-b:v", "3M", "-flags", "+ilme+ildct", "-top",
           "1", "{output}", options=GOP),
]  # fmt: skip


def make(case: Case, folder: Path) -> Path:
    """The case's file in a folder, made once. Raises FileNotFoundError where ffmpeg is needed and absent."""
    path = folder / case.name
    if not path.exists():
        if case.needs_ffmpeg and shutil.which("ffmpeg") is None:
            raise FileNotFoundError("ffmpeg")
        case.make(path)
    return path
