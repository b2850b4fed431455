"""Tracklets from sightings made by hand, and evidence from counts made by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import draw_appearance
from par_model.demo.body import NUM_PARTS, Part
from par_model.demo.camera import Camera
from par_model.demo.config import StreetConfig
from par_model.demo.evidence import evidence, per_class
from par_model.demo.film import Sighting
from par_model.demo.scenes import scene_of
from par_model.demo.tracks import Tracker
from par_model.demo.traffic import Walker, draw_walkers

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


def test_a_walker_is_where_the_clock_says(schema: AttributeSchema) -> None:
    who = walker(schema)
    assert who.at(1.99) is None
    assert who.exit_s == pytest.approx(2.0 + 12 / 1.5)
    assert who.at(10.01) is None
    moment = who.at(6.0)
    assert moment is not None
    assert (moment.x, moment.z) == pytest.approx((0.0, 8.0))
    assert moment.heading == pytest.approx(np.pi / 2)
    assert (moment.gait, moment.leg, moment.speed, moment.presence) == ("walking", 0, 1.5, 1.0)


def test_a_stop_is_a_stretch_of_its_own(schema: AttributeSchema) -> None:
    who = walker(schema, stop_m=3.0, stop_s=5.0, stop_heading=np.pi)
    before, during, after = who.at(3.9), who.at(6.5), who.at(9.5)
    assert before is not None
    assert during is not None
    assert after is not None
    assert [m.leg for m in (before, during, after)] == [0, 1, 2]
    assert [m.gait for m in (before, during, after)] == ["walking", "standing", "walking"]
    assert during.x == pytest.approx(-3.0)
    assert during.heading == pytest.approx(np.pi)
    assert after.x == pytest.approx(-3.0 + 0.5 * 1.5)
    assert who.exit_s == pytest.approx(2.0 + 8.0 + 5.0)


def test_groups_walk_together_and_ids_are_unique(schema: AttributeSchema) -> None:
    config = StreetConfig()
    scene = scene_of(0, 640, 360, np.random.default_rng(0))
    walkers = draw_walkers(np.random.default_rng(2), scene, config, schema)
    assert len({w.person_id for w in walkers}) == len(walkers)
    together = sum(a.entry_s == b.entry_s for a, b in pairwise(walkers))
    assert 0.15 < together / len(walkers) < 0.65


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


def test_evidence_asks_for_the_region_that_decides(schema: AttributeSchema) -> None:
    base = draw_appearance(np.random.default_rng(1), schema)
    who = replace(base, backpack=True, shoulder_bag="none", hand_bag="right", short_bottoms=True)
    drawn = np.zeros(NUM_PARTS, np.int64)
    for part, pixels in {
        Part.FACE: 40, Part.HAIR: 40, Part.TOP: 300, Part.SLEEVE: 100, Part.FOREARM: 60, Part.HAND: 20,
        Part.BOTTOM: 200, Part.SHIN: 120, Part.SHOE: 40, Part.BACKPACK_STRAP: 30, Part.HAND_BAG: 50,
    }.items():  # fmt: skip
        drawn[part] = pixels
    assert all(evidence(who, drawn, drawn).values())
    upper = drawn.copy()
    upper[[Part.BOTTOM, Part.SHIN, Part.SHOE, Part.HAND, Part.HAND_BAG]] = 0
    shown = evidence(who, upper, drawn)
    assert {name for name, seen in shown.items() if not seen} == {"bottom_color", "short_bottoms", "hand_bag", "gait"}
    # 1.5 % of 1000 pixels decide about what is carried.
    straps = np.zeros_like(drawn)
    straps[Part.BACKPACK_STRAP] = 15
    assert evidence(who, straps, drawn)["backpack"]
    straps[Part.BACKPACK_STRAP] = 14
    assert not evidence(who, straps, drawn)["backpack"]
    # Without one, half of the trunk does: 165 of 330.
    without = replace(who, backpack=False)
    trunk = np.zeros_like(drawn)
    trunk[Part.TOP] = 165
    assert evidence(without, trunk, drawn)["backpack"]
    trunk[Part.TOP] = 164
    assert not evidence(without, trunk, drawn)["backpack"]


def test_evidence_is_repeated_for_each_class(schema: AttributeSchema) -> None:
    shown = {group.name: group.name == "gait" for group in schema.groups}
    flags = dict(zip(schema.score_fields, per_class(schema, shown).tolist(), strict=True))
    assert {name for name, flag in flags.items() if flag} == {"gait_walking", "gait_running", "gait_standing"}


def test_labels_are_in_the_schemas_order(schema: AttributeSchema) -> None:
    base = draw_appearance(np.random.default_rng(1), schema)
    who = replace(base, top_color="red", bottom_color="blue", short_sleeves=True, short_bottoms=False, long_hair=False,
                  hat="cap", backpack=False, shoulder_bag="left", hand_bag="none")  # fmt: skip
    labels = who.labels(schema, "toward", "running")
    assert {name for name, label in zip(schema.score_fields, labels, strict=True) if label} == {
        "top_color_red", "bottom_color_blue", "short_sleeves", "hat", "shoulder_bag", "direction_toward",
        "gait_running",
    }  # fmt: skip
    assert len(labels) == schema.num_classes


def test_a_camera_projects_as_a_pinhole_does() -> None:
    uv, depth = CAMERA.project(np.array([[0.0, 2.0, 10.0], [1.0, 1.0, 10.0]]))
    assert uv[0] == pytest.approx([320.0, 180.0])
    assert uv[1] == pytest.approx([320.0 + CAMERA.focal / 10, 180.0 + CAMERA.focal / 10])
    assert depth == pytest.approx([10.0, 10.0])
    assert CAMERA.focal == pytest.approx(180 / np.tan(0.35))
    turned = replace(CAMERA, yaw=np.pi / 2)
    uv, depth = turned.project(np.array([10.0, 2.0, 0.0]))
    assert uv == pytest.approx([320.0, 180.0])
    assert depth == pytest.approx(10.0)
    sight = CAMERA.rays(1)[180, 320]
    assert sight / np.linalg.norm(sight) == pytest.approx([0.0, 0.0, 1.0], abs=2e-3)
