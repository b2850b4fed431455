"""One step of the loop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from par_model.attributes import load_schema
from par_model.training import loop
from par_model.training.augment import draw
from par_model.training.inputs import Batch
from par_model.training.options import TrainOptions


@pytest.mark.parametrize("augment", ["all", "flip", "none"])
def test_labels_are_flipped_with_their_pictures(augment: Any) -> None:
    schema = load_schema("street")
    left, right = (schema.score_fields.index(f"direction_{side}") for side in ("left", "right"))
    labels = np.zeros((12, schema.num_classes), np.int8)
    labels[:, left] = 1
    batch = Batch(np.arange(12), tuple(f"s{i}" for i in range(12)), None, labels)
    options = TrainOptions("m", "w", "o", augment=augment)
    learner: Any = SimpleNamespace(plan=SimpleNamespace(options=options), header=SimpleNamespace(schema=schema))
    flipped = [augment != "none" and draw(0, 3, name).flip for name in batch.ids]
    found = loop._labels(learner, batch, epoch=3)
    assert found[:, right].tolist() == flipped
    assert found[:, left].tolist() == [not flip for flip in flipped]
    assert len(set(flipped)) == (1 if augment == "none" else 2)
