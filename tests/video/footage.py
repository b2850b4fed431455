"""Files with several video tracks, with pictures that change their size or their range, and with flat colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.video.frame_numbers import HEIGHT, WIDTH, draw

Colour = tuple[float, float, float]
# Parts of red and blue in the luma of each matrix, by its number in ITU-T H.273, from that standard.
LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
LIMITED, FULL = 1, 2


def write_tracks(
    path: Path,
    tracks: Sequence[Sequence[int]],
    rates: Sequence[int] = (),
    options: Sequence[dict[str, str]] = (),
    times: Sequence[Sequence[int]] = (),
) -> str:
    """A file with a video track for each list of numbers that its frames show, packets in the order of their times.

    rates: frames a second of each. options: of each encoder; by default the second takes a higher bit rate. times: of
    each frame, in units of its track's rate, by default one after the other.
    """
    rates = rates or [25] * len(tracks)
    times = times or [range(len(numbers)) for numbers in tracks]
    options = options or [{"g": "10", "crf": "40" if i == 0 else "10"} for i in range(len(tracks))]
    with av.open(str(path), "w") as container:
        streams = [
            container.add_stream("libx264", rate=rate, options=opts) for rate, opts in zip(rates, options, strict=True)
        ]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.codec_context.thread_count = 1
            stream.disposition = av.stream.Disposition.default  # as recorders of several cameras write them
        for i, numbers in enumerate(zip_longest(*tracks)):
            for stream, rate, number, of_track in zip(streams, rates, numbers, times, strict=True):
                if number is not None:
                    frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
                    frame.pts, frame.time_base = of_track[i], Fraction(1, rate)
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return str(path)


def h264(pictures: Iterable[NDArray[np.uint8] | av.VideoFrame], folder: Path, **settings: Any) -> bytes:
    """A raw H.264 stream of pictures RGB, or of frames as they are, that starts with its parameters."""
    path = folder / "part.h264"
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0", "crf": "10"})
        stream.codec_context.thread_count = 1
        for i, picture in enumerate(pictures):
            frame = picture if isinstance(picture, av.VideoFrame) else av.VideoFrame.from_ndarray(picture, "rgb24")
            if i == 0:
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = frame.format.name if isinstance(picture, av.VideoFrame) else "yuv420p"
                for name, value in settings.items():
                    setattr(stream.codec_context, name, value)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def write_sizes(path: Path, parts: Sequence[tuple[Sequence[int], int]]) -> str:
    """Numbered frames, each part of them enlarged by a whole factor; one stream, whatever the container."""

    def enlarged(numbers: Sequence[int], factor: int) -> list[NDArray[np.uint8]]:
        return [draw(number).repeat(factor, 0).repeat(factor, 1) for number in numbers]

    return write_joined(path, [h264(enlarged(numbers, factor), path.parent) for numbers, factor in parts])


def write_joined(path: Path, parts: Sequence[bytes]) -> str:
    """Raw H.264 streams one after the other, as one stream of 25 frames a second, whatever the container."""
    raw = b"".join(parts)
    if path.suffix == ".h264":
        path.write_bytes(raw)
        return str(path)
    source = path.with_suffix(".joined")
    source.write_bytes(raw)
    with av.open(str(source), format="h264") as given, av.open(str(path), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        for i, packet in enumerate(packet for packet in given.demux(video=0) if packet.size):
            packet.pts = packet.dts = i
            packet.duration = 1
            packet.time_base, packet.stream = Fraction(1, 25), stream
            taken.mux(packet)
    return str(path)


def levels(colour: Colour, matrix: int, colour_range: int, bits: int) -> tuple[int, int, int]:
    """Y, U and V of a colour R, G, B from 0 to 1, as ITU-T H.273 says."""
    red, blue = LUMA[matrix]
    y = red * colour[0] + (1 - red - blue) * colour[1] + blue * colour[2]
    u, v = (colour[2] - y) / (2 * (1 - blue)), (colour[0] - y) / (2 * (1 - red))
    step, most = 1 << (bits - 8), (1 << bits) - 1
    if colour_range == FULL:
        return round(y * most), round(u * most) + 128 * step, round(v * most) + 128 * step
    return round((16 + 219 * y) * step), round((128 + 224 * u) * step), round((128 + 224 * v) * step)


def flat(yuv: Sequence[int], pix_fmt: str = "yuv420p", size: tuple[int, int] = (64, 64)) -> av.VideoFrame:
    """A frame of one colour."""
    frame = av.VideoFrame(*size, pix_fmt)
    kind = np.uint16 if "10" in pix_fmt else np.uint8
    for plane, value in zip(frame.planes, yuv, strict=True):
        np.frombuffer(memoryview(plane), kind)[:] = value
    return frame


def write_flat(
    path: Path, frames: Sequence[av.VideoFrame], codec: str, options: dict[str, str] | None = None, **flags: int
) -> str:
    """A file of frames as they are. flags: colorspace, color_range, color_trc, color_primaries, as numbers."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.codec_context.thread_count = 1
        for name, value in flags.items():
            setattr(stream.codec_context, name, value)
        for i, frame in enumerate(frames):
            for name, value in flags.items():
                setattr(frame, name, value)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def bt2020_of(colour: Colour) -> NDArray[np.float64]:
    """Linear light in BT.2020 of a colour of sRGB, from the chromaticities of both (BT.2020, IEC 61966-2-1)."""
    signal = np.asarray(colour)
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return np.asarray(
        np.linalg.solve(
            _to_xyz(0.708, 0.292, 0.170, 0.797, 0.131, 0.046), _to_xyz(0.64, 0.33, 0.30, 0.60, 0.15, 0.06) @ light
        )
    )


def _to_xyz(*chromaticities: float) -> NDArray[np.float64]:
    white = np.array([0.3127, 0.3290, 1 - 0.3127 - 0.3290]) / 0.3290
    columns = np.array([[x, y, 1 - x - y] for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True)]).T
    return np.asarray(columns * np.linalg.solve(columns, white))


def pq(light: NDArray[np.float64]) -> Colour:
    """SMPTE ST 2084: the signals of light in which 1 is white, 203 cd/m2 (BT.2408)."""
    root = (np.asarray(light).clip(0) * 203 / 10_000) ** (2610 / 16384)
    found = ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)
    return tuple(found.tolist())


def hlg(light: NDArray[np.float64]) -> Colour:
    """BT.2100: the signals of light on a screen of 1000 cd/m2, in which 1 is white, 203 cd/m2."""
    shown = np.asarray(light).clip(0) * 0.203
    luminance = max(float(shown @ [0.2627, 0.6780, 0.0593]), 1e-9)
    scene = shown * luminance ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    found = np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)
    return tuple(found.tolist())


Signal = Callable[[NDArray[np.float64]], Colour]
