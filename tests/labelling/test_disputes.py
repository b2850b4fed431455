"""Which labels a model disputes, and who confuses what."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from par_model.evaluation.measures import Answers, answer
from par_model.labelling.answers import LabelAnswer
from par_model.labelling.disputes import disputes, model_confusion, people_confusion
from par_model.labelling.merge import gather_voices
from tests.evaluation.test_measures import SCHEMA

HAT, COLOR = SCHEMA.groups
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def noisy(tracklets: int, wrong: int) -> tuple[np.ndarray, np.ndarray, set[int], set[int]]:
    """Labels of which some hats and some colours are wrong, and scores of a model that sees what is there."""
    rng = np.random.default_rng(4)
    truth = np.zeros((tracklets, 4), np.int8)
    truth[:, 0] = rng.random(tracklets) < 0.3
    truth[np.arange(tracklets), 1 + rng.integers(0, 3, tracklets)] = 1
    scores = np.clip(0.15 + 0.6 * truth + 0.08 * rng.standard_normal(truth.shape), 0.01, 0.99)
    hats, colors = (set(rng.choice(tracklets, wrong, replace=False).tolist()) for _ in range(2))
    labels = truth.copy()
    for at in hats:
        labels[at, 0] = 1 - labels[at, 0]
    for at in colors:
        labels[at, 1:] = np.roll(labels[at, 1:], 1)
    return labels, scores, hats, colors


def test_labels_that_were_made_wrong_are_found_and_few_others() -> None:
    labels, scores, hats, colors = noisy(600, 12)
    found = disputes(labels, answer(scores, SCHEMA, [0.5] * 4), SCHEMA)
    told = {(dispute.group, dispute.at) for dispute in found}
    wrong = {("hat", at) for at in hats} | {("color", at) for at in colors}
    assert wrong <= told
    assert len(told - wrong) <= 3
    sure = [(dispute.group, dispute.at) for dispute in found if dispute.is_sure]
    assert len(sure) >= 8
    assert set(sure) <= wrong
    for part in (found[: len(sure)], found[len(sure) :]):
        assert len({dispute.is_sure for dispute in part}) == 1
        margins = [dispute.margin for dispute in part]
        assert margins == sorted(margins, reverse=True)


def test_a_dispute_says_both_answers_with_their_probabilities() -> None:
    labels = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [-1, -1, -1, -1]], np.int8)
    scores = np.array(
        [[0.9, 0.8, 0.1, 0.1], [0.2, 0.1, 0.6, 0.1], [0.1, 0.1, 0.9, 0.0], [0.05, 0.2, 0.6, 0.0], [0.9, 0.9, 0.0, 0.0]]
    )
    found = disputes(labels, answer(scores, SCHEMA, [0.5] * 4), SCHEMA)
    told = [(of.at, of.group, of.labelled, of.said) for of in found]
    assert told == [(3, "hat", "yes", "no"), (2, "color", "red", "green")]
    hat, color = found
    assert (hat.of_label, hat.of_said) == pytest.approx((0.05, 0.95))
    assert (color.of_label, color.of_said) == pytest.approx((0.1, 0.9))
    assert hat.is_sure
    assert color.is_sure
    assert disputes(labels, answer(scores, SCHEMA, [0.5] * 4), SCHEMA, ["color_blue"]) == [hat]
    unsure = scores.copy()
    unsure[3, 0], unsure[2, 1:] = 0.3, (0.3, 0.5, 0.2)
    found = disputes(labels, answer(unsure, SCHEMA, [0.5] * 4), SCHEMA)
    assert [(of.at, of.group, of.said, of.is_sure) for of in found] == [
        (3, "hat", "no", False),
        (2, "color", "green", False),
    ]


def test_what_failed_and_what_has_two_right_answers_is_not_disputed() -> None:
    labels = np.array([[-1, 1, 1, 0], [-1, 1, 0, 0], [-1, 0, 1, 0]], np.int8)
    scores = np.array([[0.0, 0.1, 0.9, 0.0], [0.0, 0.1, 0.9, 0.0], [0.0, 0.1, 0.9, 0.0]])
    said = answer(scores, SCHEMA, [0.5] * 4)
    assert [of.at for of in disputes(labels, said, SCHEMA)] == [1]
    failed = Answers(scores, said.decided, np.array([True, False, True]))
    assert disputes(labels, failed, SCHEMA) == []


def test_the_model_and_people_confuse() -> None:
    labels = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [-1, -1, -1, -1]], np.int8)
    scores = np.array([[0.9, 0.8, 0.1, 0.1], [0.9, 0.8, 0.1, 0.1], [0.1, 0.1, 0.9, 0.0], [0.9, 0.9, 0.0, 0.0]])
    said = answer(scores, SCHEMA, [0.5] * 4)
    answered = np.array([True, True, False, True])
    assert model_confusion(HAT, labels[:, :1], said.decided[:, :1], answered).tolist() == [[0, 1, 1], [0, 1, 0]]
    assert model_confusion(COLOR, labels[:, 1:], said.decided[:, 1:], answered).tolist() == [
        [1, 0, 0, 1],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    voices = gather_voices(
        LabelAnswer(tracklet_id, "color", value, author, NOON)
        for tracklet_id, of_authors in {"a": ("red", "red", "green"), "b": ("blue", None), "c": ("red",)}.items()
        for author, value in zip(("eva", "tom", "ida"), of_authors, strict=False)
    )
    assert people_confusion(COLOR, voices).tolist() == [[2, 2, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert not people_confusion(HAT, voices).any()
