"""How well scores are probabilities, and the thresholds that make the best of them.

Dimension letters: B tracklets, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """Scores from ``low`` to ``high``: how many, their mean, and the share of them that are positive."""

    low: float
    high: float
    count: int
    mean_score: float | None
    positive_rate: float | None

    def to_dict(self) -> dict[str, Any]:
        """As in metrics.json."""
        return asdict(self)


@dataclass(frozen=True)
class Reliability:
    """ece: expected calibration error, None where there is nothing to measure."""

    bins: tuple[ReliabilityBin, ...]
    ece: float | None


def reliability(truth: NDArray[np.bool_], scores: NDArray[np.floating], bins: int = BINS) -> Reliability:
    """Bins of equal width, and ECE = sum_b n_b / n |positive rate_b - mean score_b|.

    As in "Obtaining well calibrated probabilities using Bayesian binning" (AAAI 2015), for the probability of the
    positive class. truth, scores: [n].
    """
    bin_of_each = np.minimum((scores * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of_each, minlength=bins)
    score_sums = np.bincount(bin_of_each, weights=scores, minlength=bins)
    positives = np.bincount(bin_of_each, weights=truth, minlength=bins)
    gap = np.abs(positives - score_sums).sum()
    found = tuple(
        ReliabilityBin(
            low=i / bins,
            high=(i + 1) / bins,
            count=int(counts[i]),
            mean_score=float(score_sums[i] / counts[i]) if counts[i] else None,
            positive_rate=float(positives[i] / counts[i]) if counts[i] else None,
        )
        for i in range(bins)
    )
    return Reliability(found, float(gap / len(scores)) if len(scores) else None)


def calibrate_thresholds(labels_BC: NDArray[np.int8], scores_BC: NDArray[np.floating]) -> list[float]:
    """For each class the threshold with the best F1; of equal ones that nearest 0.5.

    Candidates are 0.5, the middles between neighbouring scores, and one below all scores. A class without a positive
    label keeps 0.5.
    """
    return [_best_threshold(labels_BC[:, c], scores_BC[:, c]) for c in range(labels_BC.shape[1])]


def _best_threshold(labels_B: NDArray[np.int8], scores_B: NDArray[np.floating]) -> float:
    known = labels_B >= 0
    truth, scores = labels_B[known] > 0, scores_B[known].astype(np.float64)
    if not truth.any():
        return 0.5
    levels = np.unique(scores)
    candidates = np.concatenate([[0.5, levels[0] / 2], (levels[1:] + levels[:-1]) / 2])
    order = np.argsort(scores)
    below = np.searchsorted(scores[order], candidates, side="right")  # scores that are not above the candidate
    hits = truth.sum() - np.concatenate([[0], np.cumsum(truth[order])])[below]
    f1 = 2 * hits / (truth.sum() + len(scores) - below)
    best: Sequence[float] = candidates[f1 >= f1.max() - 1e-12]
    return float(min(best, key=lambda threshold: abs(threshold - 0.5)))
