"""How scores become answers.

Dimension letters: B tracklets, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from par_model.attributes.attribute_schema import AttributeSchema


def decide(scores_BC: NDArray[np.floating], schema: AttributeSchema, thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """bool [B, C], what the attribute table says: a binary class is true above its threshold (compared in the scores'
    own precision); of an exclusive group's classes the one with the highest score is, the first of equals."""
    decided_BC = scores_BC > np.asarray(thresholds, scores_BC.dtype)
    for group, span in schema.spans():
        if group.kind == "exclusive":
            best_B = scores_BC[:, span].argmax(axis=1)
            decided_BC[:, span] = np.arange(len(group.classes)) == best_B[:, None]
    return decided_BC
