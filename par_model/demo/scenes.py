"""The scenes that cameras watch: streets, what stands in them, the light, and the ways people take.

Four scenes, taken in turn by as many cameras as wanted; a later round of the same scene gets other houses and cars,
another light, slightly other optics, and left and right exchanged for half of them, by the camera's random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from par_model.demo.appearance import Colour
from par_model.demo.backdrop import Street
from par_model.demo.camera import Camera, Light
from par_model.demo.furniture import Furniture

Point2D = tuple[float, float]  # x, z in metres


@dataclass(frozen=True)
class Lane:
    """A straight way from ``start`` to ``end``, walked both ways. ``share`` weighs lanes, ``spread`` is in metres."""

    start: Point2D
    end: Point2D
    share: float = 1.0
    spread: float = 0.5


@dataclass(frozen=True)
class Scene:
    """One camera's world. ``crowd`` multiplies the configured number of people."""

    name: str
    camera: Camera
    light: Light
    street: Street
    furniture: tuple[Furniture, ...]
    lanes: tuple[Lane, ...]
    crowd: float = 1.0
    hour: float = 12.0


MORNING = Light(0.96, (1.04, 0.99, 0.92), (0.75, 0.30), -0.8, 0.42, (0.42, 0.60, 0.86), (0.84, 0.86, 0.86))
NOON = Light(1.02, (1.00, 1.00, 0.98), (-0.35, 0.30), 0.4, 0.48, (0.36, 0.56, 0.88), (0.76, 0.85, 0.93))
OVERCAST = Light(0.90, (0.97, 1.00, 1.03), (0.05, 0.04), -0.2, 0.26, (0.66, 0.70, 0.75), (0.82, 0.84, 0.86))
EVENING = Light(0.74, (1.07, 0.98, 0.90), (0.30, -0.25), 0.6, 0.30, (0.16, 0.20, 0.36), (0.55, 0.44, 0.44), lamps=True)


def _market(width: int, height: int) -> Scene:
    """The crowded one: a pedestrian street seen from little over head height."""
    camera = Camera(width, height, height_m=2.4, pitch=0.085, fov=0.68, yaw=0.06)
    things = (
        Furniture("stall", -3.6, 12.6, (0.70, 0.20, 0.18)),
        Furniture("stall", 3.9, 12.7, (0.18, 0.38, 0.56)),
        Furniture("tree", 0.5, 10.0, size=0.95),
        Furniture("lamp", -2.2, 6.6),
        Furniture("planter", 3.5, 6.2, (0.50, 0.47, 0.43), size=1.1),
        Furniture("column", -4.4, 10.15),
    )
    lanes = (
        Lane((-9.5, 7.6), (9.5, 7.9), 2.4, 0.55),
        Lane((-10.5, 9.1), (10.5, 9.0), 2.4, 0.6),
        Lane((-11.5, 11.2), (11.5, 11.0), 1.6, 0.5),
        Lane((-1.2, 14.2), (-0.7, 3.6), 1.3, 0.9),
        Lane((2.4, 14.2), (1.3, 3.6), 1.2, 0.7),
    )
    street = Street("x", road=None, walls=(15.0,), slab=0.42, seed=3)
    return Scene("market", camera, OVERCAST, street, things, lanes, crowd=4.0, hour=11.0)


def _crossing(width: int, height: int) -> Scene:
    """Across a road with a zebra crossing, from a first floor."""
    camera = Camera(width, height, height_m=4.3, pitch=0.27, fov=0.68, yaw=-0.08)
    things = (
        Furniture("car", -6.4, 10.9, (0.52, 0.12, 0.12)),
        Furniture("car", 5.6, 11.0, (0.75, 0.76, 0.78)),
        Furniture("sign", -2.7, 7.2),
        Furniture("tree", 3.5, 7.0, size=0.85),
        Furniture("bollard", 1.9, 7.15),
        Furniture("bollard", -2.0, 7.15),
        Furniture("lamp", 2.5, 12.15),
        Furniture("planter", -4.6, 7.2, (0.55, 0.50, 0.46)),
    )
    lanes = (
        Lane((-8.5, 6.3), (8.5, 6.3), 1.6, 0.30),
        Lane((-12, 12.7), (11.5, 12.7), 1.4, 0.4),
        Lane((-0.6, 14.4), (-0.4, 4.0), 1.8, 0.7),
        Lane((0.7, 14.4), (0.5, 4.0), 1.2, 0.6),
    )
    street = Street("x", road=(7.6, 11.9), walls=(14.6,), crossing=(-1.7, 1.7), slab=0.6, seed=11)
    return Scene("crossing", camera, MORNING, street, things, lanes, crowd=1.0, hour=8.5)


