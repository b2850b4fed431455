"""Videos whose every crop shows the number of its frame, for benchmarks.peers, and the counting of right crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE, SECONDS = 1280, 720, 25, 60
FRAMES = RATE * SECONDS
TOP, STRIPE, BITS = 288, 16, 11
_WARM_UP = 50  # frames

Picture = NDArray[np.uint8]


def draw_number(picture: Picture, number: int) -> None:
    """Draw a number into a picture uint8 [H, W, 3]: stripes from side to side, which any box shows.

    It is in Gray code, so that one stripe changes from frame to frame: the file stays about as small as without, and a
    blend of two frames shows no number.
    """
    code = number ^ number >> 1
    for bit in range(BITS):
        picture[TOP + bit * STRIPE : TOP + (bit + 1) * STRIPE] = 235 if code >> bit & 1 else 16


def read_number(crop: Picture, top: float, height: float) -> int:
    """The number that a crop [h, w, 3], fitted to any size, shows; -1 if none.

    top, height: of its box, in pixels of the picture.
    """
    scale = len(crop) / height
    code = 0
    for bit in range(BITS):
        begin = TOP + bit * STRIPE - top
        stripe = crop[round((begin + 4) * scale) : round((begin + STRIPE - 4) * scale)]
        brightness = float(stripe.mean()) if stripe.size else 127.0
        if 80 < brightness < 170:
            return -1
        code |= (brightness > 127) << bit
    number = 0
    while code:
        number ^= code
        code >>= 1
    return number


def right_crops(crops: Picture, claimed: Sequence[int], box: Sequence[float]) -> int:
    """How many crops [n, H, W, 3] of one box (left, top, width, height) show the frame that they are said to be of."""
    shown = [read_number(crop, box[1], box[3]) for crop in crops]
    return sum(number == frame for number, frame in zip(shown, claimed, strict=True))


def quiet(path: Path, frames: int = FRAMES) -> Path:
    """A background that drifts, with rectangles that walk: the pictures of benchmarks.frames."""
    return _encode(path, _street(frames), list(range(0, 40 * frames, 40)))


def noisy(path: Path, frames: int = FRAMES) -> Path:
    """The same, with the grain of a sensor at night."""
    return _encode(path, _grained(frames), list(range(0, 40 * frames, 40)))


def variable(path: Path, frames: int = FRAMES) -> Path:
    """The same at a rate that wavers, and is half as high from the middle on, as cameras' is in the dark."""
    steps = [(1 + (k > frames // 2)) * (30, 45, 40, 35, 50)[k % 5] for k in range(1, frames)]
    return _encode(path, _street(frames), [0, *np.cumsum(steps).tolist()], bf="3")


FILES: dict[str, tuple[str, Callable[..., Path]]] = {
    "quiet": ("mp4", quiet),
    "noisy": ("mp4", noisy),
    "variable rate": ("mkv", variable),
}


def render_all(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Of each kind of file, a clip of two seconds to warm up with, and the file."""
    made = {}
    for name, (ending, render) in FILES.items():
        stem = name.replace(" ", "-")
        made[name] = (
            render(folder / f"{stem}-warm-up.{ending}", _WARM_UP),
            render(folder / f"{stem}.{ending}"),
        )
    return made


def _street(frames: int) -> Iterator[Picture]:
    wall = np.random.default_rng(1).integers(60, 200, (HEIGHT // 4, WIDTH // 4 + FRAMES, 3), np.uint8)
    wall = wall.repeat(4, 0).repeat(4, 1)
    for k in range(frames):
        picture = wall[:, k : k + WIDTH].copy()
        for person in range(8):
            left = (person * 160 + k * (1 + person % 3)) % (WIDTH - 60)
            picture[300:500, left : left + 60] = (30 * person, 255 - 30 * person, 90)
        yield picture


def _grained(frames: int) -> Iterator[Picture]:
    draw = np.random.default_rng(3)
    grain = [draw.normal(0, 10.5, (HEIGHT, WIDTH, 1)).astype(np.int16) for _ in range(7)]
    for k, picture in enumerate(_street(frames)):
        yield np.clip(picture + np.roll(grain[k % 7], k * 37 % WIDTH, 1), 0, 255).astype(np.uint8)


def _encode(path: Path, pictures: Iterator[Picture], milliseconds: Sequence[int], **options: str) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"preset": "veryfast", "crf": "25", "g": "50", **options}
        for k, (picture, time) in enumerate(zip(pictures, milliseconds, strict=True)):
            draw_number(picture, k)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
