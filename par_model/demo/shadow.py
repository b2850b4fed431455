"""The shadow that a person casts on the ground: the figure's limbs seen from the light, laid flat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from par_model.demo.body import Body, Part
from par_model.demo.camera import Camera, Light
from par_model.demo.figure import capsule_outlines

_CASTS = {Part.FACE, Part.SLEEVE, Part.FOREARM, Part.BOTTOM, Part.SHIN, Part.SHOE, Part.NECK}
_BLUR = 1.6  # pixels


def cast_shadow(
    body: Body, camera: Camera, light: Light, x: float, z: float, heading: float, height_m: float
) -> tuple[NDArray[np.float32], int, int] | None:
    """Darkness in [0, 1] [h, w] with its left and top in pixels, or None where it would be out of the picture."""
    sin, cos = np.sin(heading), np.cos(heading)
    axes = height_m * np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
    limbs = [(a, b, r_a, r_b) for part, a, b, r_a, r_b, _ in body.capsules if part in _CASTS]
    trunk = [
        (c[0], c[-1], h[0].mean(), h[-2].mean()) for part, c, h, _ in body.slabs if part in (Part.TOP, Part.BACKPACK)
    ]
    ends = np.array([[a, b] for a, b, _, _ in limbs + trunk]) @ axes + np.array([x, 0.0, z])
    radius = np.array([[r_a, r_b] for _, _, r_a, r_b in limbs + trunk]) * height_m
    up = ends[..., 1]
    flat = np.stack([ends[..., 0] + light.sun[0] * up, np.zeros_like(up), ends[..., 2] + light.sun[1] * up], axis=-1)
    uv, depth = camera.project(flat)
    if depth.min() < 0.8:
        return None
    slant = np.clip(camera.height_m / depth, 0.25, 1.0)  # a flat thing's height in the picture over its width
    squash = np.array([1.0, float(slant.mean())])
    outlines = capsule_outlines(uv / squash, radius * camera.focal / depth) * squash
    left, top = np.floor(outlines.min(axis=(0, 1))).astype(int) - 4
    right, bottom = np.ceil(outlines.max(axis=(0, 1))).astype(int) + 4
    if right < 0 or bottom < 0 or left > camera.width or top > camera.height or max(right - left, bottom - top) > 800:
        return None
    image = Image.new("L", (int(right - left), int(bottom - top)), 0)
    pen = ImageDraw.Draw(image)
    for outline in outlines:
        pen.polygon((outline - (left, top)).ravel().tolist(), fill=255)
    soft = image.filter(ImageFilter.GaussianBlur(_BLUR))
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
