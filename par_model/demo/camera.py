"""A pinhole camera over the street, and the light it sees.

World axes: x to the east, y up, z to the north, in metres; the ground is y = 0. Picture axes: u to the right, v down,
in pixels. Headings are radians clockwise from north, seen from above.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Light(NamedTuple):
    """Time of day. ``gain`` and ``tint`` multiply colours; ``sun`` is where shadows fall, metres per metre of height.

    ``side`` is the lit side in the picture, -1 left to 1 right; ``shadow`` the darkness of cast shadows in [0, 1].
    """

    gain: float
    tint: tuple[float, float, float]
    sun: tuple[float, float]
    side: float
    shadow: float
    sky_top: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    lamps: bool = False


@dataclass(frozen=True)
class Camera:
    """A camera ``height_m`` above (x_m, z_m), turned by ``yaw`` from north and by ``pitch`` down, radians.

    width, height: the picture in pixels; ``fov`` is its vertical angle of view in radians.
    """

    width: int
    height: int
    height_m: float
    pitch: float
    fov: float
    yaw: float = 0.0
    x_m: float = 0.0
    z_m: float = 0.0

    @cached_property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.height / 2 / float(np.tan(self.fov / 2))

    @cached_property
    def position(self) -> Array:
        return np.array([self.x_m, self.height_m, self.z_m])

    @cached_property
    def axes(self) -> Array:
        """[3, 3]: rows are the picture's right, the picture's up, and the line of sight, in world axes."""
        sin_y, cos_y, sin_p, cos_p = np.sin(self.yaw), np.cos(self.yaw), np.sin(self.pitch), np.cos(self.pitch)
        ahead, up = np.array([sin_y, 0.0, cos_y]), np.array([0.0, 1.0, 0.0])
        right = np.array([cos_y, 0.0, -sin_y])
        return np.stack([right, up * cos_p + ahead * sin_p, ahead * cos_p - up * sin_p])

    def project(self, points: Array) -> tuple[Array, Array]:
        """World points [..., 3] to pixels [..., 2] and depths [...] along the line of sight, in metres."""
        seen = (points - self.position) @ self.axes.T
        depth = np.maximum(seen[..., 2], 1e-3)
        u = self.width / 2 + self.focal * seen[..., 0] / depth
        v = self.height / 2 - self.focal * seen[..., 1] / depth
        return np.stack([u, v], axis=-1), seen[..., 2]

    def rays(self, scale: int) -> Array:
        """[height * scale, width * scale, 3]: the direction in world axes through each sub-pixel's centre."""
        u = (np.arange(self.width * scale) + 0.5) / scale - self.width / 2
        v = self.height / 2 - (np.arange(self.height * scale) + 0.5) / scale
        right, up, sight = self.axes
        points: Array = u[None, :, None] * right + v[:, None, None] * up + self.focal * sight
        return points

    def bearing(self, x: float, z: float) -> float:
        """Heading from the camera to a point on the ground."""
        return float(np.arctan2(x - self.x_m, z - self.z_m))
