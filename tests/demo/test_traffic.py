"""Who walks where, by the clock."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import draw_appearance
from par_model.demo.config import StreetConfig
from par_model.demo.scenes import scene_of
from par_model.demo.traffic import Walker, draw_walkers


def walker(schema: AttributeSchema, **changes: object) -> Walker:
    who = draw_appearance(np.random.default_rng(1), schema)
    made = Walker("p-0000", "train", who, (-6.0, 8.0), (6.0, 8.0), 2.0, 1.5, "walking", 0.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_walker_is_where_the_clock_says(schema: AttributeSchema) -> None:
    who = walker(schema)
    assert who.at(1.99) is None
    assert who.exit_s == pytest.approx(2.0 + 12 / 1.5)
    assert who.at(10.01) is None
    moment = who.at(6.0)
    assert moment is not None
    assert (moment.x, moment.z) == pytest.approx((0.0, 8.0))
    assert moment.heading == pytest.approx(np.pi / 2)
    assert (moment.gait, moment.leg, moment.speed, moment.presence) == ("walking", 0, 1.5, 1.0)


def test_a_stop_is_a_stretch_of_its_own(schema: AttributeSchema) -> None:
    who = walker(schema, stop_m=3.0, stop_s=5.0, stop_heading=np.pi)
    before, during, after = who.at(3.9), who.at(6.5), who.at(9.5)
    assert before is not None
    assert during is not None
    assert after is not None
    assert [m.leg for m in (before, during, after)] == [0, 1, 2]
    assert [m.gait for m in (before, during, after)] == ["walking", "standing", "walking"]
    assert during.x == pytest.approx(-3.0)
    assert during.heading == pytest.approx(np.pi)
    assert after.x == pytest.approx(-3.0 + 0.5 * 1.5)
    assert who.exit_s == pytest.approx(2.0 + 8.0 + 5.0)


def test_groups_walk_together_and_ids_are_unique(schema: AttributeSchema) -> None:
    config = StreetConfig()
    scene = scene_of(0, 640, 360, np.random.default_rng(0))
    walkers = draw_walkers(np.random.default_rng(2), scene, config, schema)
    assert len({w.person_id for w in walkers}) == len(walkers)
    together = sum(a.entry_s == b.entry_s for a, b in pairwise(walkers))
    assert 0.15 < together / len(walkers) < 0.65
