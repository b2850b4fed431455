"""A person's parts, and where they stand in the world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import draw_appearance
from par_model.demo.body import NUM_PARTS, Body, Part, Stance, build_body
from par_model.demo.pose import pose

BARE: dict[str, Any] = {"backpack": False, "shoulder_bag": "none", "hand_bag": "none", "hat": "none"}


def parts(schema: AttributeSchema, **changes: Any) -> tuple[Body, set[Part]]:
    who = replace(draw_appearance(np.random.default_rng(0), schema), **BARE | changes)
    body = build_body(who, pose("walking", 1.0, carrying=who.hand_bag, phone=False))
    return body, {entry[0] for entry in [*body.capsules, *body.slabs, *body.discs]}


def test_what_is_carried_and_worn_is_there_and_nothing_else(schema: AttributeSchema) -> None:
    _, bare = parts(schema)
    worn = {
        "backpack": (True, {Part.BACKPACK, Part.BACKPACK_TRIM, Part.BACKPACK_STRAP}),
        "shoulder_bag": ("left", {Part.SHOULDER_BAG, Part.SHOULDER_BAG_TRIM, Part.SHOULDER_STRAP}),
        "hand_bag": ("right", {Part.HAND_BAG, Part.HAND_BAG_TRIM}),
        "hat": ("brim", {Part.HAT}),
    }
    for name, (value, more) in worn.items():
        assert parts(schema, **{name: value})[1] - bare == more
    assert bare == set(Part) - set.union(*(more for _, more in worn.values()))
    assert len(Part) + 1 == NUM_PARTS


def test_a_bag_hangs_on_its_side(schema: AttributeSchema) -> None:
    for side, sign in (("right", 1), ("left", -1)):
        body, _ = parts(schema, shoulder_bag=side)
        centres = np.concatenate([centre for part, centre, *_ in body.slabs if part == Part.SHOULDER_BAG])
        assert sign * centres[:, 0].mean() > 0.05


@pytest.mark.parametrize(
    ("heading", "ahead", "across"),
    [(0.0, (0, 0, 2), (2, 0, 0)), (np.pi / 2, (2, 0, 0), (0, 0, -2)), (np.pi, (0, 0, -2), (-2, 0, 0))],
)
def test_who_heads_clockwise_from_north_has_axes_as_long_as_they_are_tall(
    heading: float, ahead: tuple[float, ...], across: tuple[float, ...]
) -> None:
    stance = Stance(3.0, 8.0, heading, 2.0)
    assert stance.axes[2] == pytest.approx(ahead, abs=1e-9)
    assert stance.axes[0] == pytest.approx(across, abs=1e-9)
    assert stance.axes[1].tolist() == [0, 2, 0]
    assert stance.foot.tolist() == [3, 0, 8]


def test_a_strap_is_a_chain_of_capsules() -> None:
    body = Body()
    points = [np.array([float(i), 0, 0]) for i in range(4)]
    body.chain(Part.SHOULDER_STRAP, points, 0.01, nearer=0.5)
    assert [(a[0], b[0], r_a, r_b, nearer) for _, a, b, r_a, r_b, nearer in body.capsules] == [
        (0, 1, 0.01, 0.01, 0.5),
        (1, 2, 0.01, 0.01, 0.5),
        (2, 3, 0.01, 0.01, 0.5),
    ]
