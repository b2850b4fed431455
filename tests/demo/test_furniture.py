"""Things that stand in the street, as sprites."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from par_model.demo.camera import Camera
from par_model.demo.furniture import Furniture, Kind, draw_furniture
from par_model.demo.scenes import NOON

CAMERA = Camera(160, 90, height_m=2.0, pitch=0.0, fov=0.7)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_thing_stands_at_its_place_and_is_clipped_to_the_picture(kind: Kind) -> None:
    sprite = draw_furniture(Furniture(kind, 0.0, 9.0), CAMERA, NOON)
    assert sprite is not None
    height, width = sprite.rgba.shape[:2]
    assert sprite.depth == pytest.approx(9.0)
    assert sprite.left >= 0
    assert sprite.top >= 0
    assert sprite.left + width <= 160
    foot = 45 + CAMERA.focal * 2.0 / 9.0
    assert sprite.top + height == pytest.approx(foot, abs=6)
    coverage = sprite.rgba[..., 3]
    assert 0 <= coverage.min() <= coverage.max() == 1
    assert (sprite.rgba[..., :3] <= 255 * coverage[..., None] + 0.01).all(), "colour is times coverage"
    middle = sprite.left + (coverage.sum(axis=0) * np.arange(width)).sum() / coverage.sum()
    assert middle == pytest.approx(80, abs=12)
    assert np.array_equal(sprite.rgba, draw_furniture(Furniture(kind, 0.0, 9.0), CAMERA, NOON).rgba)  # type: ignore[union-attr]


def test_nearer_things_are_larger_and_colours_are_theirs() -> None:
    near, far = (draw_furniture(Furniture("car", 0.0, z, (0.8, 0.1, 0.1)), CAMERA, NOON) for z in (10.0, 20.0))
    assert near is not None
    assert far is not None
    assert near.rgba.shape[1] > 1.6 * far.rgba.shape[1]
    red, green, _ = near.rgba[..., :3].sum(axis=(0, 1))
    assert red > 1.3 * green


def test_what_is_beside_the_picture_has_no_sprite() -> None:
    assert draw_furniture(Furniture("bollard", 30.0, 8.0), CAMERA, NOON) is None
