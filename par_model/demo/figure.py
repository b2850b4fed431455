"""A person in a camera's picture: silhouette, parts and colours of one frame.

The parts are drawn far to near as flat shapes into one 8-bit index image at a multiple of the picture's resolution,
each pixel holding `part * SHADES + shade`. Colours come from that image by a table and soft edges by averaging it down,
so colours and part masks agree by construction.

Letters: N capsules, E points of a polygon, S the supersampling factor, h and w a patch in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from par_model.demo.appearance import VEST_PAINT, Appearance, Colour
from par_model.demo.body import NUM_PARTS, Body, Part, Stance
from par_model.demo.camera import Camera, Light

Array = NDArray[np.float64]

SHADES = 4
_TONES = (0.66, 0.90, 1.07, 1.0)  # shadow side, middle, lit side, flat
_FLAT = 3
# Each shape is painted three times, smaller and nearer to the light each time: (size, shift), in radii.
_LAYERS = ((1.0, 0.0), (0.80, 0.15), (0.46, 0.34))
_FLAT_PX = 1.6  # thinner capsules are not shaded
_SIZES, _SHIFTS = np.array(_LAYERS).T
_MARGIN = 3  # pixels around a figure, room for motion blur
_ARC = np.linspace(-np.pi / 2, np.pi / 2, 6)
_CIRCLE = np.linspace(0, 2 * np.pi, 20, endpoint=False)


@dataclass(frozen=True, eq=False)
class Figure:
    """One person in one frame.

    index: uint8 [h * S, w * S], part * SHADES + shade, 0 outside the person.
    left, top: where the patch lies in the picture, in pixels, possibly negative.
    box: left, top, width, height of the silhouette in pixels, not clipped.
    """

    index: NDArray[np.uint8]
    left: int
    top: int
    scale: int
    box: tuple[float, float, float, float]

    def parts(self) -> NDArray[np.uint8]:
        """[h, w]: the Part at each pixel's centre, 0 outside."""
        half = self.scale // 2
        return self.index[half :: self.scale, half :: self.scale] // SHADES

    def develop(self, palette: bytes) -> NDArray[np.float32]:
        """Colour (0..255) times coverage, and coverage (0..1): float32 [h, w, 4]."""
        image = Image.fromarray(self.index)
        image.putpalette(palette, "RGBA")
        rgba = np.asarray(image.convert("RGBA").reduce(self.scale), np.float32)
        coverage = rgba[..., 3:] / np.float32(255)
        return np.concatenate([rgba[..., :3] * coverage, coverage], axis=-1)


def paint(who: Appearance, light: Light) -> bytes:
    """The palette of the index image: RGBA for each of 256 values."""
    trunk = VEST_PAINT if who.vest else who.top
    sleeve = who.skin if who.short_sleeves else who.top
    leg = who.skin if who.short_bottoms else who.bottom
    colour_of: dict[Part, Colour] = {
        Part.FACE: who.skin, Part.EYES: _scaled(who.skin, 0.30), Part.NECK: _scaled(who.skin, 0.92),
        Part.HAIR: who.hair, Part.HAT: who.hat_paint, Part.TOP: trunk, Part.SLEEVE: _scaled(who.top, 0.94),
        Part.FOREARM: sleeve, Part.HAND: who.skin, Part.BOTTOM: who.bottom, Part.SHIN: _scaled(leg, 0.97),
        Part.SHOE: who.shoes, Part.BACKPACK: who.backpack_paint, Part.BACKPACK_TRIM: _scaled(who.backpack_paint, 0.78),
        Part.BACKPACK_STRAP: _scaled(who.backpack_paint, 0.92), Part.SHOULDER_BAG: who.shoulder_bag_paint,
        Part.SHOULDER_BAG_TRIM: _scaled(who.shoulder_bag_paint, 0.80),
        Part.SHOULDER_STRAP: _scaled(who.shoulder_bag_paint, 0.92), Part.HAND_BAG: who.hand_bag_paint,
        Part.HAND_BAG_TRIM: _scaled(who.hand_bag_paint, 0.72),
    }  # fmt: skip
    table = np.zeros((256, 4), np.uint8)
    lit = np.array(light.tint) * light.gain * 255
    for part, colour in colour_of.items():
        for shade, tone in enumerate(_TONES):
            table[part * SHADES + shade, :3] = np.rint(np.clip(np.array(colour) * lit * tone, 0, 255))
            table[part * SHADES + shade, 3] = 255
    assert NUM_PARTS * SHADES <= 256
    return table.tobytes()


