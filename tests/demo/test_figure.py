"""Figures against their labels: what is worn shows, in its colour, where it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import Appearance, draw_appearance
from par_model.demo.body import NUM_PARTS, Part, Stance, build_body
from par_model.demo.camera import Camera
from par_model.demo.evidence import evidence
from par_model.demo.figure import SHADES, Figure, capsule_outlines, draw_figure, paint
from par_model.demo.pose import pose
from par_model.demo.scenes import NOON

CAMERA = Camera(640, 360, height_m=2.2, pitch=0.08, fov=0.7)
PLAIN = NOON._replace(gain=1.0, tint=(1.0, 1.0, 1.0))
AWAY, RIGHT, TOWARD = 0.0, np.pi / 2, np.pi


def person(schema: AttributeSchema, seed: int = 0, **changes: object) -> Appearance:
    bare = {"backpack": False, "shoulder_bag": "none", "hand_bag": "none", "hat": "none", "long_hair": False}
    return replace(draw_appearance(np.random.default_rng(seed), schema), **{**bare, **changes})  # type: ignore[arg-type]


def figure(who: Appearance, heading: float, phase: float = 0.5, x: float = 0.0, z: float = 8.0) -> Figure:
    body = build_body(who, pose("walking", phase, carrying=who.hand_bag, phone=False))
    drawn = draw_figure(body, Stance(x, z, heading, who.height_m), CAMERA, PLAIN)
    assert drawn is not None
    return drawn


def share(drawn: Figure, *parts: Part) -> float:
    """Share of the silhouette that shows these parts."""
    counts = np.bincount(drawn.parts().ravel(), minlength=NUM_PARTS)
    return float(counts[list(parts)].sum() / counts[1:].sum())


@pytest.mark.parametrize("seed", range(8))
def test_torso_and_legs_have_the_labelled_colours(schema: AttributeSchema, seed: int) -> None:
    who = person(schema, seed, short_bottoms=False)
    drawn = figure(who, TOWARD)
    rgba, parts = drawn.develop(paint(who, PLAIN)), drawn.parts()
    for part, colour in ((Part.TOP, who.top), (Part.BOTTOM, who.bottom)):
        inside = (parts == part) & (rgba[..., 3] > 0.99)
        seen = rgba[inside][:, :3].mean(axis=0) / 255
        # Shading changes the brightness by a tenth; the hue stays.
        assert np.abs(seen - np.array(colour)).max() < 0.12


def test_a_backpack_covers_the_back_and_only_its_straps_show_in_front(schema: AttributeSchema) -> None:
    who = person(schema, backpack=True)
    pack = (Part.BACKPACK, Part.BACKPACK_TRIM)
    assert share(figure(who, AWAY), *pack) > 0.10
    assert share(figure(who, RIGHT), *pack) > 0.06
    assert share(figure(who, TOWARD), *pack) < 0.01
    assert share(figure(who, TOWARD), Part.BACKPACK_STRAP) > 0.02


def test_bags_show_from_their_side(schema: AttributeSchema) -> None:
    bag = (Part.SHOULDER_BAG, Part.SHOULDER_BAG_TRIM)
    near, far = person(schema, shoulder_bag="right"), person(schema, shoulder_bag="left")
    assert share(figure(near, RIGHT), *bag) > 0.06
    assert share(figure(near, RIGHT), *bag) > 1.5 * share(figure(far, RIGHT), *bag)
    assert share(figure(near, TOWARD), Part.SHOULDER_STRAP) > 0.02
    assert share(figure(person(schema, hand_bag="right"), RIGHT), Part.HAND_BAG) > 0.04


def test_the_face_shows_to_whom_it_looks(schema: AttributeSchema) -> None:
    who = person(schema)
    assert share(figure(who, TOWARD), Part.FACE) > 4 * share(figure(who, AWAY), Part.FACE)
    assert share(figure(who, AWAY), Part.EYES) == 0


def test_long_hair_and_hats_take_more_of_the_picture(schema: AttributeSchema) -> None:
    short, long = person(schema), person(schema, long_hair=True)
    for heading in (AWAY, RIGHT, TOWARD):
        assert share(figure(long, heading), Part.HAIR) > 1.5 * share(figure(short, heading), Part.HAIR)
        assert share(figure(person(schema, hat="brim"), heading), Part.HAT) > 0.015


def test_sleeves_are_skin_or_cloth(schema: AttributeSchema) -> None:
    for bare in (True, False):
        who = person(schema, short_sleeves=bare, short_bottoms=bare)
        table = np.frombuffer(paint(who, PLAIN), np.uint8).reshape(256, 4)
        for part, colour in (
            (Part.FOREARM, who.skin if bare else who.top),
            (Part.SHIN, who.skin if bare else who.bottom),
        ):
            assert table[part * SHADES + SHADES - 1, :3] / 255 == pytest.approx(np.array(colour), abs=0.04)


def test_a_vest_covers_the_trunk_and_leaves_the_sleeves(schema: AttributeSchema) -> None:
    """So the colour of the top is to be seen where the sleeves are."""
    plain, vested = person(schema), person(schema, vest=True)
    tables = [np.frombuffer(paint(who, PLAIN), np.uint8).reshape(-1, SHADES, 4) for who in (plain, vested)]
    changed = [part for part in range(NUM_PARTS) if not np.array_equal(tables[0][part], tables[1][part])]
    assert changed == [Part.TOP]
    counts = figure(vested, 0.0).parts()
    drawn = np.bincount(counts.ravel(), minlength=NUM_PARTS)
    trunk_alone = np.where(np.arange(NUM_PARTS) == Part.SLEEVE, 0, drawn)
    assert evidence(plain, trunk_alone, drawn)["top_color"]
    assert not evidence(vested, trunk_alone, drawn)["top_color"]
    assert evidence(vested, drawn, drawn)["top_color"]
    assert evidence(vested, drawn, drawn)["vest"]


def test_the_box_is_tight_around_the_silhouette(schema: AttributeSchema) -> None:
    drawn = figure(person(schema), RIGHT)
    rows, columns = np.nonzero(drawn.parts())
    left, top, width, height = drawn.box
    assert drawn.left + columns.min() >= left - 1
    assert drawn.top + rows.min() >= top - 1
    assert drawn.left + columns.max() + 1 <= left + width + 1
    assert drawn.top + rows.max() + 1 <= top + height + 1
    assert drawn.left + columns.min() == pytest.approx(left, abs=1.0)
    assert drawn.top + rows.max() + 1 == pytest.approx(top + height, abs=1.0)


def test_height_in_pixels_follows_the_pinhole(schema: AttributeSchema) -> None:
    level = Camera(640, 360, height_m=0.9, pitch=0.0, fov=0.7)
    who = person(schema, height_m=1.75)
    body = build_body(who, pose("standing", 0.0, carrying="none", phone=False))
    drawn = draw_figure(body, Stance(0.0, 10.0, TOWARD, who.height_m), level, PLAIN)
    assert drawn is not None
    assert drawn.box[3] == pytest.approx(level.focal * 1.75 / 10.0, rel=0.05)
    assert drawn.box[1] + drawn.box[3] == pytest.approx(180 + level.focal * 0.9 / 10.0, abs=3)


def test_nobody_is_drawn_beside_the_picture_or_behind_the_camera(schema: AttributeSchema) -> None:
    body = build_body(person(schema), pose("walking", 0.0, carrying="none", phone=False))
    assert draw_figure(body, Stance(9.0, 8.0, RIGHT, 1.7), CAMERA, PLAIN) is None
    assert draw_figure(body, Stance(0.0, -3.0, RIGHT, 1.7), CAMERA, PLAIN) is None


def test_capsule_outline_is_a_stadium() -> None:
    ends = np.array([[[10.0, 0.0], [20.0, 0.0]]])
    outline = capsule_outlines(ends, np.array([[2.0, 2.0]]))[0]
    assert outline.min(axis=0) == pytest.approx([8.0, -2.0], abs=0.15)
    assert outline.max(axis=0) == pytest.approx([22.0, 2.0], abs=0.15)
    off_axis = np.clip(outline[:, 0], 10, 20) - outline[:, 0]
    assert np.hypot(off_axis, outline[:, 1]) == pytest.approx(np.full(len(outline), 2.0))
