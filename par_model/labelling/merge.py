"""Answers of several people made one label a class: what more than half of them say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from par_model.labelling.answers import LabelAnswer

# tracklet_id -> group -> author -> what that person said last.
Voices = dict[str, dict[str, dict[str, LabelAnswer]]]


def gather_voices(answers: Iterable[LabelAnswer]) -> Voices:
    """Who said what; of one person's answers to one question the latest counts, of equally late ones the last."""
    voices: Voices = {}
    for said in answers:
        of_group = voices.setdefault(said.tracklet_id, {}).setdefault(said.group, {})
        before = of_group.get(said.author)
        if before is None or said.time >= before.time:
            of_group[said.author] = said
    return voices


def majority(said: Iterable[str | None]) -> str | None:
    """What more than half of the answers are; None where that is nothing, or that it cannot be seen."""
    counts = Counter(said)
    winner, votes = counts.most_common(1)[0]
    return winner if 2 * votes > counts.total() else None
