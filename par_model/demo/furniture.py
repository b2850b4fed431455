"""Things that stand in the street and hide people: posts, trees, parked cars, planters, advertising columns.

Each is drawn once, at four times the picture's resolution, into a sprite with a depth; the painter lays it over the
people behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from par_model.demo.appearance import Colour
from par_model.demo.camera import Camera, Light

Array = NDArray[np.float64]
Kind = Literal["lamp", "bollard", "sign", "tree", "car", "van", "planter", "column", "stall"]
_FINE = 4


@dataclass(frozen=True)
class Furniture:
    """A thing at (x_m, z_m). ``along`` is the street's axis, for what is longer than wide."""

    kind: Kind
    x_m: float
    z_m: float
    colour: Colour = (0.25, 0.28, 0.27)
    along: Literal["x", "z"] = "x"
    size: float = 1.0


@dataclass(frozen=True, eq=False)
class Sprite:
    """rgba: float32 [h, w, 4], colour (0..255) times coverage, and coverage; clipped to the picture."""

    rgba: NDArray[np.float32]
    left: int
    top: int
    depth: float


class _Pen:
    """Draws world polygons into a picture-sized canvas."""

    def __init__(self, camera: Camera, light: Light, thing: Furniture) -> None:
        self.camera, self.light, self.thing = camera, light, thing
        self.image = Image.new("RGBA", (camera.width * _FINE, camera.height * _FINE), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.image)
        self.rng = np.random.default_rng([int(abs(thing.x_m) * 100), int(thing.z_m * 100), len(thing.kind)])

    def paint(self, colour: Colour | Array, tone: float = 1.0) -> tuple[int, int, int, int]:
        r, g, b = np.clip(np.asarray(colour) * tone * self.light.tint * self.light.gain * 255, 0, 255).astype(int)
        return int(r), int(g), int(b), 255

    def polygon(self, points: Array, colour: Colour | Array, tone: float = 1.0) -> None:
        uv, depth = self.camera.project(points)
        if depth.min() > 0.3:
            self.pen.polygon((uv * _FINE).ravel().tolist(), fill=self.paint(colour, tone))

    def at(self, along: ArrayLike, up: ArrayLike, across: ArrayLike) -> Array:
        """World points from the thing's own axes, in metres."""
        a, u, c = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (along, up, across)))
        x, z = (a, c) if self.thing.along == "x" else (c, a)
        return np.stack([self.thing.x_m + x, u, self.thing.z_m + z], axis=-1)

    def pole(self, low: float, high: float, r_low: float, r_high: float, colour: Colour) -> None:
        """An upright round post, shaded from side to side."""
        right = self.camera.axes[0]
        base = np.array([self.thing.x_m, 0.0, self.thing.z_m])
        edges = np.linspace(-1, 1, 9)
        for a, b in pairwise(edges):
            tone = 0.98 + 0.30 * self.light.side * (a + b) / 2 - 0.35 * ((a + b) / 2) ** 2
            corners = [(a, r_low, low), (b, r_low, low), (b, r_high, high), (a, r_high, high)]
            self.polygon(np.array([base + right * s * r + [0, y, 0] for s, r, y in corners]), colour, tone)

    def blob(self, centre: Array, radius: float, colour: Colour | Array, tone: float) -> None:
        (u, v), depth = self.camera.project(centre)
        r = radius * self.camera.focal / max(float(depth), 0.3) * _FINE
        wobble = 1 + 0.18 * self.rng.standard_normal(11)
        turn = np.linspace(0, 2 * np.pi, 11, endpoint=False)
        ring = np.stack([u * _FINE + r * wobble * np.cos(turn), v * _FINE + r * wobble * np.sin(turn)], axis=-1)
        self.pen.polygon(ring.ravel().tolist(), fill=self.paint(colour, tone))

    def foliage(self, centre: tuple[float, float, float], spread: tuple[float, float, float], n: int, r: float) -> None:
        """Leaves as blobs, from the dark underside to the lit top."""
        offsets = self.rng.uniform(-1, 1, (4 * n, 3))
        offsets = offsets[(offsets**2).sum(axis=1) < 1][:n]
        to_light = np.array([0.5 * self.light.side, 0.8, -0.3])
        for offset in offsets[np.argsort(offsets @ to_light)]:
            tone = 0.85 + 0.40 * float(offset @ to_light) + 0.10 * self.rng.standard_normal()
            green = np.array([0.24, 0.38, 0.15]) + 0.03 * self.rng.standard_normal(3)
            at = self.at(*(np.array(centre) + offset * spread))
            self.blob(at, r * float(self.rng.uniform(0.6, 1.15)), green, tone)

    def box(self, half: float, low: float, high: float, near: float, far: float, colour: Colour | Array) -> None:
        """An upright box: top, the end that shows, then the front."""
        k = 0 if self.thing.along == "x" else 2
        seen_end = np.sign(self.camera.position[k] - (self.thing.x_m if k == 0 else self.thing.z_m)) * half
        front = near if self.thing.along == "x" or self.camera.x_m < self.thing.x_m else far
        self.polygon(self.at([-half, half, half, -half], high, [near, near, far, far]), colour, 1.18)
        self.polygon(self.at(seen_end, [low, high, high, low], [near, near, far, far]), colour, 0.78)
        self.polygon(self.at([-half, half, half, -half], [low, low, high, high], front), colour, 0.96)


