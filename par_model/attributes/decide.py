"""How scores become answers.

Dimension letters: N tracklets, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from par_model.attributes.schema import AttributeSchema


def decide(scores_NC: NDArray[np.floating], schema: AttributeSchema, thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """bool [N, C], what the attribute table says: a binary class is true above its threshold (compared in the scores'
    own precision); of an exclusive group's classes the one with the highest score is, the first of equals."""
    decided_NC = scores_NC > np.asarray(thresholds, scores_NC.dtype)
    for group, span in schema.spans():
        if group.kind == "exclusive":
            best_N = scores_NC[:, span].argmax(axis=1)
            decided_NC[:, span] = np.arange(len(group.classes)) == best_N[:, None]
    return decided_NC
