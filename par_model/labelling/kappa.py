"""How far people agree who labelled the same tracklets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.labelling.answers import UNSEEN
from par_model.labelling.merge import Voices

_MEASURE = {2: "Cohen"}
_MORE = "Fleiss"


@dataclass(frozen=True)
class GroupAgreement:
    """How far people agree on one group.

    tracklets: that at least two people answered. authors: who answered those. alike: share of pairs of answers to one
    tracklet that are alike. measure: whose kappa it is, Cohen's of two people, Fleiss' of more. kappa: None where
    nobody ever said anything else, so that agreement by chance is certain.
    """

    group: str
    tracklets: int
    authors: tuple[str, ...]
    alike: float
    measure: str
    kappa: float | None


def agreements(voices: Voices, schema: AttributeSchema) -> list[GroupAgreement]:
    """One a group that at least two people answered for some tracklet. That it cannot be seen is an answer."""
    found = []
    for group in schema.groups:
        told = [of_groups[group.name] for of_groups in voices.values() if len(of_groups.get(group.name, {})) > 1]
        if told:
            said = [{author: _spelt(of.answer) for author, of in of_tracklet.items()} for of_tracklet in told]
            found.append(_agreement(group, said))
    return found


def _agreement(group: AttributeGroup, said: Sequence[dict[str, str]]) -> GroupAgreement:
    authors = tuple(sorted({author for of_tracklet in said for author in of_tracklet}))
    categories = (*group.answers, UNSEEN)
    counts = np.array([[Counter(of.values())[name] for name in categories] for of in said], np.int64)
    if len(authors) == 2:
        first, second = ([of[author] for of in said] for author in authors)
        kappa = None if len({*first, *second}) < 2 else float(cohen_kappa_score(first, second))
    else:
        kappa = fleiss_kappa(counts)
    return GroupAgreement(
        group=group.name,
        tracklets=len(said),
        authors=authors,
        alike=float(_pairs_alike(counts).sum() / _pairs(counts).sum()),
        measure=_MEASURE.get(len(authors), _MORE),
        kappa=kappa,
    )


def fleiss_kappa(counts: NDArray[np.int64]) -> float | None:
    """Fleiss' kappa of counts [tracklets, categories], at least two answers a tracklet.

    P_i = sum_j n_ij (n_ij - 1) / (n_i (n_i - 1)), p_j = sum_i n_ij / sum_i n_i,
    kappa = (mean P_i - sum_j p_j^2) / (1 - sum_j p_j^2), as in "Measuring nominal scale agreement among many raters"
    (Psychological Bulletin, 1971), with n_i for its n, so that tracklets may have different numbers of answers. None
    where all answers are one.
    """
    observed = float((_pairs_alike(counts) / _pairs(counts)).mean())
    shares = counts.sum(axis=0) / counts.sum()
    by_chance = float((shares**2).sum())
    if np.count_nonzero(shares) < 2:
        return None
    return (observed - by_chance) / (1 - by_chance)


def _pairs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ordered pairs of answers of each tracklet."""
    total = counts.sum(axis=1)
    pairs: NDArray[np.int64] = total * (total - 1)
    return pairs


def _pairs_alike(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    alike: NDArray[np.int64] = (counts * (counts - 1)).sum(axis=1)
    return alike


def _spelt(answer: str | None) -> str:
    return UNSEEN if answer is None else answer
