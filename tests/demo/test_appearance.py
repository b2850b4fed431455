"""Labels of those who are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import Appearance, cloth, draw_appearance, jitter


def test_labels_are_in_the_schemas_order(schema: AttributeSchema) -> None:
    base = draw_appearance(np.random.default_rng(1), schema)
    who = replace(base, top_color="red", bottom_color="blue", short_sleeves=True, short_bottoms=False, long_hair=False,
                  hat="cap", backpack=False, shoulder_bag="left", hand_bag="none")  # fmt: skip
    labels = who.labels(schema, "toward", "running")
    assert {name for name, label in zip(schema.score_fields, labels, strict=True) if label} == {
        "top_color_red", "bottom_color_blue", "short_sleeves", "hat", "shoulder_bag", "direction_toward",
        "gait_running",
    }  # fmt: skip
    assert len(labels) == schema.num_classes


def test_a_colour_is_a_shade_of_its_name_and_jitter_stays_in_range() -> None:
    rng = np.random.default_rng(0)
    red, green, blue = np.mean([cloth(rng, "red") for _ in range(50)], axis=0)
    assert red > 2 * max(green, blue)
    assert max(np.ptp(cloth(rng, "gray")) for _ in range(50)) < 0.15
    near = np.array([jitter(rng, (0.5, 0.0, 1.0), 0.02) for _ in range(200)])
    assert near.mean(axis=0) == pytest.approx([0.5, 0.02, 1.0], abs=0.02)
    assert near.min() >= 0.02
    assert near.max() <= 1.0


def test_people_differ_and_the_same_seed_gives_the_same(schema: AttributeSchema) -> None:
    def people(seed: int) -> list[Appearance]:
        rng = np.random.default_rng(seed)
        return [draw_appearance(rng, schema) for _ in range(300)]

    drawn = people(1)
    assert drawn == people(1)
    assert {who.top_color for who in drawn} == set(next(g for g in schema.groups if g.name == "top_color").values)
    assert all(1.52 <= who.height_m <= 1.92 for who in drawn)
    both = sum(who.backpack and who.shoulder_bag != "none" for who in drawn)
    assert both / 300 < 0.12  # 0.38 by 0.36, of which 0.6 lose one
