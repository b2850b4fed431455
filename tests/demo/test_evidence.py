"""Whether enough of a person shows to tell an attribute: evidence from counts made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import draw_appearance
from par_model.demo.body import NUM_PARTS, Part
from par_model.demo.evidence import evidence, per_class


def test_evidence_asks_for_the_region_that_decides(schema: AttributeSchema) -> None:
    base = draw_appearance(np.random.default_rng(1), schema)
    who = replace(base, backpack=True, shoulder_bag="none", hand_bag="right", short_bottoms=True)
    drawn = np.zeros(NUM_PARTS, np.int64)
    for part, pixels in {
        Part.FACE: 40, Part.HAIR: 40, Part.TOP: 300, Part.SLEEVE: 100, Part.FOREARM: 60, Part.HAND: 20,
        Part.BOTTOM: 200, Part.SHIN: 120, Part.SHOE: 40, Part.BACKPACK_STRAP: 30, Part.HAND_BAG: 50,
    }.items():  # fmt: skip
        drawn[part] = pixels
    assert all(evidence(who, drawn, drawn).values())
    upper = drawn.copy()
    upper[[Part.BOTTOM, Part.SHIN, Part.SHOE, Part.HAND, Part.HAND_BAG]] = 0
    shown = evidence(who, upper, drawn)
    assert {name for name, seen in shown.items() if not seen} == {"bottom_color", "short_bottoms", "hand_bag", "gait"}
    # 1.5 % of 1000 pixels decide about what is carried.
    straps = np.zeros_like(drawn)
    straps[Part.BACKPACK_STRAP] = 15
    assert evidence(who, straps, drawn)["backpack"]
    straps[Part.BACKPACK_STRAP] = 14
    assert not evidence(who, straps, drawn)["backpack"]
    # Without one, half of the trunk does: 165 of 330.
    without = replace(who, backpack=False)
    trunk = np.zeros_like(drawn)
    trunk[Part.TOP] = 165
    assert evidence(without, trunk, drawn)["backpack"]
    trunk[Part.TOP] = 164
    assert not evidence(without, trunk, drawn)["backpack"]


def test_evidence_is_repeated_for_each_class(schema: AttributeSchema) -> None:
    shown = {group.name: group.name == "gait" for group in schema.groups}
    flags = dict(zip(schema.score_fields, per_class(schema, shown).tolist(), strict=True))
    assert {name for name, flag in flags.items() if flag} == {"gait_walking", "gait_running", "gait_standing"}