def _lamp(pen: _Pen) -> None:
    pen.pole(0.0, 0.9, 0.11, 0.09, pen.thing.colour)
    pen.pole(0.9, 5.4, 0.07, 0.05, pen.thing.colour)
    glow: Colour = (1.5, 1.35, 0.95) if pen.light.lamps else (0.92, 0.92, 0.88)
    pen.pole(5.4, 5.9, 0.10, 0.19, glow)
    pen.pole(5.9, 6.05, 0.22, 0.05, pen.thing.colour)


def _bollard(pen: _Pen) -> None:
    pen.pole(0.0, 0.95, 0.085, 0.075, pen.thing.colour)
    pen.pole(0.95, 1.05, 0.095, 0.06, pen.thing.colour)
    pen.pole(0.72, 0.80, 0.082, 0.082, (0.85, 0.84, 0.80))


def _sign(pen: _Pen) -> None:
    pen.pole(0.0, 3.0, 0.04, 0.04, (0.55, 0.56, 0.57))
    centre = pen.at(0, 2.65, 0)
    for r, colour in ((0.34, (0.92, 0.92, 0.92)), (0.31, (0.12, 0.30, 0.62)), (0.10, (0.92, 0.92, 0.92))):
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        right, up, _ = pen.camera.axes
        pen.polygon(centre + r * (np.cos(turn)[:, None] * right + np.sin(turn)[:, None] * up), colour)


def _tree(pen: _Pen) -> None:
    size = pen.thing.size
    pen.polygon(
        pen.at(0.55 * np.cos(np.linspace(0, 6.3, 20)), 0.01, 0.55 * np.sin(np.linspace(0, 6.3, 20))), (0.30, 0.24, 0.18)
    )
    pen.pole(0.0, 2.6 * size, 0.17 * size, 0.12 * size, (0.34, 0.26, 0.20))
    pen.foliage((0, 4.1 * size, 0), (1.7 * size, 1.5 * size, 1.5 * size), 420, 0.26 * size)


def _planter(pen: _Pen) -> None:
    half = 0.85 * pen.thing.size
    pen.box(half, 0.0, 0.55, -0.28, 0.28, pen.thing.colour)
    pen.foliage((0, 0.78, 0), (half * 0.95, 0.30, 0.24), 260, 0.10)


