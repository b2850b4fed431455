"""Where a walking, running or standing person's joints are.

A pose is in the person's own axes, in units of the person's height: across (to the person's right), up, ahead.
The gait cycle is a phase in radians; the right leg swings forward from -pi/2 to pi/2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from par_model.demo.appearance import Gait

Array = NDArray[np.float64]

THIGH, SHIN, FOOT = 0.245, 0.245, 0.125
UPPER_ARM, FOREARM, HAND = 0.172, 0.150, 0.05
HIP_ACROSS, SHOULDER_ACROSS = 0.052, 0.108
SPINE = 0.300  # hip to shoulder line
ANKLE = 0.038  # height of the ankle over the sole
STRIDE_M = {"walking": 1.36, "running": 2.5, "standing": 1.0}  # ground covered in one cycle, for 1.75 m of height


@dataclass(frozen=True)
class Pose:
    """Joints [3] each; tuples are (right, left). ``lean`` is the trunk's, radians forward."""

    hip: Array
    neck: Array
    lean: float
    knees: tuple[Array, Array]
    ankles: tuple[Array, Array]
    toes: tuple[Array, Array]
    hips: tuple[Array, Array]
    shoulders: tuple[Array, Array]
    elbows: tuple[Array, Array]
    wrists: tuple[Array, Array]
    hands: tuple[Array, Array]

    def on_trunk(self, across: float, up: float, ahead: float) -> Array:
        """A point on the leaning trunk, ``up`` measured from the hips along the spine."""
        sin, cos = np.sin(self.lean), np.cos(self.lean)
        points: Array = self.hip + np.array([across, up * cos - ahead * sin, up * sin + ahead * cos])
        return points


@dataclass(frozen=True)
class _Angles:
    """Radians. Thigh and upper arm from straight down, forward positive; knee backward, elbow forward."""

    thigh: tuple[float, float]
    knee: tuple[float, float]
    arm: tuple[float, float]
    elbow: tuple[float, float]
    lean: float
    lift: float


def _walking(phase: float) -> _Angles:
    def leg(p: float) -> tuple[float, float]:
        return 0.40 * float(np.sin(p)) + 0.03, 0.10 + 0.85 * max(0.0, float(np.cos(p + 0.35))) ** 2

    swing = 0.42 * float(np.sin(phase))
    (thigh_r, knee_r), (thigh_l, knee_l) = leg(phase), leg(phase + np.pi)
    return _Angles(
        (thigh_r, thigh_l), (knee_r, knee_l), (-swing, swing), (0.25 - swing * 0.3, 0.25 + swing * 0.3), 0.035, 0.0
    )


def _running(phase: float) -> _Angles:
    def leg(p: float) -> tuple[float, float]:
        return 0.80 * float(np.sin(p)) + 0.22, 0.35 + 1.55 * max(0.0, float(np.cos(p + 0.55))) ** 2

    swing = 0.85 * float(np.sin(phase))
    (thigh_r, knee_r), (thigh_l, knee_l) = leg(phase), leg(phase + np.pi)
    lift = 0.03 * abs(float(np.sin(phase)))
    return _Angles((thigh_r, thigh_l), (knee_r, knee_l), (-swing - 0.1, swing - 0.1), (1.65, 1.65), 0.24, lift)


def _standing(phase: float) -> _Angles:
    sway = 0.03 * float(np.sin(phase))
    return _Angles((0.03 + sway, -0.03), (0.03, 0.08), (0.02 + sway, -sway), (0.12, 0.14), 0.01 + 0.3 * sway, 0.0)


_GAITS = {"walking": _walking, "running": _running, "standing": _standing}


def pose(gait: Gait, phase: float, *, carrying: str, phone: bool) -> Pose:
    """The pose at a phase of the gait cycle.

    carrying: the hand that holds a bag, "left", "right" or "none": that arm hangs and swings little.
    phone: a standing person looks at a phone in the free hand.
    """
    angles = _GAITS[gait](phase)
    arm, elbow = list(angles.arm), list(angles.elbow)
    held = {"right": 0, "left": 1}.get(carrying)
    if held is not None:
        arm[held], elbow[held] = arm[held] * 0.3, 0.12 if gait != "running" else 0.5
    if phone and gait == "standing":
        free = 0 if held != 0 else 1
        arm[free], elbow[free] = 0.35, 1.75

    legs = [_leg(angles.thigh[i], angles.knee[i], side * HIP_ACROSS) for i, side in enumerate((1, -1))]
    lowest = min(min(ankle[1] - ANKLE, toe[1] - 0.012) for _, _, ankle, toe in legs)
    hip = np.array([0.0, angles.lift - lowest, 0.0])
    sin, cos = np.sin(angles.lean), np.cos(angles.lean)
    chest = hip + np.array([0.0, SPINE * cos, SPINE * sin])
    arms = [
        _arm(arm[i] + angles.lean * 0.5, elbow[i], chest + np.array([side * SHOULDER_ACROSS, 0.0, 0.0]), side)
        for i, side in enumerate((1, -1))
    ]
    return Pose(
        hip=hip,
        neck=hip + np.array([0.0, (SPINE + 0.03) * cos, (SPINE + 0.03) * sin]),
        lean=angles.lean,
        hips=(legs[0][0] + hip, legs[1][0] + hip),
        knees=(legs[0][1] + hip, legs[1][1] + hip),
        ankles=(legs[0][2] + hip, legs[1][2] + hip),
        toes=(legs[0][3] + hip, legs[1][3] + hip),
        shoulders=(arms[0][0], arms[1][0]),
        elbows=(arms[0][1], arms[1][1]),
        wrists=(arms[0][2], arms[1][2]),
        hands=(arms[0][3], arms[1][3]),
    )


def _leg(thigh: float, knee: float, across: float) -> tuple[Array, Array, Array, Array]:
    """Hip, knee, ankle and toe below a hip line at the origin."""
    hip = np.array([across, 0.0, 0.0])
    knee_at = hip + THIGH * np.array([0.0, -np.cos(thigh), np.sin(thigh)])
    shin = thigh - knee
    ankle = knee_at + SHIN * np.array([across * 0.05, -np.cos(shin), np.sin(shin)])
    pitch = min(0.15, 0.75 * shin) if shin < 0 else 0.2 * shin
    toe = ankle + np.array([across * 0.2, -0.022 + FOOT * np.sin(pitch), FOOT * np.cos(pitch)])
    return hip, knee_at, ankle, toe


def _arm(angle: float, elbow: float, shoulder: Array, side: int) -> tuple[Array, Array, Array, Array]:
    """Shoulder, elbow, wrist and hand; arms hang a little away from the body."""
    out = 0.13 * side
    elbow_at = shoulder + UPPER_ARM * np.array([out, -np.cos(angle), np.sin(angle)])
    lower = angle + elbow
    ahead = np.array([out * 0.3 - side * 0.12 * max(0.0, elbow - 0.5), -np.cos(lower), np.sin(lower)])
    wrist = elbow_at + FOREARM * ahead
    return shoulder, elbow_at, wrist, wrist + HAND * ahead
