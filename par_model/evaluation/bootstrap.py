"""Confidence intervals by resampling tracklets.

A tracklet is drawn with all its labels, so classes that go together stay together. Every interval here is of a measure
made of counts; a resample is then one row of weights, and all resamples of all classes are matrix products.

Dimension letters: R resamples, B tracklets, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from par_model.attributes import AttributeSchema
from par_model.evaluation.measures import Answers, right_answers
from par_model.evaluation.options import RESAMPLES
from par_model.evaluation.paper import MEASURES, measures_of_counts

LEVEL = 0.95
_CHUNK = 100

Floats = NDArray[np.float64]
Interval = list[float]


def intervals(
    labels_BC: NDArray[np.int8],
    answers: Answers,
    schema: AttributeSchema,
    *,
    threshold: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Percentile intervals [low, high] of ``paper`` (four means), ``means`` (macro_f1, mA), ``groups`` (accuracy) and
    ``classes`` (f1)."""
    drawn: dict[str, list[Floats]] = {}
    for weights in _weights(len(labels_BC), resamples, seed):
        for name, values in _resampled(weights, labels_BC, answers, schema, threshold).items():
            drawn.setdefault(name, []).append(values)
    found = {name: _percentiles(np.concatenate(values)) for name, values in drawn.items()}
    result: dict[str, Any] = {"paper": {}, "means": {}, "groups": {}, "classes": {}}
    for name, interval in found.items():
        part, _, key = name.partition(".")
        if interval is not None:
            result[part][key] = interval
    return result


def macro_f1_difference(
    labels_BC: NDArray[np.int8], first: Answers, second: Answers, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Percentile interval [low, high] of the macro F1 of ``second`` less that of ``first``, both of the same tracklets.

    Paired: a resample draws the same tracklets for both, so what is hard for both does not widen it. None where no
    class has a positive label.
    """
    drawn = []
    for weights in _weights(len(labels_BC), resamples, seed):
        f1s = [_nan_mean(_f1(_counts(weights, labels_BC, answers.decided))) for answers in (first, second)]
        drawn.append(f1s[1] - f1s[0])
    return _percentiles(np.concatenate(drawn))


def _weights(tracklets: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each tracklet is drawn, [R, B], a chunk of R at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        count = min(_CHUNK, resamples - start)
        yield rng.multinomial(tracklets, np.full(tracklets, 1 / tracklets), size=count).astype(np.float64)


def _resampled(
    weights_RB: Floats, labels_BC: NDArray[np.int8], answers: Answers, schema: AttributeSchema, threshold: float
) -> dict[str, Floats]:
    counts = _counts(weights_RB, labels_BC, answers.decided)
    hits, alarms, misses, rejections = counts
    f1_RC = _f1(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        ma_RC = (hits / (hits + misses) + rejections / (rejections + alarms)) / 2
    drawn = {f"classes.{name}": f1_RC[:, i] for i, name in enumerate(schema.score_fields)}
    drawn |= {"means.macro_f1": _nan_mean(f1_RC), "means.mA": _nan_mean(ma_RC)}
    for group, span in schema.spans():
        counted, right = right_answers(group, labels_BC[:, span], answers.decided[:, span], answers.answered)
        total = weights_RB @ counted
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn[f"groups.{group.name}"] = np.where(total > 0, (weights_RB @ (right & counted)) / total, np.nan)
    return drawn | _paper(_counts(weights_RB, labels_BC, answers.scores > threshold), schema)


def _f1(counts: tuple[Floats, Floats, Floats, Floats]) -> Floats:
    """F1 [R, C], NaN for a class without positives."""
    hits, alarms, misses, _ = counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(hits + misses > 0, 2 * hits / (2 * hits + alarms + misses), np.nan)


def _counts(
    weights_RB: Floats, labels_BC: NDArray[np.int8], decided_BC: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Floats]:
    """True and false positives, false and true negatives, each [R, C]."""
    positive, negative = labels_BC > 0, labels_BC == 0
    parts = (positive & decided_BC, negative & decided_BC, positive & ~decided_BC, negative & ~decided_BC)
    tp, fp, fn, tn = (weights_RB @ part.astype(np.float64) for part in parts)
    return tp, fp, fn, tn


def _paper(counts: tuple[Floats, Floats, Floats, Floats], schema: AttributeSchema) -> dict[str, Floats]:
    of_groups = []
    for _, span in schema.spans():
        tp, fp, fn, tn = (part[:, span].sum(axis=1) for part in counts)
        if (tp + fp + fn + tn).any():
            of_groups.append(measures_of_counts(tp, fp, fn, tn))
    if not of_groups:
        return {}
    return {f"paper.{name}": means for name, means in zip(MEASURES, np.mean(of_groups, axis=0), strict=True)}


def _nan_mean(values_RC: Floats) -> Floats:
    known = ~np.isnan(values_RC)
    count = known.sum(axis=1)
    total = np.where(known, values_RC, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _percentiles(values: Floats) -> Interval | None:
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    low, high = np.percentile(known, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return [float(low), float(high)]
