"""Labels of those who are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import draw_appearance


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
