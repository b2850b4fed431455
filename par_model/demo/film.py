"""One camera's film: every frame's picture, and who is where in it.

The still street is drawn once. In each frame shadows darken it, then people and the things before them are laid over
it from far to near; a second buffer keeps whose pixel each one is, and of which part of the body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from par_model.attributes import AttributeSchema
from par_model.demo.backdrop import render_backdrop
from par_model.demo.body import NUM_PARTS, Body, Stance, build_body
from par_model.demo.config import StreetConfig
from par_model.demo.figure import Figure, draw_figure, paint
from par_model.demo.furniture import Sprite, draw_furniture
from par_model.demo.lens import Sensor, smear, soften
from par_model.demo.pose import pose
from par_model.demo.scenes import Scene, scene_of
from par_model.demo.shadow import cast_shadow, darken, furniture_shadow
from par_model.demo.traffic import Moment, Walker, draw_walkers

Counts = NDArray[np.int64]
_NOBODY = -1


@dataclass(frozen=True, eq=False)
class Sighting:
    """One person in one frame.

    box: left, top, width, height in pixels, the whole figure, hidden or not, not clipped to the picture.
    drawn, inside, visible: pixels of each Part [NUM_PARTS]: of the whole figure, inside the picture, and not hidden.
    """

    walker: int
    moment: Moment
    box: tuple[float, float, float, float]
    drawn: Counts
    inside: Counts
    visible: Counts


@dataclass(frozen=True, eq=False)
class Frame:
    """picture: uint8 [height, width, 3]. owner: the walker at each pixel or -1; parts: their Part there."""

    picture: NDArray[np.uint8]
    owner: NDArray[np.int16]
    parts: NDArray[np.uint8]
    sightings: list[Sighting]


class Film:
    """The n-th camera of a street."""

    def __init__(self, config: StreetConfig, number: int, schema: AttributeSchema) -> None:
        self.config, self.number = config, number
        camera_number = config.first_camera + number
        noise = np.random.default_rng([config.seed, camera_number, 1])
        self.scene: Scene = _lit(
            scene_of(
                camera_number, config.width, config.height, np.random.default_rng([config.seed, camera_number, 2])
            ),
            config.tint,
        )
        traffic = np.random.default_rng([config.seed, camera_number, 3])
        lots = np.random.default_rng([config.seed, camera_number, 4])
        self.walkers: list[Walker] = [
            replace(walker, who=replace(walker.who, vest=bool(lots.random() < config.vest_share)))
            for walker in draw_walkers(traffic, self.scene, config, schema)
        ]
        scene = self.scene
        self._palettes = [paint(walker.who, scene.light) for walker in self.walkers]
        self._sprites = _sprites(scene)
        self._backdrop, self._ground = render_backdrop(scene.camera, scene.street, scene.light)
        for thing in scene.furniture:
            shade = furniture_shadow(thing, scene.camera, scene.light)
            if shade is not None:
                darken(self._backdrop, self._ground, *shade, strength=scene.light.shadow)
        for sprite in self._sprites:
            _lay(self._backdrop, sprite.rgba, sprite.left, sprite.top)
            target, source = _overlap(self._ground.shape[:2], sprite.rgba.shape[:2], sprite.left, sprite.top)
            self._ground[target] *= 1 - sprite.rgba[source][..., 3:]
        self._backdrop = soften(self._backdrop, config.difficulty.lens_blur_px)
        self._sprites = [replace(sprite, rgba=self._soft(sprite.rgba)) for sprite in self._sprites]
        self._sensor = Sensor(noise, config.width, config.height, config.difficulty.noise)

    def frames(self) -> Iterator[Frame]:
        """All frames in order."""
        for number in range(self.config.num_frames):
            yield self._render(number / self.config.fps)

    def _render(self, time_s: float) -> Frame:
        people = self._people(time_s)
        height, width = self.config.height, self.config.width
        canvas = self._backdrop.copy()
        owner = np.full((height, width), _NOBODY, np.int16)
        parts = np.zeros((height, width), np.uint8)
        light = self.scene.light
        for walker, moment, body, _ in people:
            shadow = cast_shadow(body, self._stance(walker, moment), self.scene.camera, light)
            if shadow is not None:
                darken(canvas, self._ground, *shadow, strength=light.shadow * moment.presence)
        drawn: list[tuple[int, Moment, Figure]] = []
        for walker, moment, _, figure in people:
            depth = self._depth(moment)
            blur = self._blur(moment, depth)
            rgba = self._soft(smear(figure.develop(self._palettes[walker]), blur)) * np.float32(moment.presence)
            _lay(canvas, rgba, figure.left, figure.top)
            if moment.presence == 1:
                drawn.append((walker, moment, figure))
                self._own(owner, parts, figure, walker)
            self._cover(canvas, owner, parts, figure, depth)
        picture = self._sensor.expose(canvas)
        sightings = [self._sight(owner, parts, *item) for item in drawn]
        return Frame(picture, owner, parts, sightings)

    def _soft(self, rgba: NDArray[np.float32]) -> NDArray[np.float32]:
        return soften(rgba, self.config.difficulty.lens_blur_px)

    def _people(self, time_s: float) -> list[tuple[int, Moment, Body, Figure]]:
        """Everybody in the picture, far to near."""
        found = []
        for number, walker in enumerate(self.walkers):
            moment = walker.at(time_s)
            if moment is None:
                continue
            who = walker.who
            body = build_body(who, pose(moment.gait, moment.phase, carrying=who.hand_bag, phone=who.phone))
            figure = draw_figure(body, self._stance(number, moment), self.scene.camera, self.scene.light)
            if figure is not None:
                found.append((number, moment, body, figure))
        return sorted(found, key=lambda item: -self._depth(item[1]))

    def _stance(self, walker: int, moment: Moment) -> Stance:
        return Stance(moment.x, moment.z, moment.heading, self.walkers[walker].who.height_m)

    def _depth(self, moment: Moment) -> float:
        _, depth = self.scene.camera.project(np.array([moment.x, 0.0, moment.z]))
        return float(depth)

    def _blur(self, moment: Moment, depth: float) -> float:
        """Pixels that a person moves sideways while the shutter is open."""
        right = self.scene.camera.axes[0]
        across = moment.speed * abs(right[0] * np.sin(moment.heading) + right[2] * np.cos(moment.heading))
        return float(across * self.config.difficulty.exposure_s * self.scene.camera.focal / depth)

    def _own(self, owner: NDArray[np.int16], parts: NDArray[np.uint8], figure: Figure, walker: int) -> None:
        mine = figure.parts()
        target, source = _overlap(owner.shape, mine.shape, figure.left, figure.top)
        seen = mine[source]
        inside = seen > 0
        owner[target][inside] = walker
        parts[target][inside] = seen[inside]

    def _cover(
        self,
        canvas: NDArray[np.float32],
        owner: NDArray[np.int16],
        parts: NDArray[np.uint8],
        figure: Figure,
        depth: float,
    ) -> None:
        """Lay the things that stand before a person over them again, inside the person's patch."""
        h, w = figure.index.shape[0] // figure.scale, figure.index.shape[1] // figure.scale
        left, top = max(0, figure.left), max(0, figure.top)
        right, bottom = figure.left + w, figure.top + h
        for sprite in self._sprites:
            if sprite.depth >= depth:
                continue
            a, b = max(left, sprite.left), max(top, sprite.top)
            c, d = min(right, sprite.left + sprite.rgba.shape[1]), min(bottom, sprite.top + sprite.rgba.shape[0])
            if a >= c or b >= d:
                continue
            patch = sprite.rgba[b - sprite.top : d - sprite.top, a - sprite.left : c - sprite.left]
            canvas[b:d, a:c] = canvas[b:d, a:c] * (1 - patch[..., 3:]) + patch[..., :3]
            hidden = patch[..., 3] > 0.5
            owner[b:d, a:c][hidden] = _NOBODY
            parts[b:d, a:c][hidden] = 0

    def _sight(
        self, owner: NDArray[np.int16], parts: NDArray[np.uint8], walker: int, moment: Moment, figure: Figure
    ) -> Sighting:
        mine = figure.parts()
        target, source = _overlap(owner.shape, mine.shape, figure.left, figure.top)

        def count(pixels: NDArray[np.uint8]) -> Counts:
            counts = np.bincount(pixels.ravel(), minlength=NUM_PARTS)
            counts[0] = 0
            return counts

        shown = np.where(owner[target] == walker, parts[target], np.uint8(0))
        return Sighting(walker, moment, figure.box, count(mine), count(mine[source]), count(shown))


def _lit(scene: Scene, tint: tuple[float, float, float]) -> Scene:
    """The scene in light of another colour."""
    red, green, blue = (own * more for own, more in zip(scene.light.tint, tint, strict=True))
    return replace(scene, light=scene.light._replace(tint=(red, green, blue)))


def _sprites(scene: Scene) -> list[Sprite]:
    """Everything that stands in the street, far to near."""
    drawn = [draw_furniture(thing, scene.camera, scene.light) for thing in scene.furniture]
    return sorted((sprite for sprite in drawn if sprite is not None), key=lambda sprite: -sprite.depth)


def _lay(canvas: NDArray[np.float32], rgba: NDArray[np.float32], left: int, top: int) -> None:
    """Colour times coverage over what is there."""
    target, source = _overlap(canvas.shape[:2], rgba.shape[:2], left, top)
    over = rgba[source]
    canvas[target] = canvas[target] * (1 - over[..., 3:]) + over[..., :3]


def _overlap(
    picture: tuple[int, ...], patch: tuple[int, ...], left: int, top: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch lies in the picture, and which part of the patch that is."""
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = max(y0, min(picture[0], top + patch[0])), max(x0, min(picture[1], left + patch[1]))
    return (slice(y0, y1), slice(x0, x1)), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