def draw_figure(body: Body, stance: Stance, camera: Camera, light: Light) -> Figure | None:
    """The figure of a body, or None where it is too near to the camera or wholly beside the picture."""
    view = _BodyAxes(stance, camera, light)
    if view.depth < 1.0 or view.is_beside():
        return None
    shapes = sorted(view.shapes(body), key=lambda shape: -shape[0])
    points = np.concatenate([polygon for _, _, polygons in shapes for polygon in polygons])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    tall = bottom - top
    outside = right < 0 or left > camera.width or bottom < 0 or top > camera.height
    if outside or tall > 1.6 * camera.height:
        return None
    scale = 4 if tall < 75 else 3 if tall < 150 else 2
    x0, y0 = int(np.floor(left)) - _MARGIN, int(np.floor(top)) - 1
    w, h = int(np.ceil(right)) + _MARGIN - x0, int(np.ceil(bottom)) + 1 - y0
    image = Image.new("L", (w * scale, h * scale), 0)
    pen = ImageDraw.Draw(image)
    coordinates = ((points - (x0, y0)) * scale - 0.5).ravel().tolist()  # Pillow's pixels have their centres at 0
    start = 0
    for _, part, polygons in shapes:
        first = part * SHADES + (0 if len(polygons) > 1 else _FLAT)
        for layer, polygon in enumerate(polygons):
            stop = start + 2 * len(polygon)
            pen.polygon(coordinates[start:stop], fill=first + layer)
            start = stop
    a, b, c, d = image.getbbox() or (0, 0, 1, 1)
    box = (x0 + a / scale, y0 + b / scale, (c - a) / scale, (d - b) / scale)
    return Figure(np.asarray(image), x0, y0, scale, box)


Shape = tuple[float, int, list[Array]]  # depth, part, polygons [e, 2] from the largest layer to the smallest


class _BodyAxes:
    """One person's axes in a camera's picture."""

    def __init__(self, stance: Stance, camera: Camera, light: Light) -> None:
        self.camera, self.height_m = camera, stance.height_m
        self.axes, self.origin = stance.axes, stance.foot
        _, depth = camera.project(self.origin)
        self.depth = float(depth)
        to_light = np.array([light.side, -0.7])
        self.to_light = to_light / np.linalg.norm(to_light)
        # How much of a width across, and of a depth ahead, one sees from here.
        bearing = camera.bearing(stance.x_m, stance.z_m)
        sideways = np.array([np.cos(bearing), 0.0, -np.sin(bearing)])
        self.seen = np.array([sideways @ self.axes[0], sideways @ self.axes[2]])

    def is_beside(self) -> bool:
        """Whether the person is further from the picture's sides than anybody is wide."""
        (u, _), depth = self.camera.project(self.origin)
        reach = self.height_m * self.camera.focal / float(depth)
        return bool(u < -reach or u > self.camera.width + reach)

    def project(self, points: Array) -> tuple[Array, Array]:
        return self.camera.project(self.origin + points @ self.axes)

    def shapes(self, body: Body) -> Iterator[Shape]:
        yield from self._capsules(body)
        for part, centres, halves, nearer in body.slabs:
            uv, depth = self.project(centres)
            half = np.sqrt(((halves * self.seen) ** 2).sum(axis=1)) * self.camera.focal / depth
            yield float(depth.mean()) - nearer * self.height_m, part, self._slab(uv, half)
        for part, centre, across, ahead, nearer in body.discs:
            ring = np.stack([across * np.sin(_CIRCLE), np.zeros_like(_CIRCLE), ahead * np.cos(_CIRCLE)], axis=-1)
            uv, depth = self.project(centre + ring)
            yield float(depth.mean()) - nearer * self.height_m, part, [uv]

    def _slab(self, uv: Array, half: Array) -> list[Array]:
        """Outline of a stack of widths ``half`` around ``uv``, a layer each: down the left, up the right."""
        shift = half * _SHIFTS[:, None] * self.to_light[0]
        size = half * _SIZES[:, None]
        outline = np.empty((len(_LAYERS), 2 * len(half), 2))
        outline[:, : len(half), 0] = uv[:, 0] + shift - size
        outline[:, len(half) :, 0] = (uv[:, 0] + shift + size)[:, ::-1]
        outline[:, : len(half), 1] = uv[:, 1]
        outline[:, len(half) :, 1] = uv[::-1, 1]
        return list(outline)

    def _capsules(self, body: Body) -> Iterator[Shape]:
        ends = np.array([(a, b) for _, a, b, _, _, _ in body.capsules])  # [n, 2, 3]
        radii = np.array([(r_a, r_b) for _, _, _, r_a, r_b, _ in body.capsules])
        uv, depth = self.project(ends)
        radius = radii * self.height_m * self.camera.focal / depth
        layers = [
            list(capsule_outlines(uv + shift * radius[..., None] * self.to_light, radius * size))
            for size, shift in _LAYERS
        ]
        flat = (radius.max(axis=1) < _FLAT_PX).tolist()
        middle = depth.mean(axis=1).tolist()
        for i, (part, _, _, _, _, nearer) in enumerate(body.capsules):
            polygons = [layers[0][i]] if flat[i] else [layer[i] for layer in layers]
            yield middle[i] - nearer * self.height_m, part, polygons


def capsule_outlines(uv: Array, radius: Array) -> Array:
    """Outlines [n, e, 2] of capsules between ends [n, 2, 2] with radii [n, 2], all in pixels."""
    along = uv[:, 1] - uv[:, 0]
    angle = np.arctan2(along[:, 1], along[:, 0])[:, None]

    def cap(end: int, turn: float) -> Array:
        at = angle + _ARC + turn
        points: Array = uv[:, end, None] + radius[:, end, None, None] * np.stack([np.cos(at), np.sin(at)], axis=-1)
        return points

    return np.concatenate([cap(1, 0.0), cap(0, np.pi)], axis=1)


def _scaled(colour: Colour, factor: float) -> Colour:
    r, g, b = colour
    return r * factor, g * factor, b * factor