def _avenue(width: int, height: int) -> Scene:
    """Along a street: people come and go on the pavements and cross in front."""
    camera = Camera(width, height, height_m=3.2, pitch=0.15, fov=0.70, yaw=0.0, x_m=-0.6)
    things = (
        Furniture("car", 1.45, 17.5, (0.16, 0.24, 0.42), "z"),
        Furniture("van", 1.4, 26.5, (0.82, 0.82, 0.80), "z"),
        Furniture("car", 1.45, 33.5, (0.35, 0.35, 0.36), "z"),
        Furniture("tree", -2.65, 13.0, size=0.9),
        Furniture("tree", -2.65, 20.0),
        Furniture("tree", -2.65, 28.0),
        Furniture("lamp", 2.7, 13.2),
        Furniture("bollard", -2.55, 8.3),
        Furniture("sign", -2.6, 7.2),
        Furniture("bollard", 2.65, 8.3),
    )
    lanes = (
        Lane((-4.4, 24.0), (-3.6, 3.0), 2.4, 0.6),
        Lane((3.6, 24.0), (3.3, 4.0), 1.8, 0.4),
        Lane((-5.8, 9.5), (5.6, 9.5), 2.0, 0.7),
        Lane((-5.8, 10.9), (5.5, 10.9), 1.2, 0.5),
    )
    street = Street("z", road=(-2.3, 2.4), walls=(-6.2, 5.8), crossing=(8.6, 11.6), slab=0.5, seed=23)
    return Scene("avenue", camera, NOON, street, things, lanes, crowd=1.1, hour=13.25)


def _corner(width: int, height: int) -> Scene:
    """Shops in the evening, behind a row of parked cars."""
    camera = Camera(width, height, height_m=3.3, pitch=0.17, fov=0.66, yaw=0.10)
    things = (
        Furniture("car", -3.4, 5.6, (0.20, 0.33, 0.30)),
        Furniture("car", 5.0, 5.6, (0.60, 0.60, 0.62)),
        Furniture("lamp", 2.1, 6.95),
        Furniture("bollard", -0.3, 6.95),
        Furniture("planter", -5.2, 10.6, (0.40, 0.38, 0.37), size=1.2),
        Furniture("tree", 6.2, 8.4, size=0.9),
    )
    lanes = (
        Lane((-9.0, 7.9), (10.5, 7.9), 2.0, 0.4),
        Lane((-10.0, 9.3), (11.0, 9.2), 2.0, 0.45),
        Lane((1.0, 11.2), (0.9, 3.4), 1.4, 0.45),
    )
    street = Street("x", road=(2.0, 7.1), walls=(11.9,), slab=0.5, seed=37)
    return Scene("corner", camera, EVENING, street, things, lanes, crowd=1.0, hour=19.5)


_SCENES = (_market, _crossing, _avenue, _corner)
_LIGHTS = (OVERCAST, MORNING, NOON, EVENING)
_CARS: tuple[Colour, ...] = (
    (0.52, 0.12, 0.12),
    (0.75, 0.76, 0.78),
    (0.16, 0.24, 0.42),
    (0.20, 0.33, 0.30),
    (0.12, 0.12, 0.13),
    (0.60, 0.55, 0.45),
)


def scene_of(camera_number: int, width: int, height: int, rng: np.random.Generator) -> Scene:
    """The scene of the n-th camera (from 0). The first four are as written above."""
    scene = _SCENES[camera_number % len(_SCENES)](width, height)
    round_number = camera_number // len(_SCENES)
    if round_number == 0:
        return scene
    if rng.random() < 0.5:
        scene = _mirrored(scene)
    light = _LIGHTS[int(rng.integers(len(_LIGHTS)))]
    light = light._replace(gain=light.gain * float(rng.uniform(0.92, 1.08)), side=float(rng.uniform(-0.9, 0.9)))
    camera = replace(
        scene.camera,
        height_m=scene.camera.height_m * float(rng.uniform(0.94, 1.12)),
        yaw=scene.camera.yaw + float(rng.uniform(-0.05, 0.05)),
        fov=scene.camera.fov * float(rng.uniform(0.97, 1.05)),
    )
    street = replace(scene.street, seed=int(rng.integers(1, 1000)), slab=float(rng.uniform(0.4, 0.65)))
    things = tuple(
        replace(thing, colour=_CARS[int(rng.integers(len(_CARS)))]) if thing.kind in ("car", "van") else thing
        for thing in scene.furniture
    )
    name = f"{scene.name}-{round_number + 1}"
    return replace(scene, name=name, camera=camera, light=light, street=street, furniture=things)


def _mirrored(scene: Scene) -> Scene:
    """The same scene with left and right exchanged."""

    def flip(span: tuple[float, float]) -> tuple[float, float]:
        return -span[1], -span[0]

    street = scene.street
    if street.axis == "x":
        street = replace(street, crossing=flip(street.crossing) if street.crossing else None)
    else:
        walls = tuple(sorted(-wall for wall in street.walls))
        street = replace(street, walls=walls, road=flip(street.road) if street.road else None)
    return replace(
        scene,
        camera=replace(scene.camera, yaw=-scene.camera.yaw, x_m=-scene.camera.x_m),
        light=scene.light._replace(sun=(-scene.light.sun[0], scene.light.sun[1]), side=-scene.light.side),
        street=street,
        furniture=tuple(replace(thing, x_m=-thing.x_m) for thing in scene.furniture),
        lanes=tuple(
            replace(lane, start=(-lane.start[0], lane.start[1]), end=(-lane.end[0], lane.end[1]))
            for lane in scene.lanes
        ),
    )
