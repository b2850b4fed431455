"""Shadows fall away from the light, on the ground alone."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import draw_appearance
from par_model.demo.body import Stance, build_body
from par_model.demo.camera import Camera
from par_model.demo.pose import pose
from par_model.demo.scenes import NOON
from par_model.demo.shadow import cast_shadow, darken

CAMERA = Camera(640, 360, height_m=2.2, pitch=0.08, fov=0.7)


def test_the_picture_darkens_where_shadow_and_ground_are() -> None:
    canvas = np.full((4, 5, 3), 100, np.float32)
    ground = np.ones((4, 5, 1), np.float32)
    ground[1, 1] = 0
    ground[2, 1] = 0.5
    darken(canvas, ground, np.ones((3, 3), np.float32), -1, 1, 0.4)
    expected = np.full((4, 5), 100.0)
    expected[1:, :2] = 60
    expected[1, 1], expected[2, 1] = 100, 80
    assert canvas[..., 0] == pytest.approx(expected)
    assert (canvas[..., 0] == canvas[..., 2]).all()


@pytest.mark.parametrize(("left", "top"), [(5, 0), (-3, 0), (0, 4), (0, -3)])
def test_a_shadow_beside_the_picture_changes_nothing(left: int, top: int) -> None:
    canvas = np.full((4, 5, 3), 100, np.float32)
    darken(canvas, np.ones((4, 5, 1), np.float32), np.ones((3, 3), np.float32), left, top, 1.0)
    assert (canvas == 100).all()


def test_a_person_casts_a_shadow_to_the_side_away_from_the_sun(schema: AttributeSchema) -> None:
    who = draw_appearance(np.random.default_rng(0), schema)
    body = build_body(who, pose("standing", 0.0, carrying="none", phone=False))
    middles = []
    for sun in ((1.0, 0.0), (-1.0, 0.0)):
        cast = cast_shadow(body, Stance(0.0, 10.0, 0.0, who.height_m), CAMERA, NOON._replace(sun=sun))
        assert cast is not None
        shadow, left, _ = cast
        assert 0.7 < shadow.max() <= 1
        middles.append(left + float((shadow.sum(axis=0) * np.arange(shadow.shape[1])).sum() / shadow.sum()))
    assert middles[0] > 320 + 10
    assert middles[1] < 320 - 10
    assert cast_shadow(body, Stance(0.0, 0.5, 0.0, who.height_m), CAMERA, NOON) is None
