"""The street without people: sky, houses, pavement, road and crossing, by casting a ray through every pixel once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from par_model.demo.camera import Camera, Light
from par_model.demo.texture import asphalt, facade, noise, paving

Array = NDArray[np.float64]
_FINE = 2  # rays a pixel, each way


@dataclass(frozen=True)
class Street:
    """A straight street. Points are (along, across): along the axis, and across it, in metres.

    axis: "x" runs through the picture from left to right, "z" away from the camera.
    road: from - to across; None for a street of paving only. crossing: from - to along.
    walls: the houses' fronts, across; ``roof`` their height.
    """

    axis: Literal["x", "z"]
    road: tuple[float, float] | None
    walls: tuple[float, ...]
    crossing: tuple[float, float] | None = None
    roof: float = 13.0
    slab: float = 0.5
    seed: int = 0


def render_backdrop(camera: Camera, street: Street, light: Light) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """RGB in 0..255, float32 [height, width, 3]; and the share of each pixel that is ground, [height, width, 1]."""
    rays = camera.rays(_FINE)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    distance = np.full(rays.shape[:2], np.inf)
    colour = np.empty(rays.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(rays[..., 1] < -1e-6, -camera.height_m / rays[..., 1], np.inf)
        hits = [ground] + [_to_wall(rays, camera, street, wall) for wall in street.walls]
    for number, hit in enumerate(hits):
        seen = (hit < distance) & (hit < 400)
        at = camera.position + rays[seen] * hit[seen, None]
        along, across = (at[:, 0], at[:, 2]) if street.axis == "x" else (at[:, 2], at[:, 0])
        slant = np.abs(rays[seen][:, 1]) if number == 0 else 1.0
        footprint = hit[seen] / (camera.focal * _FINE) / np.maximum(slant, 0.05) * 0.7
        if number == 0:
            surface = _ground(street, along, across, footprint)
        else:
            roof = street.roof + 1.5 * np.floor(3 * noise(np.floor(along / 11.0) + 0.5, along * 0 + number, 5))
            keep = at[:, 1] < roof
            seen[seen] = keep
            along, across, at, footprint = along[keep], across[keep], at[keep], footprint[keep]
            surface = facade(along + 3.1 * number, at[:, 1], footprint, street.seed + 20 * number, light.lamps)
        haze = (1 - np.exp(-hit[seen] / 260.0))[:, None]
        lit = surface * np.array(light.tint) * light.gain
        if number == 0 and light.lamps:
            lit *= (0.78 + 0.5 * noise(along / 5.0, across / 4.0, street.seed + 90))[:, None]
        colour[seen] = lit * (1 - haze) + np.array(light.sky_low) * haze
        distance[seen] = hit[seen]
    above = np.isinf(distance)
    colour[above] = _sky(rays[above], light, street.seed)
    h, w = camera.height, camera.width
    coarse = np.clip(colour, 0, 1).reshape(h, _FINE, w, _FINE, 3).mean(axis=(1, 3))
    is_ground = (ground <= distance) & (ground < 400)
    share = is_ground.reshape(h, _FINE, w, _FINE, 1).mean(axis=(1, 3))
    return (coarse * 255).astype(np.float32), share.astype(np.float32)


def _to_wall(rays: Array, camera: Camera, street: Street, wall: float) -> Array:
    """Distance along each ray to a wall; infinite where the ray goes away from it or into the ground."""
    k = 2 if street.axis == "x" else 0
    hit = (wall - camera.position[k]) / rays[..., k]
    above = camera.position[1] + rays[..., 1] * hit >= 0
    return np.where((hit > 0) & above, hit, np.inf)


def _sky(rays: Array, light: Light, seed: int) -> Array:
    up = np.clip(rays[..., 1], 0, 1)[..., None]
    blend = np.clip(up * 2.2, 0, 1)
    sky = np.array(light.sky_low) * (1 - blend) + np.array(light.sky_top) * blend
    u, v = rays[..., 0] / (up[..., 0] + 0.15), rays[..., 2] / (up[..., 0] + 0.15)
    cloud = 0.6 * noise(u * 1.1, v * 0.8, seed + 50) + 0.4 * noise(u * 2.7, v * 2.2, seed + 51)
    soft = np.clip((cloud - 0.5) * 3.0, 0, 1)[..., None] * 0.5
    return sky * (1 - soft) + (np.array(light.sky_low) * 0.3 + 0.7 * light.gain) * soft


def _ground(street: Street, along: Array, across: Array, footprint: Array) -> Array:
    colour = paving(along, across, footprint, street.slab, street.seed + 30)
    for wall in street.walls:  # less light near the houses
        near = np.clip(1 - np.abs(across - wall) / 1.4, 0, 1)
        colour *= (1 - 0.30 * near)[:, None]
    if street.road is None:
        gutter = np.abs(across - np.mean(street.walls) * 0.55) < 0.16
        colour[gutter] *= 0.82
        return colour
    low, high = street.road
    on_road = (across > low) & (across < high)
    colour[on_road] = asphalt(along[on_road], across[on_road], street.seed + 40)

    def worn(paint: NDArray[np.bool_], tone: Array | float) -> None:
        wear = 0.86 + 0.14 * noise(along[paint] * 6, across[paint] * 6, street.seed + 41)[:, None]
        colour[paint] = wear * tone

    if street.crossing is not None:
        a, b = street.crossing
        stripe = on_road & (along > a) & (along < b) & (((across - low) % 1.0) < 0.52)
        worn(stripe, np.array([0.86, 0.86, 0.84]))
        stop = on_road & (along > b + 0.9) & (along < b + 1.25) & (across < (low + high) / 2)
        worn(stop, 0.84)
    middle = on_road & (np.abs(across - (low + high) / 2) < 0.06) & ((along % 3.0) < 1.7)
    if street.crossing is not None:
        middle &= (along < street.crossing[0] - 1.5) | (along > street.crossing[1] + 1.5)
    worn(middle, 0.82)
    for kerb in street.road:
        stone = np.abs(across - kerb) < 0.12
        colour[stone] = (0.70 + 0.06 * noise(along[stone] * 3, across[stone] * 3, street.seed + 42))[:, None]
        shade = (np.abs(across - kerb) < 0.22) & on_road & ~stone
        colour[shade] *= 0.72
    return colour
