"""Ground, houses and sky, and how much of a pixel is ground."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.demo.backdrop import Street, render_backdrop
from par_model.demo.camera import Camera
from par_model.demo.scenes import NOON, OVERCAST

CAMERA = Camera(64, 36, height_m=2.0, pitch=0.0, fov=0.7)
OPEN = Street("x", road=None, walls=(300.0,))


def test_below_the_horizon_is_ground_and_above_it_sky() -> None:
    colour, ground = render_backdrop(CAMERA, OPEN, NOON)
    assert (colour.shape, ground.shape) == ((36, 64, 3), (36, 64, 1))
    assert (ground[:18] == 0).all()
    assert (ground[20:] == 1).all()
    sky = colour[:10].mean(axis=(0, 1))
    assert sky[2] > sky[1] > sky[0]
    assert colour.min() >= 0
    assert colour.max() <= 255


def test_a_wall_stands_on_the_ground_where_it_is() -> None:
    _, ground = render_backdrop(CAMERA, Street("x", road=None, walls=(15.0,)), NOON)
    foot = 18 + CAMERA.focal * 2.0 / 15.0  # the row in which the ground meets a wall 15 m away
    assert ground[:, 32, 0].sum() == pytest.approx(36 - foot, abs=1)


def test_light_multiplies_colours_and_the_seed_changes_the_paving() -> None:
    bright, dark = (render_backdrop(CAMERA, OPEN, light)[0][25:].mean() for light in (NOON, OVERCAST))
    assert dark < bright
    one, other = (render_backdrop(CAMERA, Street("x", None, (300.0,), seed=seed), NOON)[0] for seed in (1, 2))
    assert np.abs(one - other).mean() > 0.2
    assert np.array_equal(one, render_backdrop(CAMERA, Street("x", None, (300.0,), seed=1), NOON)[0])
