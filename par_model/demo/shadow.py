"""Shadows on the ground: a person's limbs, or a thing's outline, seen from the light and laid flat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from par_model.demo.body import Body, Part, Stance
from par_model.demo.camera import Camera, Light
from par_model.demo.figure import capsule_outlines
from par_model.demo.furniture import Furniture, Kind

_CASTS = {Part.FACE, Part.SLEEVE, Part.FOREARM, Part.BOTTOM, Part.SHIN, Part.SHOE, Part.NECK}
_BLUR = 1.6  # pixels

# What casts a thing's shadow, as upright capsules: (point along it, from - to in height, radius), in metres
_OUTLINES: dict[Kind, tuple[tuple[float, float, float, float], ...]] = {
    "lamp": ((0.0, 0.0, 5.4, 0.07), (0.0, 5.4, 5.9, 0.18)),
    "bollard": ((0.0, 0.0, 1.0, 0.09),),
    "sign": ((0.0, 0.0, 2.9, 0.04), (0.0, 2.5, 2.8, 0.20)),
    "tree": ((0.0, 0.0, 3.0, 0.16), (0.0, 3.4, 4.6, 1.3)),
    "planter": ((-0.6, 0.0, 0.6, 0.42), (0.0, 0.0, 0.8, 0.42), (0.6, 0.0, 0.6, 0.42)),
    "column": ((0.0, 0.0, 3.0, 0.60),),
    "stall": tuple((along, 0.0, 0.9, 0.6) for along in (-1.1, -0.4, 0.4, 1.1)),
    "car": tuple((along, 0.0, 1.0, 0.95) for along in (-1.4, -0.7, 0.0, 0.7, 1.4)),
    "van": tuple((along, 0.0, 1.8, 1.05) for along in (-1.7, -0.8, 0.0, 0.8, 1.7)),
}
Array = NDArray[np.float64]
Shadow = tuple[NDArray[np.float32], int, int]  # darkness in [0, 1] [h, w], left, top


def cast_shadow(body: Body, stance: Stance, camera: Camera, light: Light) -> Shadow | None:
    """Darkness in [0, 1] [h, w] with its left and top in pixels, or None where it would be out of the picture."""
    limbs = [(a, b, r_a, r_b) for part, a, b, r_a, r_b, _ in body.capsules if part in _CASTS]
    trunk = [
        (c[0], c[-1], h[0].mean(), h[-2].mean()) for part, c, h, _ in body.slabs if part in (Part.TOP, Part.BACKPACK)
    ]
    ends = np.array([[a, b] for a, b, _, _ in limbs + trunk]) @ stance.axes + stance.foot
    radius = np.array([[r_a, r_b] for _, _, r_a, r_b in limbs + trunk]) * stance.height_m
    up = ends[..., 1]
    flat = np.stack([ends[..., 0] + light.sun[0] * up, np.zeros_like(up), ends[..., 2] + light.sun[1] * up], axis=-1)
    return _flat_capsules(camera, flat, radius, _BLUR)


def furniture_shadow(thing: Furniture, camera: Camera, light: Light) -> Shadow | None:
    """As ``cast_shadow``, for a thing that stands still."""
    ends, radius = [], []
    for along, low, high, r in _OUTLINES[thing.kind]:
        x, z = (along, 0.0) if thing.along == "x" else (0.0, along)
        ends.append([[thing.x_m + x + light.sun[0] * y, 0.0, thing.z_m + z + light.sun[1] * y] for y in (low, high)])
        radius.append([r * thing.size, r * thing.size])
    return _flat_capsules(camera, np.array(ends), np.array(radius), 2 * _BLUR)


def _flat_capsules(camera: Camera, ends: Array, radius: Array, blur: float) -> Shadow | None:
    """Capsules [n, 2, 3] on the ground with radii [n, 2], in metres."""
    uv, depth = camera.project(ends)
    if depth.min() < 0.8:
        return None
    slant = np.clip(camera.height_m / depth, 0.25, 1.0)  # a flat thing's height in the picture over its width
    squash = np.array([1.0, float(slant.mean())])
    outlines = capsule_outlines(uv / squash, radius * camera.focal / depth) * squash
    pad = int(2 * blur) + 2
    left, top = np.floor(outlines.min(axis=(0, 1))).astype(int) - pad
    right, bottom = np.ceil(outlines.max(axis=(0, 1))).astype(int) + pad
    outside = right < 0 or bottom < 0 or left > camera.width or top > camera.height
    if outside or max(right - left, bottom - top) > 2 * camera.width:
        return None
    image = Image.new("L", (int(right - left), int(bottom - top)), 0)
    pen = ImageDraw.Draw(image)
    for outline in outlines:
        pen.polygon((outline - (left, top)).ravel().tolist(), fill=255)
    soft = image.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(soft, np.float32) / np.float32(255), int(left), int(top)


def darken(
    canvas: NDArray[np.float32],
    ground: NDArray[np.float32],
    shadow: NDArray[np.float32],
    left: int,
    top: int,
    strength: float,
) -> None:
    """Multiply the picture's colours by 1 - strength * shadow, where it shows the ground ([H, W, 1], a share)."""
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(canvas.shape[0], top + shadow.shape[0]), min(canvas.shape[1], left + shadow.shape[1])
    if y0 < y1 and x0 < x1:
        patch = shadow[y0 - top : y1 - top, x0 - left : x1 - left, None]
        canvas[y0:y1, x0:x1] *= 1 - np.float32(strength) * patch * ground[y0:y1, x0:x1]
