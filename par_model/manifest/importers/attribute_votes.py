"""Attributes that a tool says by name, box by box or row by row, to one label a class for each track.

What a track says of an attribute most often is its label; where two answers are level it is not annotated. An answer
that was not given (absent, empty, ``__undefined__``, -1) has no vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from par_model.attributes import AttributeSchema
from par_model.attributes.attribute_schema import field_name
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_names import Target, known_values, match_names
from par_model.wording import counted

# Track id -> attribute's name -> value -> how often the track says so.
Votes = dict[str, dict[str, Counter[str]]]

_YES = frozenset(("1", "1.0", "true", "yes"))
_NO = frozenset(("0", "0.0", "false", "no"))
_NOT_SAID = frozenset(("", "__undefined__", "-1", "-1.0", "nan", "na", "none", "null"))
_SHOWN = 3  # values that a line names


def vote(votes: Votes, track: str, name: str, value: str, times: int = 1) -> None:
    """Count that a track says so of an attribute."""
    votes.setdefault(track, {}).setdefault(name, Counter())[value] += times


@dataclass(frozen=True)
class VotedLabels:
    """labels: track id -> C labels of 1, 0 or -1, of the tracks that say anything.

    unknown_names: attributes that the schema does not know. absent: groups of which no attribute is there.
    unknown_values: attribute -> values that are none of its classes -> tracks of which they would be the label.
    changing, level: attribute -> tracks that say several things of it; of those, the ones with no majority.
    """

    labels: Mapping[str, tuple[int, ...]]
    unknown_names: list[str]
    absent: list[str]
    unknown_values: Mapping[str, Counter[str]] = field(default_factory=dict)
    changing: Mapping[str, int] = field(default_factory=dict)
    level: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """What did not match, from both sides, and what was decided by majority: a sentence each."""
        if self.unknown_names:
            yield f"attributes that the schema does not know: {', '.join(self.unknown_names)}"
        if self.absent:
            yield f"attributes not annotated: {', '.join(self.absent)}"
        for name, values in self.unknown_values.items():
            shown = ", ".join(f"{value!r} {count}" for value, count in values.most_common(_SHOWN))
            more = f" and {counted(len(values) - _SHOWN, 'more value')}" if len(values) > _SHOWN else ""
            yield f"{name} is not annotated for values that are no class of it, by tracklets: {shown}{more}"
        for name, count in self.changing.items():
            level = self.level.get(name, 0)
            undecided = f", {level} of them without one and so not annotated" if level else ""
            yield f"{name} changes within {counted(count, 'tracklet')}: the majority counts{undecided}"


def count_votes(votes: Votes, schema: AttributeSchema, origin: str) -> VotedLabels:
    """Labels of every track in the order of the schema's classes.

    An attribute may be named after a group or after a class, in any spelling that makes the same field name, or by an
    alias. Of a binary group or a single class it says yes or no (true and false, 1 and 0), of an exclusive group the
    name of a class. Raises ManifestError where two attributes mean the same, and where no attribute means anything.
    """
    names = list(dict.fromkeys(name for of_track in votes.values() for name in of_track))
    targets = match_names(names, schema, origin)
    if not targets:
        raise ManifestError(
            f"{origin}: no attribute is one of schema {schema.name}: it has {', '.join(names) or 'none'}, the schema "
            f"{', '.join(group.name for group in schema.groups)}; give the schema's groups aliases"
        )
    readers = {name: _Reader.of(target, schema) for name, target in targets.items()}
    unknown: dict[str, Counter[str]] = {}
    changing: Counter[str] = Counter()
    level: Counter[str] = Counter()
    labels: dict[str, tuple[int, ...]] = {}
    for track, of_track in votes.items():
        row = [-1] * schema.num_classes
        for name, target in targets.items():
            answers = readers[name].answers(of_track.get(name, Counter()))
            winner = _winner(answers)
            changing[name] += len(answers) > 1
            level[name] += len(answers) > 1 and winner is None
            if isinstance(winner, str):
                unknown.setdefault(name, Counter())[winner] += 1
            elif winner is not None:
                row[target.start : target.stop] = winner
        labels[track] = tuple(row)
    reached = {column for target in targets.values() for column in range(target.start, target.stop)}
    return VotedLabels(
        labels=labels,
        unknown_names=[name for name in names if name not in targets],
        absent=[group.name for group, span in schema.spans() if reached.isdisjoint(range(span.start, span.stop))],
        unknown_values=unknown,
        changing=dict(+changing),
        level=dict(+level),
    )


@dataclass(frozen=True)
class _Reader:
    """Reads an attribute's values: as the labels of its classes, or as they stand where they are none of them.

    values: field name -> labels, of an exclusive group; None where yes and no are the values.
    """

    values: Mapping[str, tuple[int, ...]] | None

    @classmethod
    def of(cls, target: Target, schema: AttributeSchema) -> _Reader:
        if not target.whole_group:
            return cls(None)
        group = next(group for group, span in schema.spans() if span.start == target.start)
        size = target.stop - target.start
        known = known_values(group).items()
        return cls({name: tuple(int(i == value) for i in range(size)) for name, value in known})

    def answers(self, said: Counter[str]) -> Counter[tuple[int, ...] | str]:
        answers: Counter[tuple[int, ...] | str] = Counter()
        for value, times in said.items():
            answer = self._answer(value.strip())
            if answer is not None:
                answers[answer] += times
        return answers

    def _answer(self, text: str) -> tuple[int, ...] | str | None:
        if self.values is not None:
            if (labels := self.values.get(field_name(text))) is not None:
                return labels
        elif text.lower() in _YES:
            return (1,)
        elif text.lower() in _NO:
            return (0,)
        return None if text.lower() in _NOT_SAID else text


def _winner(answers: Counter[tuple[int, ...] | str]) -> tuple[int, ...] | str | None:
    """What was said most often; None where nothing was said, or two things equally often."""
    first_two = answers.most_common(2)
    if not first_two or (len(first_two) == 2 and first_two[0][1] == first_two[1][1]):
        return None
    return first_two[0][0]
