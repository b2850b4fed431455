"""The paper's protocol gives the released code's numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from par_model.attributes import load_schema
from par_model.evaluation.paper import paper_metrics
from tests.released_weights import GOLDEN


def test_the_released_numbers() -> None:
    expected = json.loads((GOLDEN / "metrics_mars.json").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    labels = (rng.random((50, 43)) < 0.3).astype(np.int8)
    found = paper_metrics(labels, rng.random((50, 43)), load_schema("mars"))
    assert [[m.accuracy, m.precision, m.recall, m.f1] for m in found.groups.values()] == expected["groups"]
    mean = found.mean
    assert [mean.accuracy, mean.precision, mean.recall, mean.f1] == expected["mean"]
    assert list(found.groups) == [group.name for group in load_schema("mars").groups]


def test_entries_that_nobody_annotated_are_left_out() -> None:
    schema = load_schema("duke")
    rng = np.random.default_rng(1)
    labels, scores = (rng.random((20, 36)) < 0.5).astype(np.int8), rng.random((20, 36))
    labels[10:] = -1
    assert paper_metrics(labels, scores, schema) == paper_metrics(labels[:10], scores[:10], schema)
    labels[:, 8:14] = -1
    without_pose = paper_metrics(labels, scores, schema)
    assert "pose" not in without_pose.groups
    f1s = [measures.f1 for measures in without_pose.groups.values()]
    assert len(f1s) == 11
    assert without_pose.mean.f1 == pytest.approx(np.mean(f1s), abs=1e-15)


def test_a_score_at_the_threshold_or_without_a_number_is_negative() -> None:
    schema = load_schema("duke")
    labels, scores = np.full((2, 36), -1, np.int8), np.full((2, 36), 0.45)
    labels[:, 0] = 1
    scores[1, 0] = np.nan
    backpack = paper_metrics(labels, scores, schema).groups["backpack"]
    assert (backpack.accuracy, backpack.precision, backpack.recall, backpack.f1) == (0, 0, 0, 0)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="tracklets x 43"):
        paper_metrics(np.zeros((2, 36), np.int8), np.zeros((2, 36)), load_schema("mars"))