# from - to in radii across the column, low - high in metres
_POSTERS: tuple[tuple[float, float, float, float, Colour], ...] = (
    (-0.85, -0.15, 0.7, 2.5, (0.55, 0.70, 0.78)),
    (0.0, 0.62, 1.2, 2.4, (0.90, 0.80, 0.42)),
    (0.05, 0.6, 0.5, 1.1, (0.78, 0.42, 0.36)),
)


def _column(pen: _Pen) -> None:
    pen.pole(0.0, 0.35, 0.62, 0.60, (0.36, 0.36, 0.36))
    pen.pole(0.35, 2.75, 0.56, 0.56, (0.80, 0.77, 0.68))
    right = pen.camera.axes[0]
    base = np.array([pen.thing.x_m, 0.0, pen.thing.z_m])
    for a, b, low, high, colour in _POSTERS:
        corners = [(a, low), (b, low), (b, high), (a, high)]
        pen.polygon(np.array([base + right * s * 0.55 + [0, y, 0] for s, y in corners]), colour, 0.95)
        band = [(a + 0.08, high - 0.5), (b - 0.08, high - 0.5), (b - 0.08, high - 0.3), (a + 0.08, high - 0.3)]
        pen.polygon(np.array([base + right * s * 0.55 + [0, y, 0] for s, y in band]), (0.2, 0.2, 0.25), 0.95)
    pen.pole(2.75, 2.95, 0.66, 0.62, (0.28, 0.36, 0.32))
    pen.pole(2.95, 3.5, 0.60, 0.06, (0.28, 0.36, 0.32))


