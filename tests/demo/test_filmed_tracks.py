"""Tracklets from sightings made by hand, and evidence from counts made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import draw_appearance
from par_model.demo.body import NUM_PARTS, Part
from par_model.demo.camera import Camera
from par_model.demo.config import StreetConfig
from par_model.demo.film import Sighting
from par_model.demo.filmed_tracks import Tracker
from par_model.demo.traffic import Walker

CAMERA = Camera(640, 360, height_m=2.0, pitch=0.0, fov=0.7)


def walker(schema: AttributeSchema, **changes: object) -> Walker:
    who = draw_appearance(np.random.default_rng(1), schema)
    made = Walker("p-0000", "train", who, (-6.0, 8.0), (6.0, 8.0), 2.0, 1.5, "walking", 0.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def sighting(who: Walker, time_s: float, visible: int, inside: int = 100, left: float = 300.0) -> Sighting:
    """100 pixels of top are drawn; some are inside the picture, some of those visible."""
    moment = who.at(time_s)
    assert moment is not None

    def counts(n: int) -> np.ndarray:
        return np.bincount([Part.TOP] * n, minlength=NUM_PARTS)

    return Sighting(0, moment, (left, 100.0, 40.0, 90.0), counts(100), counts(inside), counts(visible))


def test_hidden_frames_have_no_box_and_are_counted(schema: AttributeSchema) -> None:
    who = walker(schema)
    tracker = Tracker(StreetConfig(min_boxes=3), CAMERA, [who], schema)
    for frame, visible in enumerate([100, 90, 30, 5, 0, 60, 100]):
        tracker.add(frame, sighting(who, 4.0 + frame / 12, visible))
    (track,) = tracker.tracks()
    assert track.frames == [0, 1, 2, 5, 6]
    assert track.hidden_frames == 3  # frames 2, 3 and 4
    assert track.direction == "right"


def test_who_has_all_but_left_the_picture_has_no_box(schema: AttributeSchema) -> None:
    who = walker(schema)
    tracker = Tracker(StreetConfig(min_boxes=1), CAMERA, [who], schema)
    tracker.add(0, sighting(who, 4.0, visible=30, inside=30, left=620.0))
    tracker.add(1, sighting(who, 4.1, visible=20, inside=20, left=630.0))
    (track,) = tracker.tracks()
    assert track.frames == [0]
    assert track.boxes == [(620.0, 100.0, 20.0, 90.0)]  # clipped
    assert track.hidden_frames == 0


def test_short_tracklets_are_left_out(schema: AttributeSchema) -> None:
    who = walker(schema)
    tracker = Tracker(StreetConfig(min_boxes=2), CAMERA, [who], schema)
    tracker.add(0, sighting(who, 4.0, 100))
    assert tracker.tracks() == []
