"""From what a film shows to ground-truth tracklets.

A tracklet is one stretch of one person's way with one gait: it begins when the person comes into the picture, and ends
when they leave it, stop, or go on after a stop. Boxes are as human annotators draw them: the whole figure with all that
it wears and carries, hidden parts included, clipped to the picture. A frame has no box where less than MIN_SHOWN of the
figure is visible, less than MIN_INSIDE is inside the picture, or the figure is smaller than configured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import Direction, Gait
from par_model.demo.camera import Camera
from par_model.demo.config import StreetConfig
from par_model.demo.evidence import evidence, per_class
from par_model.demo.film import Sighting
from par_model.demo.traffic import Walker

MIN_SHOWN = 0.12
MIN_INSIDE = 0.25
HIDDEN = 0.5  # a frame counts as hidden when more than this share of what is inside the picture is covered
_DIRECTIONS: tuple[Direction, ...] = ("away", "right", "toward", "left")  # by quarter turns from the line of sight


@dataclass
class FilmedTrack:
    """One tracklet in the making.

    frames: indices with a box; boxes: left, top, width, height in pixels, clipped to the picture.
    visible: int32 [C], frames that show evidence for each class. hidden: indices where the person is mostly covered,
    frames without a box included. turns: heading relative to the line of sight, radians, a frame each.
    """

    walker: Walker
    leg: int
    gait: Gait
    visible: NDArray[np.int32]
    frames: list[int] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)

    @property
    def hidden_frames(self) -> int:
        """Frames from the first box to the last in which the person is mostly covered."""
        return sum(self.frames[0] <= frame <= self.frames[-1] for frame in self.hidden)

    @property
    def mean_turn(self) -> float:
        """Heading relative to the line of sight, radians clockwise: 0 goes away from the camera."""
        return float(np.arctan2(np.sin(self.turns).mean(), np.cos(self.turns).mean()))

    @property
    def direction(self) -> Direction:
        return _DIRECTIONS[round(self.mean_turn / (np.pi / 2)) % 4]


class Tracker:
    """Collects the sightings of one camera's film, frame by frame."""

    def __init__(self, config: StreetConfig, camera: Camera, walkers: list[Walker], schema: AttributeSchema) -> None:
        self.config, self.camera, self.walkers, self.schema = config, camera, walkers, schema
        self._tracks: dict[tuple[int, int], FilmedTrack] = {}

    def add(self, frame: int, sighting: Sighting) -> None:
        drawn, inside, visible = (int(n.sum()) for n in (sighting.drawn, sighting.inside, sighting.visible))
        if sighting.box[3] < self.config.min_height_px or inside < MIN_INSIDE * drawn or drawn == 0:
            return
        walker, moment = self.walkers[sighting.walker], sighting.moment
        key = (sighting.walker, moment.leg)
        if key not in self._tracks:
            empty = np.zeros(self.schema.num_classes, np.int32)
            self._tracks[key] = FilmedTrack(walker, moment.leg, moment.gait, empty)
        track = self._tracks[key]
        if inside - visible > HIDDEN * inside:
            track.hidden.append(frame)
        if visible < MIN_SHOWN * drawn:
            return
        track.frames.append(frame)
        track.boxes.append(self._clip(sighting.box))
        track.turns.append(moment.heading - self.camera.bearing(moment.x, moment.z))
        track.visible += per_class(self.schema, evidence(walker.who, sighting.visible, sighting.drawn))

    def tracks(self) -> list[FilmedTrack]:
        """All tracklets that are long enough, by first frame."""
        long_enough = [track for track in self._tracks.values() if len(track.frames) >= self.config.min_boxes]
        return sorted(long_enough, key=lambda track: (track.frames[0], track.walker.person_id, track.leg))

    def _clip(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        left, top = max(0.0, box[0]), max(0.0, box[1])
        right, bottom = min(float(self.camera.width), box[0] + box[2]), min(float(self.camera.height), box[1] + box[3])
        return left, top, right - left, bottom - top
