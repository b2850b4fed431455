"""What the camera's shutter, lens and sensor do to a picture: motion blur, blur, noise.

Patches are float32 [h, w, channels] with colours multiplied by coverage, so that blurring them and laying them over
the picture gives what blurring the picture would give.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Patch = NDArray[np.float32]


def smear(patch: Patch, length: float) -> Patch:
    """A box filter along the rows, ``length`` pixels wide (fractions included)."""
    if length <= 1.05:
        return patch
    whole = int((length - 1) // 2)
    rest = np.float32((length - 1 - 2 * whole) / 2)
    reach = whole + 1
    padded = np.pad(patch, ((0, 0), (reach, reach), (0, 0)))
    w = patch.shape[1]
    total = rest * (padded[:, :w] + padded[:, 2 * reach :])
    for shift in range(1, 2 * reach):
        total += padded[:, shift : shift + w]
    return total / np.float32(length)


def soften(patch: Patch, radius: float) -> Patch:
    """A Gaussian of standard deviation ``radius`` pixels (at most 0.7), as three taps each way; edges are repeated."""
    side = np.float32(min(radius, 0.7) ** 2 / 2)
    if side == 0:
        return patch
    middle = np.float32(1) - 2 * side
    rows = middle * patch
    rows[1:] += side * patch[:-1]
    rows[:-1] += side * patch[1:]
    rows[0] += side * patch[0]
    rows[-1] += side * patch[-1]
    out = middle * rows
    out[:, 1:] += side * rows[:, :-1]
    out[:, :-1] += side * rows[:, 1:]
    out[:, 0] += side * rows[:, 0]
    out[:, -1] += side * rows[:, -1]
    return out


class Sensor:
    """Adds noise, mostly of brightness, and rounds to 8 bits.

    One large field of noise is drawn at the start; every frame takes another part of it.
    """

    def __init__(self, rng: np.random.Generator, width: int, height: int, noise: float) -> None:
        self._rng = rng
        grain = rng.standard_normal((2 * height, 2 * width, 3), np.float32)
        shared = rng.standard_normal((2 * height, 2 * width, 1), np.float32)
        self._grain = np.float32(noise) * (np.float32(0.866) * shared + np.float32(0.5) * grain)

    def expose(self, canvas: Patch) -> NDArray[np.uint8]:
        """Colours in 0..255, float32 [height, width, 3], to the picture. Overwrites the canvas."""
        height, width = canvas.shape[:2]
        y, x = (int(self._rng.integers(n)) for n in (height, width))
        canvas += self._grain[y : y + height, x : x + width]
        canvas += np.float32(0.5)
        return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)
