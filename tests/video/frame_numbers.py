"""Clips whose every frame shows its own number, so that the true index can be read off any decoded picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 256, 96
_BITS = 12
_BLOCK = 16


def draw(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A picture RGB uint8 [height, width, 3]: the number as black and white blocks on top, something moving below."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    picture = np.stack([(columns + 3 * number) % 256, (2 * rows + number) % 256, (columns + rows) % 256], axis=2)
    for bit in range(_BITS):
        block = picture[: 2 * _BLOCK, bit * _BLOCK : (bit + 1) * _BLOCK]
        block[:] = 235 if number >> bit & 1 else 16
    # A 13th block of parity tells a torn picture from a whole one.
    picture[: 2 * _BLOCK, _BITS * _BLOCK : (_BITS + 1) * _BLOCK] = 235 if number.bit_count() % 2 else 16
    return picture.astype(np.uint8)


def read(picture: NDArray[np.uint8]) -> int:
    """The number that a decoded picture shows, -1 if it shows none."""
    blocks = picture[4 : 2 * _BLOCK - 4].mean(axis=(0, 2))
    bits = [blocks[i * _BLOCK + 4 : (i + 1) * _BLOCK - 4].mean() for i in range(_BITS + 1)]
    if any(80 < bit < 170 for bit in bits):
        return -1
    values = [bit > 127 for bit in bits]
    number = sum(1 << i for i, value in enumerate(values[:_BITS]) if value)
    return number if values[_BITS] == bool(number.bit_count() % 2) else -1


def write_clip(
    path: Path,
    numbers: int | Iterable[int] = 60,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rate: int = 25,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    container_options: dict[str, str] | None = None,
    format: str | None = None,
    **codec_settings: Any,
) -> Path:
    """Encode numbered frames into a file. times: each frame's time in 1/rate s, for variable frame rates."""
    width, height = size
    with av.open(str(path), "w", format=format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.options = options or {}
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        for name, value in codec_settings.items():
            setattr(stream.codec_context, name, value)
        for i, number in enumerate(range(numbers) if isinstance(numbers, int) else numbers):
            frame = av.VideoFrame.from_ndarray(draw(number, width, height), format="rgb24")
            frame.pts = times[i] if times is not None else i
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
