"""Joints hang together, and stand on the ground."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.demo.appearance import Gait
from par_model.demo.pose import ANKLE, FOREARM, SHIN, THIGH, UPPER_ARM, pose

PHASES = st.floats(0, 2 * np.pi)
GAITS: st.SearchStrategy[Gait] = st.sampled_from(["walking", "running", "standing"])


def length(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


@given(gait=GAITS, phase=PHASES, carrying=st.sampled_from(["left", "right", "none"]), phone=st.booleans())
def test_limbs_keep_their_length_and_the_lower_foot_is_on_the_ground(
    gait: Gait, phase: float, carrying: str, phone: bool
) -> None:
    found = pose(gait, phase, carrying=carrying, phone=phone)
    for side in (0, 1):
        assert length(found.hips[side], found.knees[side]) == pytest.approx(THIGH)
        assert length(found.knees[side], found.ankles[side]) == pytest.approx(SHIN, rel=1e-3)
        assert length(found.shoulders[side], found.elbows[side]) == pytest.approx(UPPER_ARM, rel=0.01)
        assert length(found.elbows[side], found.wrists[side]) == pytest.approx(FOREARM, rel=0.05)
    lowest = min(min(ankle[1] - ANKLE, toe[1] - 0.012) for ankle, toe in zip(found.ankles, found.toes, strict=True))
    assert -1e-9 <= lowest <= 0.03 + 1e-9  # who runs is in the air for a part of each step
    assert gait == "running" or lowest == pytest.approx(0, abs=1e-9)


@given(gait=st.sampled_from(["walking", "running"]), phase=PHASES)
def test_half_a_cycle_later_the_other_leg_does_the_same(gait: Gait, phase: float) -> None:
    now, later = (pose(gait, p, carrying="none", phone=False) for p in (phase, phase + np.pi))
    right, left = now.knees[0] - now.hips[0], later.knees[1] - later.hips[1]
    assert right[1:] == pytest.approx(left[1:], abs=1e-9)


def test_the_arm_that_carries_swings_little_and_a_phone_is_held_by_the_free_hand() -> None:
    free, carrying = (pose("walking", np.pi / 2, carrying=hand, phone=False) for hand in ("none", "right"))
    ahead = [found.elbows[0][2] - found.shoulders[0][2] for found in (free, carrying)]
    assert abs(ahead[1]) < abs(ahead[0]) / 2
    held = pose("standing", 0.0, carrying="right", phone=True)
    assert held.wrists[1][1] > held.wrists[0][1] + 0.1


def test_a_point_on_the_trunk_leans_with_it() -> None:
    found = pose("running", 0.0, carrying="none", phone=False)
    assert found.lean == pytest.approx(0.24)
    assert found.on_trunk(0.1, 0.0, 0.0) == pytest.approx(found.hip + np.array([0.1, 0.0, 0.0]))
    above = found.on_trunk(0.0, 0.3, 0.0) - found.hip
    assert above == pytest.approx([0.0, 0.3 * np.cos(0.24), 0.3 * np.sin(0.24)])
