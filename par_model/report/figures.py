"""Numbers of metrics.json as the page shows them, group by group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from par_model.attributes import AttributeGroup

_Z = 1.959964  # of a two-sided interval of 95 %


def wilson(hits: int, total: int) -> tuple[float, float] | None:
    """The 95 % score interval of a share, as in Wilson, "Probable inference, the law of succession, and statistical
    inference" (JASA 1927). None of nothing."""
    if total < 1:
        return None
    share, z2 = hits / total, _Z * _Z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def class_figures(metrics: dict[str, Any], field: str) -> dict[str, Any] | None:
    """A class's precision, recall and F1, each with its interval or None. None for a class that was not scored.

    The interval of F1 is the evaluation's own; those of precision and recall are of shares, from the counts that the
    measures imply.
    """
    measures = metrics["classes"].get(field)
    if measures is None:
        return None
    recall, precision = measures["recall"], measures["precision"]
    hits = round((recall or 0.0) * measures["positives"])
    said = round(hits / precision) if precision else 0
    own = metrics["intervals"]["classes"].get(field)
    return {
        "labelled": measures["labelled"],
        "positives": measures["positives"],
        "precision": {"value": precision, "interval": wilson(hits, said)},
        "recall": {"value": recall, "interval": wilson(hits, measures["positives"])},
        "f1": {"value": measures["f1"], "interval": own["f1"] if isinstance(own, dict) else own},
    }


def merged_reliability(classes: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """The bins of several classes as those of one: mean score, positive rate and count of each that is not empty."""
    merged = []
    for bins in zip(*(measures["reliability"] for measures in classes), strict=True):
        count = sum(b["count"] for b in bins)
        if count:
            means = {
                name: sum(b["count"] * b[name] for b in bins if b["count"]) / count
                for name in ("mean_score", "positive_rate")
            }
            merged.append({"score": means["mean_score"], "rate": means["positive_rate"], "count": count})
    return merged


def group_figures(metrics: dict[str, Any], group: AttributeGroup) -> dict[str, Any] | None:
    """A group's accuracy, that of a constant answer, macro F1, and reliability. None for one that was not scored."""
    found = metrics["groups"].get(group.column)
    if found is None:
        return None
    own = metrics["intervals"]["groups"].get(group.column)
    classes = [metrics["classes"][name] for name in group.score_fields if name in metrics["classes"]]
    return {
        "labelled": found["labelled"],
        "accuracy": {"value": found["accuracy"], "interval": own["accuracy"] if isinstance(own, dict) else own},
        "constant": metrics["constant"]["groups"][group.column]["accuracy"],
        "macro_f1": found["macro_f1"],
        "reliability": merged_reliability(classes),
    }
