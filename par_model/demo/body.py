"""A person's solid parts: what the figure's drawing is made of, in the person's own axes.

Lengths are in units of the person's height; axes are (across to the right, up, ahead), as in pose.py.
A capsule is a limb with round ends; a slab is a stack of ellipses along the trunk, such as torso, hair or a bag; a disc
is flat and level, such as a hat's brim.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from par_model.demo.appearance import Appearance
from par_model.demo.pose import SPINE, Pose

Array = NDArray[np.float64]


class Part(IntEnum):
    """What a pixel of a person shows. The part buffer holds these; 0 is not the person."""

    FACE = 1
    EYES = 2
    NECK = 3
    HAIR = 4
    HAT = 5
    TOP = 6
    SLEEVE = 7  # the upper arm, as far as the top covers it with either sleeve length
    FOREARM = 8  # the rest of the arm: cloth with long sleeves, skin with short ones
    HAND = 9
    BOTTOM = 10
    SHIN = 11  # the lower leg: cloth or skin
    SHOE = 12
    BACKPACK = 13
    BACKPACK_TRIM = 14
    BACKPACK_STRAP = 15
    SHOULDER_BAG = 16
    SHOULDER_BAG_TRIM = 17
    SHOULDER_STRAP = 18
    HAND_BAG = 19
    HAND_BAG_TRIM = 20


NUM_PARTS = max(Part) + 1


class Stance(NamedTuple):
    """Where a person stands in the world, and how tall they are. ``heading`` is radians clockwise from north."""

    x_m: float
    z_m: float
    heading: float
    height_m: float

    @property
    def axes(self) -> Array:
        """[3, 3]: rows are across, up and ahead in world axes, each as long as the person is tall, in metres."""
        sin, cos = np.sin(self.heading), np.cos(self.heading)
        return self.height_m * np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])

    @property
    def foot(self) -> Array:
        """The point on the ground, [3]."""
        return np.array([self.x_m, 0.0, self.z_m])


@dataclass
class Body:
    """Parts in the making. ``nearer`` moves a part toward the viewer in the order of painting, in heights."""

    capsules: list[tuple[Part, Array, Array, float, float, float]] = field(default_factory=list)
    slabs: list[tuple[Part, Array, Array, float]] = field(default_factory=list)
    discs: list[tuple[Part, Array, float, float, float]] = field(default_factory=list)

    def capsule(self, part: Part, a: Array, b: Array, r_a: float, r_b: float, nearer: float = 0.0) -> None:
        self.capsules.append((part, a, b, r_a, r_b, nearer))

    def chain(self, part: Part, points: list[Array], r: float, nearer: float = 0.0) -> None:
        """Capsules of one radius from point to point: a strap."""
        for a, b in pairwise(points):
            self.capsule(part, a, b, r, r, nearer)

    def slab(self, part: Part, centres: list[Array], halves: list[tuple[float, float]], nearer: float = 0.0) -> None:
        """``halves``: half the width across and half the depth ahead at each centre."""
        self.slabs.append((part, np.array(centres), np.array(halves), nearer))

    def disc(self, part: Part, centre: Array, across: float, ahead: float, nearer: float = 0.0) -> None:
        self.discs.append((part, centre, across, ahead, nearer))


def build_body(who: Appearance, pose: Pose) -> Body:
    """All parts of a person in a pose."""
    body = Body()
    _legs(body, who, pose)
    _trunk(body, who, pose)
    _arms(body, who, pose)
    _head(body, who, pose)
    if who.hat != "none":
        _hat(body, who, pose)
    if who.backpack:
        _backpack(body, pose)
    if who.shoulder_bag != "none":
        _shoulder_bag(body, pose, 1 if who.shoulder_bag == "right" else -1)
    if who.hand_bag != "none":
        _hand_bag(body, pose, 0 if who.hand_bag == "right" else 1)
    return body


def _legs(body: Body, who: Appearance, pose: Pose) -> None:
    b = who.build
    for hip, knee, ankle, toe in zip(pose.hips, pose.knees, pose.ankles, pose.toes, strict=True):
        heel = ankle + np.array([0.0, -0.012, -0.012])
        body.capsule(Part.SHOE, heel, toe, 0.026, 0.019)
        if who.short_bottoms:
            hem = hip + 0.90 * (knee - hip)
            body.capsule(Part.SHIN, knee, ankle, 0.031 * b, 0.021)
            body.capsule(Part.BOTTOM, hip, hem, 0.053 * b, 0.050 * b, nearer=0.004)
        else:
            body.capsule(Part.SHIN, knee, ankle, 0.037 * b, 0.031 * b)
            body.capsule(Part.BOTTOM, hip, knee, 0.052 * b, 0.039 * b, nearer=0.004)


def _trunk(body: Body, who: Appearance, pose: Pose) -> None:
    b = who.build
    on = pose.on_trunk
    body.slab(
        Part.BOTTOM,
        [on(0, up, 0) for up in (-0.055, 0.0, 0.06)],
        [(0.088 * b, 0.058 * b), (0.098 * b, 0.064 * b), (0.088 * b, 0.060 * b)],
        nearer=0.002,
    )
    levels = ((0.015, 0.096, 0.067), (0.09, 0.087, 0.062), (0.19, 0.098, 0.068), (0.27, 0.108, 0.066),
              (0.305, 0.098, 0.055), (0.335, 0.050, 0.040))  # fmt: skip
    body.slab(Part.TOP, [on(0, up, 0) for up, _, _ in levels], [(w * b, d * b) for _, w, d in levels], nearer=0.006)
    body.capsule(Part.NECK, on(0, SPINE + 0.02, 0), on(0, SPINE + 0.075, 0.01), 0.031, 0.030, nearer=0.007)


def _arms(body: Body, who: Appearance, pose: Pose) -> None:
    b = who.build
    for shoulder, elbow, wrist, hand in zip(pose.shoulders, pose.elbows, pose.wrists, pose.hands, strict=True):
        body.capsule(Part.HAND, wrist, hand, 0.018, 0.020, nearer=0.012)
        if who.short_sleeves:
            hem = shoulder + 0.62 * (elbow - shoulder)
            body.capsule(Part.FOREARM, hem, elbow, 0.030 * b, 0.028 * b, nearer=0.010)
            body.capsule(Part.FOREARM, elbow, wrist, 0.028 * b, 0.020, nearer=0.012)
            body.capsule(Part.SLEEVE, shoulder, hem, 0.041 * b, 0.041 * b, nearer=0.014)
        else:
            body.capsule(Part.FOREARM, elbow, wrist, 0.033 * b, 0.028 * b, nearer=0.012)
            body.capsule(Part.SLEEVE, shoulder, elbow, 0.041 * b, 0.034 * b, nearer=0.014)


def _head(body: Body, who: Appearance, pose: Pose) -> None:
    def on(across: float, up: float, ahead: float) -> Array:
        return pose.on_trunk(across, SPINE + up, ahead)

    body.capsule(Part.FACE, on(0, 0.088, 0.018), on(0, 0.126, 0.010), 0.043, 0.053)
    body.capsule(Part.FACE, on(0, 0.112, 0.058), on(0, 0.098, 0.066), 0.008, 0.010)
    for side in (1, -1):
        eye = on(0.021 * side, 0.120, 0.060)
        body.capsule(Part.EYES, eye, eye, 0.0075, 0.0075, nearer=0.004)
    body.capsule(Part.EYES, on(-0.010, 0.074, 0.054), on(0.010, 0.074, 0.054), 0.003, 0.003)
    body.capsule(Part.HAIR, on(0, 0.100, -0.024), on(0, 0.134, -0.008), 0.046, 0.058)
    body.capsule(Part.HAIR, on(-0.028, 0.166, 0.022), on(0.028, 0.166, 0.022), 0.024, 0.024, nearer=0.09)
    if who.long_hair:
        levels = ((0.165, 0.046, 0.040, -0.012), (0.120, 0.068, 0.050, -0.020), (0.060, 0.074, 0.046, -0.036),
                  (0.000, 0.078, 0.036, -0.056), (-0.080, 0.066, 0.028, -0.070))  # fmt: skip
        body.slab(Part.HAIR, [on(0, up, back) for up, _, _, back in levels], [(w, d) for _, w, d, _ in levels], 0.0)
        for side in (1, -1):
            body.capsule(Part.HAIR, on(0.056 * side, 0.130, 0.006), on(0.068 * side, 0.050, 0.026), 0.022, 0.024)
            body.capsule(Part.HAIR, on(0.068 * side, 0.050, 0.026), on(0.064 * side, -0.040, 0.062), 0.024, 0.016, 0.01)


def _hat(body: Body, who: Appearance, pose: Pose) -> None:
    def on(across: float, up: float, ahead: float) -> Array:
        return pose.on_trunk(across, SPINE + up, ahead)

    low = 0.140 if who.hat == "cap" else 0.150
    halves = [(0.064, 0.066), (0.064, 0.066), (0.052, 0.054), (0.026, 0.028)]
    centres = [on(0, up, 0.002) for up in (low, low + 0.02, low + 0.052, low + 0.066)]
    if who.hat == "brim":
        body.slab(Part.HAT, [on(0, low - 0.008, 0.004), on(0, low + 0.008, 0.004)], [(0.108, 0.108)] * 2, nearer=0.5)
        body.disc(Part.HAT, on(0, low, 0.004), 0.110, 0.110, nearer=0.51)
        body.slab(Part.HAT, centres, halves, nearer=0.52)
    else:
        body.slab(Part.HAT, centres, halves, nearer=0.50)
        body.slab(Part.HAT, [on(0, low - 0.006, 0.075), on(0, low + 0.010, 0.068)], [(0.050, 0.050)] * 2, nearer=0.5)
        body.disc(Part.HAT, on(0, low + 0.004, 0.072), 0.052, 0.052, nearer=0.5)


def _backpack(body: Body, pose: Pose) -> None:
    on = pose.on_trunk
    levels = ((0.020, 0.084, 0.050), (0.060, 0.098, 0.062), (0.220, 0.098, 0.062), (0.285, 0.084, 0.050),
              (0.312, 0.050, 0.030))  # fmt: skip
    body.slab(Part.BACKPACK, [on(0, up, -0.110) for up, _, _ in levels], [(w, d) for _, w, d in levels], nearer=0.02)
    body.slab(Part.BACKPACK_TRIM, [on(0, up, -0.160) for up in (0.045, 0.135)], [(0.068, 0.024)] * 2, nearer=0.02)
    body.chain(Part.BACKPACK_TRIM, [on(-0.09, 0.225, -0.165), on(0.09, 0.225, -0.165)], 0.008, nearer=0.02)
    for side in (1, -1):
        strap = [on(0.064 * side, 0.322, -0.03), on(0.066 * side, 0.325, 0.035), on(0.070 * side, 0.24, 0.078),
                 on(0.082 * side, 0.14, 0.068), on(0.095 * side, 0.10, 0.0)]  # fmt: skip
        body.chain(Part.BACKPACK_STRAP, strap, 0.0165, nearer=0.008)


def _shoulder_bag(body: Body, pose: Pose, side: int) -> None:
    on = pose.on_trunk
    start, end = on(-0.070 * side, 0.325, 0.0), on(0.112 * side, 0.0, 0.0)
    for face in (1, -1):
        over = [start, on(-0.050 * side, 0.285, 0.064 * face), on(0.03 * side, 0.16, 0.074 * face),
                on(0.092 * side, 0.05, 0.050 * face), end]  # fmt: skip
        body.chain(Part.SHOULDER_STRAP, over, 0.0145, nearer=0.010)
    centres = [on(0.140 * side, up, -0.01) for up in (0.010, -0.005, -0.115, -0.130)]
    body.slab(Part.SHOULDER_BAG, centres, [(0.030, 0.080), (0.036, 0.088), (0.038, 0.090), (0.030, 0.080)])
    flap = [on(0.142 * side, up, -0.01) for up in (0.008, -0.045)]
    body.slab(Part.SHOULDER_BAG_TRIM, flap, [(0.038, 0.086), (0.040, 0.080)], nearer=0.003)


def _hand_bag(body: Body, pose: Pose, hand: int) -> None:
    at = pose.hands[hand]
    side = 1 if hand == 0 else -1

    def under(up: float, ahead: float = 0.0) -> Array:
        points: Array = at + np.array([0.012 * side, up, ahead])
        return points

    for ahead in (0.045, -0.045):
        body.chain(Part.HAND_BAG_TRIM, [under(0.0, 0.0), under(-0.05, ahead)], 0.008, nearer=0.016)
    halves = [(0.032, 0.072), (0.040, 0.090), (0.042, 0.094)]
    body.slab(Part.HAND_BAG, [under(up) for up in (-0.045, -0.10, -0.180)], halves, nearer=0.02)
    body.slab(Part.HAND_BAG_TRIM, [under(-0.045), under(-0.065)], [(0.036, 0.076), (0.040, 0.080)], nearer=0.022)
