"""Procedural surfaces of the street: colours in [0, 1] at points on the ground or on a wall, in metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STOREY = 3.3  # metres
_COLUMN, _ROW = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # of a lattice's hash
_PLASTER = np.array(
    [[0.80, 0.73, 0.62], [0.66, 0.44, 0.36], [0.74, 0.76, 0.74], [0.83, 0.68, 0.50], [0.60, 0.62, 0.68]]
)
_AWNING = np.array([[0.62, 0.16, 0.16], [0.15, 0.36, 0.30], [0.17, 0.25, 0.45], [0.72, 0.52, 0.18], [0.40, 0.22, 0.38]])


def lattice(i: Array, j: Array, seed: int) -> Array:
    """A random number in [0, 1) for each pair of integers: the same for the same seed."""
    return _hashed(_scaled(i, _COLUMN), _scaled(j, _ROW), seed)


def noise(u: Array, v: Array, seed: int) -> Array:
    """Smooth noise in [0, 1] with features of size 1."""
    i, j = np.floor(u), np.floor(v)
    a, b = u - i, v - j
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    columns, rows = _scaled(i, _COLUMN), _scaled(j, _ROW)
    next_columns, next_rows = columns + _COLUMN, rows + _ROW
    low = _hashed(columns, rows, seed) * (1 - a) + _hashed(next_columns, rows, seed) * a
    high = _hashed(columns, next_rows, seed) * (1 - a) + _hashed(next_columns, next_rows, seed) * a
    return low * (1 - b) + high * b


def _scaled(whole: Array, factor: np.uint64) -> NDArray[np.uint64]:
    return whole.astype(np.int64).view(np.uint64) * factor


def _hashed(column: NDArray[np.uint64], row: NDArray[np.uint64], seed: int) -> Array:
    h = column ^ (row + np.uint64(seed * 0x165667B1 + 0x27D4EB2F))
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    number: Array = (h >> np.uint64(40)).astype(np.float64) / float(1 << 24)
    return number


def _line(x: Array, period: float, width: float, soft: Array) -> Array:
    """1 on lines every ``period``, 0 between, blended over ``soft``; fades where lines get finer than a pixel."""
    off = np.abs((x / period + 0.5) % 1.0 - 0.5) * period
    strength = np.clip((width / 2 + soft - off) / (2 * soft), 0, 1)
    return strength * np.clip(period / (4 * soft), 0, 1)


def paving(t: Array, s: Array, footprint: Array, slab: float, seed: int) -> Array:
    """[..., 3]: slabs of ``slab`` metres laid in half bond. footprint: metres a pixel covers."""
    row = np.floor(s / slab)
    shifted = t + 0.5 * slab * (row % 2)
    joint = np.maximum(_line(s, slab, 0.012, footprint), _line(shifted, slab * 1.6, 0.012, footprint))
    tone = 0.60 + 0.07 * (lattice(np.floor(shifted / (slab * 1.6)), row, seed) - 0.5)
    tone += 0.10 * (noise(t * 0.5, s * 0.5, seed + 1) - 0.5) + 0.05 * (noise(t * 9, s * 9, seed + 2) - 0.5)
    tone -= 0.16 * joint
    surface: Array = tone[..., None] * np.array([1.02, 0.99, 0.94])
    return surface


def asphalt(t: Array, s: Array, seed: int) -> Array:
    """[..., 3]: worn asphalt with patches and fine grain."""
    tone = 0.36 + 0.06 * (noise(t * 0.4, s * 0.9, seed) - 0.5) + 0.07 * (noise(t * 14, s * 14, seed + 1) - 0.5)
    tone += np.where(noise(t * 0.25, s * 0.35, seed + 2) > 0.68, -0.035, 0.0)
    surface: Array = tone[..., None] * np.array([0.97, 0.99, 1.03])
    return surface


def facade(t: Array, y: Array, footprint: Array, seed: int, lamps: bool) -> Array:
    """[..., 3]: a row of houses 11 m wide, shops below and windows above; lit windows in the evening (``lamps``)."""
    house = np.floor(t / 11.0)
    pick = (lattice(house, house * 0, seed) * len(_PLASTER)).astype(int)
    colour = _PLASTER[pick]
    course = _line(y, 0.22, 0.02, footprint) * 0.06 + 0.05 * (noise(t * 1.3, y * 1.3, seed + 3) - 0.5)
    colour = colour * (1.0 - course - 0.10 * (noise(t * 6, y * 6, seed + 4) - 0.5))[..., None]
    colour = _windows(colour, t, y, house, seed, lamps)
    shops = (y < STOREY) & (y >= 0)
    colour[shops] = _shops(colour[shops], t[shops], y[shops], house[shops], seed, lamps)
    edge = np.abs(t / 11.0 - np.round(t / 11.0)) * 11.0 < 0.10
    colour[edge & (y > 0)] *= 0.72
    colour *= (0.72 + 0.28 * np.clip(y / 1.2, 0, 1))[..., None]  # the dirt and dark at a wall's foot
    return colour


def _windows(colour: Array, t: Array, y: Array, house: Array, seed: int, lamps: bool) -> Array:
    bay, storey = np.floor(t / 2.2), np.floor(y / STOREY)
    u, v = t - bay * 2.2 - 1.1, y - storey * STOREY
    upper = storey >= 1
    frame = upper & (np.abs(u) < 0.66) & (v > 0.78) & (v < 2.62)
    glass = frame & (np.abs(u) < 0.56) & (np.abs(u) > 0.035) & (v > 0.88) & (v < 2.52)
    sill = upper & (np.abs(u) < 0.76) & (v > 0.66) & (v <= 0.78)
    colour[frame] = (0.88, 0.87, 0.83)
    colour[sill] *= 1.18
    bay, storey, v = bay[glass], storey[glass], v[glass]
    on = (lattice(bay, storey, seed + 7) < 0.45) & lamps
    sky = 0.24 + 0.22 * np.clip((v - 0.9) / 1.6, 0, 1) + 0.10 * (lattice(bay, storey, seed + 5) - 0.5)
    pane = sky[..., None] * np.array([0.80, 0.95, 1.12])
    warm = (0.72 + 0.2 * lattice(bay, storey, seed + 6))[..., None] * np.array([1.25, 1.02, 0.66])
    colour[glass] = np.where(on[:, None], warm, pane)
    curtain = glass.copy()
    curtain[glass] = (np.abs(u[glass]) > 0.38) & (lattice(bay, storey, seed + 8) > 0.5)
    colour[curtain] = colour[curtain] * 0.5 + 0.35
    return colour


def _shops(colour: Array, t: Array, y: Array, house: Array, seed: int, lamps: bool) -> Array:
    bay = np.floor(t / 3.67)
    u = t - bay * 3.67 - 1.835
    paint = _AWNING[(lattice(house, house * 0 + 1, seed) * len(_AWNING)).astype(int)]
    front = (np.abs(u) < 1.62) & (y < 2.55)
    colour[front] = paint[front] * 0.75
    door = lattice(bay, bay * 0, seed + 9) < 0.3
    pane = front & (np.abs(u) < 1.48) & (np.abs(np.abs(u) - 0.5) > 0.03) & (y > np.where(door, 0.12, 0.62)) & (y < 2.4)
    along, up = t[pane], y[pane]
    goods = noise(along * 4.0, up * 3.0, seed + 10)
    inside = 0.20 + 0.30 * goods * (up < 1.5) + (0.35 if lamps else 0.06) * np.clip(up / 2.4, 0, 1)
    hue = 0.85 + 0.35 * np.stack([noise(along * 2.5, up * 2.5, seed + k) for k in (11, 12, 13)], axis=-1)
    tone = np.array([1.25, 1.02, 0.68]) * 1.25 if lamps else np.array([0.88, 0.97, 1.06])
    colour[pane] = inside[..., None] * hue * tone
    gleam = pane & (((u * 0.8 + y * 0.6) % 1.9) < 0.35)
    colour[gleam] = colour[gleam] * 0.85 + 0.10
    sign = (y > 2.62) & (y < 3.12) & (np.abs(t - house * 11 - 5.5) < 5.1)
    colour[sign] = paint[sign] * 0.9
    at = t - house * 11 - 5.5
    letters = (
        sign
        & (y > 2.74)
        & (y < 3.0)
        & (np.abs(at) < 1.9)
        & (lattice(np.floor(at / 0.16), np.floor(y / 0.13), seed + 14) > 0.42)
    )
    colour[letters & ((at / 0.32) % 1 > 0.18)] = (0.94, 0.90, 0.78)
    return colour
