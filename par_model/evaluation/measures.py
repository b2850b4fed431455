"""Measures of each class and each group, and their means over the classes that can be measured.

Dimension letters: B tracklets, C classes, G classes of one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.attributes.decide import decide
from par_model.evaluation.calibration import reliability

Bools = NDArray[np.bool_]
Measured = dict[str, Any]

MEANS = ("precision", "recall", "f1", "mA", "auroc", "average_precision", "ece")


@dataclass(frozen=True, eq=False)
class Answers:
    """What was said of B tracklets.

    scores: float [B, C], 0 where nothing was said. decided: bool [B, C], what the table says: a binary class by its
    threshold, of an exclusive group's classes one. answered: bool [B], False where nothing was said.
    """

    scores: NDArray[np.floating]
    decided: Bools
    answered: Bools


def answer(scores_BC: NDArray[np.floating], schema: AttributeSchema, thresholds: Sequence[float]) -> Answers:
    """Answers of all B, decided by these thresholds."""
    return Answers(scores_BC, decide(scores_BC, schema, thresholds), np.ones(len(scores_BC), bool))


def constant_answers(labels_BC: NDArray[np.int8], schema: AttributeSchema) -> Answers:
    """What a predictor says that knows nothing but how common each class is: its rate of positives as its score."""
    annotated = (labels_BC >= 0).sum(axis=0)
    rates = (labels_BC > 0).sum(axis=0) / np.maximum(annotated, 1)
    return answer(np.tile(rates, (len(labels_BC), 1)), schema, [0.5] * schema.num_classes)


def commonest(constant: Answers) -> NDArray[np.floating]:
    """1 or 0 [B, C], from ``constant_answers``: each class's commonest label by itself, as the paper's protocol takes
    every column by itself. Of nine colours none is common, so this says nothing, and is right in eight of nine."""
    return (constant.scores > 0.5).astype(np.float64)


def measure(labels_BC: NDArray[np.int8], answers: Answers, schema: AttributeSchema) -> Measured:
    """``classes`` by field name, ``groups`` by name, ``means`` over classes.

    labels: 1, 0, -1 for not annotated. A class without labels is not among ``classes``; where a class has no positive
    or no negative, what needs one is None and not among what a mean is made of.
    """
    classes = {
        name: measure_class(labels_BC[:, i], answers.scores[:, i], answers.decided[:, i], answers.answered)
        for i, name in enumerate(schema.score_fields)
        if (labels_BC[:, i] >= 0).any()
    }
    groups = {
        group.name: found
        for group, span in schema.spans()
        if (found := _group(group, labels_BC[:, span], answers.decided[:, span], answers.answered, classes))
    }
    means = {f"macro_{name}" if name == "f1" else name: _mean([c[name] for c in classes.values()]) for name in MEANS}
    means["group_accuracy"] = _mean([group["accuracy"] for group in groups.values()])
    return {"means": means, "groups": groups, "classes": classes}


def measure_class(
    labels_B: NDArray[np.int8], scores_B: NDArray[np.floating], decided_B: Bools, answered_B: Bools
) -> Measured:
    """One class over the tracklets that are annotated for it.

    mA: mean of the shares of positives and of negatives that were told right (as in "Pedestrian attribute recognition
    at far distance", ACM MM 2014, which calls its mean over classes mA). ece and reliability: over what was answered.
    f1_always: F1 of saying yes to all, the highest that a constant answer can have.
    """
    known = labels_B >= 0
    truth, scores, decided = labels_B[known] > 0, scores_B[known], decided_B[known]
    positives, negatives = int(truth.sum()), int((~truth).sum())
    hits, alarms = int((truth & decided).sum()), int((~truth & decided).sum())
    recall = hits / positives if positives else None
    told_apart = positives > 0 and negatives > 0
    calibration = reliability(truth[answered_B[known]], scores[answered_B[known]])
    return {
        "labelled": len(truth),
        "positives": positives,
        "positive_rate": positives / len(truth),
        "precision": hits / (hits + alarms) if hits + alarms else (0.0 if positives else None),
        "recall": recall,
        "f1": 2 * hits / (positives + hits + alarms) if positives else None,
        "f1_always": 2 * positives / (positives + len(truth)) if positives else None,
        "mA": (hits / positives + (negatives - alarms) / negatives) / 2 if told_apart else None,
        "auroc": float(roc_auc_score(truth, scores)) if told_apart else None,
        "average_precision": float(average_precision_score(truth, scores)) if positives else None,
        "ece": calibration.ece,
        "reliability": [bin_.to_dict() for bin_ in calibration.bins],
    }


def right_answers(
    group: AttributeGroup, labels_BG: NDArray[np.int8], decided_BG: Bools, answered_B: Bools
) -> tuple[Bools, Bools]:
    """Bool [B], bool [B]: which tracklets a group's accuracy counts, and which of them were answered right.

    Binary: the annotated ones. Exclusive: those with a class annotated as present; right is to name such a class.
    """
    if group.kind == "binary":
        return labels_BG[:, 0] >= 0, answered_B & (decided_BG[:, 0] == (labels_BG[:, 0] > 0))
    return np.count_nonzero(labels_BG > 0, axis=1) > 0, answered_B & (
        np.count_nonzero(decided_BG & (labels_BG > 0), axis=1) > 0
    )


def _group(
    group: AttributeGroup,
    labels_BG: NDArray[np.int8],
    decided_BG: Bools,
    answered_B: Bools,
    classes: dict[str, Measured],
) -> Measured | None:
    if not (labels_BG >= 0).any():
        return None
    counted, right = right_answers(group, labels_BG, decided_BG, answered_B)
    f1s = [classes[name]["f1"] for name in group.score_fields if name in classes]
    return {
        "kind": group.kind,
        "labelled": int(counted.sum()),
        "accuracy": float(right[counted].mean()) if counted.any() else None,
        "macro_f1": _mean(f1s),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
