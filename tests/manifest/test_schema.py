"""The names that further columns must not take."""

from __future__ import annotations

from par_model.attributes import load_schema
from par_model.manifest.schema import colliding_columns


def test_columns_collide_with_each_other_without_case() -> None:
    assert sorted(colliding_columns(["tracklet_id", "Zone", "zone", "hat"])) == ["Zone", "zone"]
    assert colliding_columns(["hat", "hat_score"]) == {}
    assert sorted(colliding_columns(["hat", "hat_score"], load_schema("mars"))) == ["hat", "hat_score"]