def _stall(pen: _Pen) -> None:
    for along in (-1.3, 1.3):
        pen.polygon(
            pen.at([along - 0.04, along + 0.04, along + 0.04, along - 0.04], [0, 0, 2.3, 2.3], -0.5), (0.45, 0.36, 0.28)
        )
    pen.box(1.35, 0.0, 0.85, -0.5, 0.5, (0.52, 0.40, 0.28))
    for row, (across, up) in enumerate(((0.25, 0.98), (-0.05, 0.93), (-0.35, 0.88))):
        for k, along in enumerate(np.linspace(-1.2, 1.2, 22)):
            fruit = [(0.85, 0.25, 0.15), (0.95, 0.62, 0.15), (0.45, 0.62, 0.20), (0.90, 0.82, 0.30)][(k // 5 + row) % 4]
            pen.blob(pen.at(along, up, across), 0.075, fruit, 1.0)
    for k in range(9):
        a, b = -1.5 + k * 3.0 / 9, -1.5 + (k + 1) * 3.0 / 9
        colour = pen.thing.colour if k % 2 == 0 else (0.92, 0.90, 0.86)
        pen.polygon(pen.at([a, b, b, a], [2.3, 2.3, 2.75, 2.75], [-0.85, -0.85, 0.6, 0.6]), colour)
        pen.polygon(pen.at([a, b, b, a], [2.1, 2.1, 2.3, 2.3], -0.85), colour, 0.85)


_CAR = ((-2.1, 0.35), (-2.1, 0.78), (-1.85, 0.90), (-1.05, 0.98), (-0.45, 1.42), (0.95, 1.45), (1.65, 1.0),
        (2.05, 0.92), (2.12, 0.35))  # fmt: skip
_VAN = ((-2.5, 0.40), (-2.5, 1.15), (-1.9, 1.30), (-1.35, 2.05), (-1.1, 2.15), (2.4, 2.15), (2.5, 2.0), (2.5, 0.40))


def _car(pen: _Pen) -> None:
    glass = (
        ((-0.95, 0.98), (-0.42, 1.35), (0.20, 1.38), (0.20, 0.98)),
        ((0.28, 0.98), (0.28, 1.38), (0.92, 1.38), (1.48, 1.0)),
    )
    _vehicle(pen, _CAR, glass, half_width=0.85)


def _van(pen: _Pen) -> None:
    glass = (((-1.82, 1.32), (-1.30, 1.98), (-0.75, 1.98), (-0.75, 1.32)),)
    _vehicle(pen, _VAN, glass, half_width=0.98)


Outline = tuple[tuple[float, float], ...]  # (along, up) in metres


def _vehicle(pen: _Pen, outline: Outline, glass: tuple[Outline, ...], half_width: float) -> None:
    """A side view given depth: the hull between both sides, then the near side with glass, wheels and trim."""
    k = 2 if pen.thing.along == "x" else 0
    along = pen.thing.z_m if k == 2 else pen.thing.x_m
    near = half_width * float(np.sign(pen.camera.position[k] - along))
    profile = np.array(outline)
    closed = np.concatenate([profile, profile[:1]])
    eye = pen.camera.position
    quads = []
    for (a, y_a), (b, y_b) in pairwise(closed):
        quad = pen.at([a, b, b, a], [y_a, y_b, y_b, y_a], [near, near, -near, -near])
        steep = abs(y_b - y_a) > 0.25 and min(y_a, y_b) > 0.85
        colour: Colour | Array = (0.16, 0.20, 0.24) if steep else pen.thing.colour
        quads.append(
            (float(np.linalg.norm(quad.mean(axis=0) - eye)), quad, colour, 1.15 if abs(y_b - y_a) < 0.2 else 0.85)
        )
    under = pen.at([profile[0, 0], profile[-1, 0], profile[-1, 0], profile[0, 0]], 0.02, [near, near, -near, -near])
    pen.polygon(under, (0.06, 0.06, 0.06))
    for _, quad, colour, tone in sorted(quads, key=lambda item: -item[0]):
        pen.polygon(quad, colour, tone)
    pen.polygon(pen.at(profile[:, 0], profile[:, 1], near), pen.thing.colour, 0.95)
    low = profile[profile[:, 1] < 0.95]
    pen.polygon(
        pen.at([low[0, 0], low[-1, 0], low[-1, 0], low[0, 0]], [0.35, 0.35, 0.55, 0.55], near), pen.thing.colour, 0.72
    )
    for pane in glass:
        points = np.array(pane)
        pen.polygon(pen.at(points[:, 0], points[:, 1], near), (0.17, 0.21, 0.25))
        pen.polygon(
            pen.at(points[[0, 1, 1], 0] + [0, 0, 0.12], points[[0, 1, 1], 1], near),
            (0.45, 0.5, 0.54),
        )
    turn = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    for along in (profile[0, 0] + 0.75, profile[-1, 0] - 0.80):
        for r, colour in ((0.36, (0.07, 0.07, 0.07)), (0.21, (0.58, 0.59, 0.60)), (0.08, (0.25, 0.25, 0.25))):
            pen.polygon(pen.at(along + r * np.cos(turn), 0.33 + r * np.sin(turn), near), colour)


_DRAW: dict[Kind, Callable[[_Pen], None]] = {
    "lamp": _lamp, "bollard": _bollard, "sign": _sign, "tree": _tree, "car": _car, "van": _van, "planter": _planter,
    "column": _column, "stall": _stall,
}  # fmt: skip


def draw_furniture(thing: Furniture, camera: Camera, light: Light) -> Sprite | None:
    """The sprite of a thing, or None where it is not in the picture."""
    pen = _Pen(camera, light, thing)
    _DRAW[thing.kind](pen)
    box = pen.image.getbbox()
    if box is None:
        return None
    left, top, right, bottom = box[0] // _FINE, box[1] // _FINE, -(-box[2] // _FINE), -(-box[3] // _FINE)
    fine = np.asarray(pen.image.crop((left * _FINE, top * _FINE, right * _FINE, bottom * _FINE)), np.float32)
    h, w = bottom - top, right - left
    fine[..., 3] /= 255
    fine[..., :3] *= fine[..., 3:]
    rgba = fine.reshape(h, _FINE, w, _FINE, 4).mean(axis=(1, 3))
    _, depth = camera.project(np.array([thing.x_m, 0.0, thing.z_m]))
    return Sprite(rgba.astype(np.float32), left, top, float(depth))
