"""Surfaces: each point has its colour, whichever others are asked for with it."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.demo.texture import STOREY, asphalt, facade, lattice, noise, paving


@pytest.fixture(scope="module")
def places() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-60, 60, 4000), rng.uniform(0, 14, 4000)


def test_noise_is_the_lattices_at_its_points_and_between_them_smooth() -> None:
    i, j = np.meshgrid(np.arange(-9.0, 9.0), np.arange(-4.0, 4.0))
    assert np.array_equal(noise(i, j, 7), lattice(i, j, 7))
    assert not np.array_equal(noise(i, j, 7), noise(i, j, 8))
    corners = np.stack([lattice(i + a, j + b, 7) for a in (0, 1) for b in (0, 1)])
    assert noise(i + 0.5, j + 0.5, 7) == pytest.approx(corners.mean(axis=0))
    assert np.abs(noise(i + 0.3 + 1e-6, j + 0.6, 7) - noise(i + 0.3, j + 0.6, 7)).max() < 1e-5


@pytest.mark.parametrize("lamps", [False, True])
def test_a_point_of_a_facade_does_not_depend_on_the_others(places: tuple[np.ndarray, np.ndarray], lamps: bool) -> None:
    along, up = places
    footprint = np.full(len(along), 0.02)
    whole = facade(along, up, footprint, 3, lamps)
    for some in (slice(0, 100), up >= STOREY, up < STOREY, np.zeros(len(up), bool)):
        assert np.array_equal(facade(along[some], up[some], footprint[some], 3, lamps), whole[some])
    lit = np.abs(whole - facade(along, up, footprint, 3, not lamps)).max(axis=1)
    assert 0.02 < (lit > 0).mean() < 0.6, "lamps change windows and shops, not walls"


def test_a_point_of_the_ground_does_not_depend_on_the_others(places: tuple[np.ndarray, np.ndarray]) -> None:
    along, across = places
    footprint = np.full(len(along), 0.02)
    assert np.array_equal(asphalt(along[::3], across[::3], 5), asphalt(along, across, 5)[::3])
    assert np.array_equal(
        paving(along[::3], across[::3], footprint[::3], 0.5, 5), paving(along, across, footprint, 0.5, 5)[::3]
    )
