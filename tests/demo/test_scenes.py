"""Scenes that cameras watch: four, then others of the same kinds."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.demo.scenes import Scene, _mirrored, scene_of


def scene(number: int, seed: int = 0) -> Scene:
    return scene_of(number, 640, 360, np.random.default_rng(seed))


def test_the_first_four_are_the_same_whatever_the_seed_and_later_ones_are_not() -> None:
    assert [scene(number).name for number in range(4)] == ["market", "crossing", "avenue", "corner"]
    assert [scene(number, 1) for number in range(4)] == [scene(number, 2) for number in range(4)]
    assert [scene(number).name for number in (4, 11)] == ["market-2", "corner-3"]
    assert scene(4, 1) == scene(4, 1)
    assert scene(4, 1) != scene(4, 2)


@pytest.mark.parametrize("number", range(4))
def test_exchanging_left_and_right_twice_changes_nothing(number: int) -> None:
    one = scene(number)
    other = _mirrored(one)
    assert _mirrored(other) == one
    assert other != one
    assert [(-lane.start[0], lane.start[1]) for lane in other.lanes] == [lane.start for lane in one.lanes]
    assert (other.camera.yaw, other.light.sun[0]) == (-one.camera.yaw, -one.light.sun[0])


@pytest.mark.parametrize("number", range(8))
def test_every_way_passes_before_the_camera_and_nothing_stands_behind_it(number: int) -> None:
    one = scene(number)
    for lane in one.lanes:
        way = np.linspace(lane.start, lane.end, 50)
        uv, depth = one.camera.project(np.stack([way[:, 0], np.ones(50), way[:, 1]], axis=-1))
        in_picture = (depth > 1) & (uv[:, 0] > 0) & (uv[:, 0] < 640) & (uv[:, 1] > 0) & (uv[:, 1] < 360)
        assert in_picture.sum() >= 5, lane
    assert all(thing.z_m > 1 for thing in one.furniture)
