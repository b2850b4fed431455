"""Labels that a model disputes, and who confuses what with what: the model with people, and people with one another.

Dimension letters: B tracklets, C classes, G classes of one group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.evaluation.measures import Answers
from par_model.labelling.merge import Voices

_ROUNDING = 1e-9  # the mean of equal numbers may be a bit above them


@dataclass(frozen=True)
class Dispute:
    """A label that the model disputes: of the tracklet at this position, labelled one answer where it says another.

    of_label, of_said: the model's probability of each. is_sure: whether it says so as surely as it usually agrees.
    """

    at: int
    group: str
    labelled: str
    said: str
    of_label: float
    of_said: float
    is_sure: bool

    @property
    def margin(self) -> float:
        """By how much the model is surer of its answer than of the label."""
        return self.of_said - self.of_label


def disputes(
    labels_BC: NDArray[np.int8], answers: Answers, schema: AttributeSchema, untrained: Iterable[str] = ()
) -> list[Dispute]:
    """The labels that the model disputes, those first that are likely wrong, and then by margin.

    By confident learning ("Confident learning: estimating uncertainty in dataset labels", JAIR 2021): an answer is
    likely true where the model gives it at least its mean probability among the tracklets so labelled, and of several
    such the most probable one; a label is likely wrong where that is another answer. Where no answer is so probable,
    what the table says disputes the label, if it is another. Probabilities are the score and what it leaves to 1, or an
    exclusive group's scores divided by their sum. untrained: classes whose groups are left out.
    """
    left_out = frozenset(untrained)
    found: list[Dispute] = []
    for group, span in schema.spans():
        if left_out.isdisjoint(group.score_fields):
            parts = (labels_BC[:, span], answers.scores[:, span], answers.decided[:, span])
            found += _of_group(group, *parts, answers.answered)
    return sorted(found, key=lambda dispute: (not dispute.is_sure, -dispute.margin, dispute.at))


def _of_group(
    group: AttributeGroup,
    labels_BG: NDArray[np.int8],
    scores_BG: NDArray[np.floating],
    decided_BG: NDArray[np.bool_],
    answered_B: NDArray[np.bool_],
) -> list[Dispute]:
    labelled = labelled_answers(group, labels_BG)
    asked = np.flatnonzero(labelled.any(axis=1) & answered_B)
    labelled, chances = labelled[asked], _probabilities(group, scores_BG[asked])
    told = decided_BG[asked, 0].astype(np.int64) if group.kind == "binary" else decided_BG[asked].argmax(axis=1)
    # Of a tracklet that is annotated with two classes either is right, so the more probable one stands for both.
    label = np.where(labelled, chances, -1).argmax(axis=1)
    usual = np.full(len(group.answers), np.inf)
    for answer in np.unique(label).tolist():
        usual[answer] = chances[label == answer, answer].mean()
    likely = np.where(chances >= usual - _ROUNDING, chances, -1)
    is_sure = likely.max(axis=1, initial=-1) >= 0
    said = np.where(is_sure, likely.argmax(axis=1), told)
    disputed = ~np.take_along_axis(labelled, said[:, None], axis=1)[:, 0]
    return [
        Dispute(
            at=int(asked[i]),
            group=group.name,
            labelled=group.answers[label[i]],
            said=group.answers[said[i]],
            of_label=float(chances[i, label[i]]),
            of_said=float(chances[i, said[i]]),
            is_sure=bool(is_sure[i]),
        )
        for i in np.flatnonzero(disputed).tolist()
    ]


def labelled_answers(group: AttributeGroup, labels_BG: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which of the group's answers a tracklet's labels call right, bool [B, answers]; none where they do not tell."""
    if group.kind == "binary":
        return np.stack([labels_BG[:, 0] == 0, labels_BG[:, 0] > 0], axis=1)
    right: NDArray[np.bool_] = labels_BG > 0
    return right


def model_confusion(
    group: AttributeGroup, labels_BG: NDArray[np.int8], decided_BG: NDArray[np.bool_], answered_B: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """int64 [answers, answers + 1]: labels by what the table says, the last column for nothing."""
    size = len(group.answers)
    if group.kind == "binary":
        said = decided_BG[:, 0].astype(np.int64)
    else:
        said = np.where(decided_BG.any(axis=1), decided_BG.argmax(axis=1), size)
    said = np.where(answered_B, said, size)
    counts = np.zeros((size, size + 1), np.int64)
    at, label = np.nonzero(labelled_answers(group, labels_BG))
    np.add.at(counts, (label, said[at]), 1)
    return counts


def people_confusion(group: AttributeGroup, voices: Voices) -> NDArray[np.int64]:
    """int64 [answers + 1, answers + 1]: what one person says by what another says of the same tracklet, every pair of
    people in both orders; the last row and column are for "cannot be seen"."""
    index_of = {answer: i for i, answer in enumerate((*group.answers, None))}
    counts = np.zeros((len(index_of), len(index_of)), np.int64)
    for of_groups in voices.values():
        for one, other in permutations(of_groups.get(group.name, {}).values(), 2):
            counts[index_of[one.answer], index_of[other.answer]] += 1
    return counts


def _probabilities(group: AttributeGroup, scores_BG: NDArray[np.floating]) -> NDArray[np.float64]:
    scores = scores_BG.astype(np.float64)
    if group.kind == "binary":
        return np.concatenate([1 - scores, scores], axis=1)
    total = scores.sum(axis=1, keepdims=True)
    return scores / np.where(total > 0, total, 1)
