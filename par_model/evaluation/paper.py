"""The paper's protocol: every group's entries pooled, thresholded column by column, four measures, their plain means.

Dimension letters: B tracklets, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from par_model.attributes import AttributeSchema
from par_model.evaluation.options import THRESHOLD

_EPS = 1e-20  # added to every denominator, as in the released code


Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class Measures:
    accuracy: float
    precision: float
    recall: float
    f1: float


MEASURES = tuple(field.name for field in fields(Measures))


def measures_of_counts(tp: Number, fp: Number, fn: Number, tn: Number) -> tuple[Number, Number, Number, Number]:
    """MEASURES from the numbers of true and false positives, false and true negatives; of arrays element by element."""
    precision, recall = tp / (tp + fp + _EPS), tp / (tp + fn + _EPS)
    accuracy = (tp + tn) / (tp + tn + fp + fn + _EPS)
    return accuracy, precision, recall, 2 * precision * recall / (precision + recall + _EPS)


@dataclass(frozen=True)
class PaperMetrics:
    """mean: the unweighted mean over the groups that have labels. groups: by group name, in the schema's order."""

    mean: Measures
    groups: dict[str, Measures]


def paper_metrics(
    labels_BC: NDArray[np.int8],
    scores_BC: NDArray[np.floating],
    schema: AttributeSchema,
    *,
    threshold: float = THRESHOLD,
) -> PaperMetrics:
    """Accuracy, precision, recall and F1 of each group and their means.

    labels: 1, 0, or -1 for not annotated, which is left out; a group without any label is left out of the means.
    scores: sigmoids; an entry is positive above ``threshold``, NaN never is. Exclusive groups are scored column by
    column, not by their highest score. With no labels at all, every mean is 0.
    """
    if labels_BC.shape != scores_BC.shape or labels_BC.shape[1] != schema.num_classes:
        raise ValueError(
            f"labels {labels_BC.shape} and scores {scores_BC.shape} must both be tracklets x {schema.num_classes}"
        )
    groups = {}
    for group, span in schema.spans():
        annotated = labels_BC[:, span] >= 0
        if annotated.any():
            positive = labels_BC[:, span] > 0
            groups[group.name] = _measures(positive[annotated], (scores_BC[:, span] > threshold)[annotated])
    means = [sum(getattr(measures, name) for measures in groups.values()) / max(1, len(groups)) for name in MEASURES]
    return PaperMetrics(Measures(*means), groups)


def _measures(truth: NDArray[np.bool_], guess: NDArray[np.bool_]) -> Measures:
    tp, fp = int((truth & guess).sum()), int((~truth & guess).sum())
    fn, tn = int((truth & ~guess).sum()), int((~truth & ~guess).sum())
    return Measures(*measures_of_counts(float(tp), float(fp), float(fn), float(tn)))
