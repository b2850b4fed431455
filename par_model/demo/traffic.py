"""Who walks through a scene, when, and how: paths over the ground, in seconds and metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import Appearance, Gait, draw_appearance
from par_model.demo.config import StreetConfig
from par_model.demo.pose import STRIDE_M
from par_model.demo.scenes import Lane, Scene

_APPEAR_S = 0.5
_TURN_S = 0.6  # to turn round when stopping or going on


class Moment(NamedTuple):
    """One person at one time. ``leg`` counts the stretches of a path with one gait and one heading, from 0.

    presence: below 1 while somebody appears at the beginning of the path, or goes, as through a door.
    """

    x: float
    z: float
    heading: float
    gait: Gait
    phase: float
    leg: int
    speed: float
    presence: float


@dataclass(frozen=True)
class Walker:
    """A person on a straight path, who may stop once on the way.

    entry_s: when they are at ``start``. stop_m: the way they have gone when they stop for ``stop_s``, looking along
    ``stop_heading``; infinite for those who do not.
    """

    person_id: str
    split: str
    who: Appearance
    start: tuple[float, float]
    end: tuple[float, float]
    entry_s: float
    speed: float
    gait: Gait
    phase: float
    stop_m: float = np.inf
    stop_s: float = 0.0
    stop_heading: float = 0.0

    @property
    def length_m(self) -> float:
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))

    @property
    def exit_s(self) -> float:
        return self.entry_s + self.length_m / self.speed + self.stop_s

    def at(self, time_s: float) -> Moment | None:
        """Where they are, or None before they come and after they are gone."""
        if not self.entry_s <= time_s <= self.exit_s:
            return None
        way = (time_s - self.entry_s) * self.speed
        ahead = float(np.arctan2(self.end[0] - self.start[0], self.end[1] - self.start[1]))
        heading, gait, leg, speed = ahead, self.gait, 0, self.speed
        if way >= self.stop_m:
            waited = time_s - self.entry_s - self.stop_m / self.speed
            if waited < self.stop_s:
                turned = float(np.clip(min(waited, self.stop_s - waited) / _TURN_S, 0, 1))
                heading = ahead + turned * _wrap(self.stop_heading - ahead)
                way, gait, leg, speed = self.stop_m, "standing", 1, 0.0
            else:
                way, leg = way - self.stop_s * self.speed, 2
        share = way / self.length_m
        x = self.start[0] + share * (self.end[0] - self.start[0])
        z = self.start[1] + share * (self.end[1] - self.start[1])
        stride = STRIDE_M[gait] * self.who.height_m / 1.75
        phase = self.phase + (2 * np.pi * way / stride if gait != "standing" else 1.6 * time_s)
        presence = float(np.clip(min(time_s - self.entry_s, self.exit_s - time_s) / _APPEAR_S, 0, 1))
        return Moment(float(x), float(z), heading, gait, float(phase), leg, speed, presence)


def draw_walkers(rng: np.random.Generator, scene: Scene, config: StreetConfig, schema: AttributeSchema) -> list[Walker]:
    """Everybody who passes a scene during the video, those included who are on their way when it begins."""
    lead_s = 14.0
    expected = config.people_per_minute * scene.crowd / 60 * (config.seconds + lead_s)
    shares = np.array([lane.share for lane in scene.lanes])
    walkers: list[Walker] = []
    while len(walkers) < round(expected):
        lane = scene.lanes[int(rng.choice(len(shares), p=shares / shares.sum()))]
        size = int(rng.integers(2, 4)) if rng.random() < config.difficulty.group_share / 1.7 else 1
        entry = float(rng.uniform(-lead_s, config.seconds))
        walkers += _draw_group(rng, scene, lane, size, entry, config, schema, len(walkers))
    return walkers


def _draw_group(
    rng: np.random.Generator,
    scene: Scene,
    lane: Lane,
    size: int,
    entry_s: float,
    config: StreetConfig,
    schema: AttributeSchema,
    first: int,
) -> list[Walker]:
    """People who go together, side by side: they share lane, sense, speed and stop."""
    start, end = np.array(lane.start), np.array(lane.end)
    if rng.random() < 0.5:
        start, end = end, start
    forward = (end - start) / np.linalg.norm(end - start)
    beside = np.array([forward[1], -forward[0]])
    runs = bool(rng.random() < config.run_share)
    speed = float(rng.uniform(2.5, 3.3) if runs else rng.uniform(1.05, 1.5))
    length = float(np.linalg.norm(end - start))
    stops = not runs and bool(rng.random() < config.stop_share)
    stop_m = float(rng.uniform(0.30, 0.72)) * length if stops else np.inf
    stop_s = float(rng.uniform(5.0, 16.0)) if stops else 0.0
    off = float(rng.normal(0, lane.spread * 0.6))
    walkers = []
    for k in range(size):
        shift = beside * (off + 0.55 * (k - (size - 1) / 2)) + forward * float(rng.normal(0, 0.22 if size > 1 else 0))
        a, b = start + shift, end + shift
        stop_at = a + forward * (stop_m if stops else 0)
        look = scene.camera.bearing(float(stop_at[0]), float(stop_at[1]))
        look += float(rng.integers(4)) * np.pi / 2 + float(np.clip(rng.normal(0, 0.15), -0.35, 0.35))
        walkers.append(
            Walker(
                person_id=f"{scene.name}-{first + k:04d}",
                split=str(rng.choice(["train", "val", "test"], p=config.splits)),
                who=draw_appearance(rng, schema),
                start=(float(a[0]), float(a[1])),
                end=(float(b[0]), float(b[1])),
                entry_s=entry_s,
                speed=speed,
                gait="running" if runs else "walking",
                phase=float(rng.uniform(0, 2 * np.pi)),
                stop_m=stop_m,
                stop_s=stop_s,
                stop_heading=look,
            )
        )
    return walkers


def _wrap(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
