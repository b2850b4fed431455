"""Clips of plain people, a rectangle of one colour each, and a detector that finds them by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from par_model.tracking.detections import Detections
from par_model.tracking.detector import Scale
from par_model.video.writer import ClipWriter

WIDTH, HEIGHT = 192, 128
PERSON = (24, 64)  # width and height
COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 200, 30)}
_FAR = 60


class Walk:
    """Somebody who is there from frame ``first`` to ``last``, at left edge ``x`` in the first, ``speed`` pixels on in
    each next one. hidden: frames in which nobody can see them."""

    def __init__(self, colour: str, first: int, last: int, x: int, speed: int, hidden: Sequence[int] = ()) -> None:
        self.colour, self.first, self.last, self.x, self.speed, self.hidden = colour, first, last, x, speed, hidden

    def left(self, frame: int) -> int | None:
        if not self.first <= frame <= self.last or frame in self.hidden:
            return None
        return self.x + self.speed * (frame - self.first)


# Two who cross the picture, and one who comes later.
CROWD = (Walk("red", 0, 49, 4, 2), Walk("blue", 5, 59, 150, -2), Walk("green", 30, 59, 10, 1))


def picture(walks: Sequence[Walk], frame: int) -> NDArray[np.uint8]:
    """RGB uint8 [HEIGHT, WIDTH, 3]. Each colour has its own height in it, so that nobody stands before another."""
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for walk in walks:
        left = walk.left(frame)
        if left is not None:
            top = 8 + 24 * list(COLOURS).index(walk.colour)
            pixels[top : top + PERSON[1] // 3, max(0, left) : max(0, left + PERSON[0])] = COLOURS[walk.colour]
    return pixels


def write_walks(path: Path, walks: Sequence[Walk] = CROWD, frames: int = 60, fps: float = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ClipWriter(path, width=WIDTH, height=HEIGHT, fps=fps, options={"crf": "10", "g": "20"}) as clip:
        for frame in range(frames):
            clip.write(picture(walks, frame))
    return path


class ColourDetector:
    """Knows three colours. score: that of all boxes."""

    batch_size = 3
    scale: Scale | None = None
    score = 0.9

    def __init__(self, device: str = "cpu", threads: int = 1) -> None:
        self.device, self.threads = device, threads

    def describe(self) -> Mapping[str, Any]:
        return {"kind": "colours"}

    def detect(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None = None) -> list[Detections]:
        assert len(pictures) <= self.batch_size
        return [self._of(pixels, *(size or pixels.shape[1::-1])) for pixels in pictures]

    def _of(self, pixels: NDArray[np.uint8], width: int, height: int) -> Detections:
        """Boxes of a picture that may be a smaller one than they refer to."""
        times = width / pixels.shape[1]
        boxes = []
        for colour in COLOURS.values():
            near = np.abs(pixels.astype(int) - colour).max(axis=2) < _FAR
            rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
            if len(rows):
                boxes.append([times * side for side in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)])
        return Detections.in_picture(boxes, [self.score] * len(boxes), height=height, width=width)


def halved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every second pixel of every second row, in the memory of the picture."""
    return picture[::2, ::2]


class HalvingDetector(ColourDetector):
    """Takes pictures half as wide and high, from those who decode them or as they are."""

    def __init__(self, device: str = "cpu", threads: int = 1) -> None:
        super().__init__(device, threads)
        self.scale = halved

    def _of(self, pixels: NDArray[np.uint8], width: int, height: int) -> Detections:
        assert pixels.shape == (height // 2, width // 2, 3)
        return super()._of(pixels, width, height)


class UnsureDetector(ColourDetector):
    """The same, less sure."""

    score = 0.5


class BrokenDetector(ColourDetector):
    """Fails where it sees green."""

    def detect(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None = None) -> list[Detections]:
        found = super().detect(pictures, size)
        if any(len(one) == 3 for one in found):
            raise ValueError("green is beyond it")
        return found
