"""What people answered: files that the labelling page saves, and the column of a manifest that keeps it.

A file of answers is JSON:

    {"format": "parjob-answers", "version": 1, "author": "eva", "schema": "<the schema's TOML text>",
     "answers": [{"tracklet_id": "t1", "time": "2026-11-28T17:45:00Z",
                  "groups": {"backpack": "yes", "top_color": "red", "hat": null}}]}

Of a binary group an answer is yes or no, of an exclusive one the value of a class; null says that it cannot be seen.
What is not answered is not there. Keys that are not named here mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

from par_model import storage
from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.documents import DocumentError, read_document
from par_model.errors import ManifestError, SchemaError
from par_model.labelling.options import is_name

COLUMN = "label_answers"
FIELD = pa.field(
    COLUMN,
    pa.list_(
        pa.struct(
            [
                ("group", pa.string()),
                ("answer", pa.string()),
                ("author", pa.string()),
                ("time", pa.timestamp("ms", tz="UTC")),
            ]
        )
    ),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNSEEN = "cannot be seen"  # how an answer of None is called


@dataclass(frozen=True)
class LabelAnswer:
    """What one person said of one group of one tracklet. answer: one of the group's answers, None: it cannot be
    seen."""

    tracklet_id: str
    group: str
    answer: str | None
    author: str
    time: datetime


@dataclass(frozen=True)
class AnswerFile:
    """A file of answers. schema: that they follow. answers: in the file's order."""

    uri: str
    author: str
    schema: AttributeSchema
    answers: tuple[LabelAnswer, ...]


@dataclass(frozen=True)
class _DocumentAnswer:
    tracklet_id: str
    time: datetime
    groups: dict[str, str | None]

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError(f"time {self.time.isoformat()} has no zone: write 2026-11-28T17:45:00Z")
        try:
            self.time.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"time {self.time.isoformat()} is before the year 1 or after 9999 in UTC") from error


@dataclass(frozen=True)
class _AnswerDocument:
    format: Literal["parjob-answers"]
    version: Literal[1]
    author: str
    schema: str
    answers: tuple[_DocumentAnswer, ...]

    def __post_init__(self) -> None:
        if not is_name(self.author):
            raise ValueError(f"author must be one line of text, whoever answered: got {self.author!r}")


def read_answers(uri: str) -> AnswerFile:
    """A file of answers. Raises ManifestError where it is none, or says what its own schema does not know; SchemaError,
    StorageError."""
    try:
        document = json.loads(storage.read_bytes(uri))
        found = read_document(_AnswerDocument, document)
    except DocumentError as error:
        raise ManifestError(f"answers {uri}: {error}; give a file that `parjob label page` saved") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"answers {uri}: is not valid JSON ({error})") from error
    schema = AttributeSchema.parse(found.schema, f"in {uri}")
    answers = tuple(
        LabelAnswer(of.tracklet_id, group, answer, found.author.strip(), _whole(of.time))
        for of in found.answers
        for group, answer in of.groups.items()
    )
    if not answers:
        raise ManifestError(f"answers {uri}: has no answers")
    refuse_unknown(answers, schema, uri)
    return AnswerFile(uri, found.author.strip(), schema, answers)


def common_schema(files: Sequence[AnswerFile]) -> AttributeSchema:
    """The schema of all files. Raises SchemaError where two differ."""
    first = files[0]
    for file in files[1:]:
        if file.schema != first.schema:
            raise SchemaError(
                f"answers {file.uri} follow another schema than {first.uri} ({file.schema.name}, {first.schema.name}): "
                "apply each to a manifest of its own"
            )
    return first.schema


def refuse_unknown(answers: Iterable[LabelAnswer], schema: AttributeSchema, uri: str) -> None:
    """Raises ManifestError for the first answer that the schema does not know, with what it does."""
    groups = {group.name: group for group in schema.groups}
    for said in answers:
        where = f"{uri}: tracklet {said.tracklet_id!r}"
        group = groups.get(said.group)
        if group is None:
            raise ManifestError(
                f"{where}: {said.group!r} is no group of schema {schema.name}; its groups: {', '.join(groups)}"
            )
        if said.answer is not None and said.answer not in group.answers:
            raise ManifestError(
                f"{where}: {said.group} is {said.answer!r}, which is none of {', '.join(group.answers)}"
            )


def labels_of(group: AttributeGroup, answer: str | None) -> list[int]:
    """One label a class: 1 and 0, or all -1 where it cannot be seen."""
    if answer is None:
        return [-1] * len(group.classes)
    if group.kind == "binary":
        return [group.answers.index(answer)]
    return [int(value == answer) for value in group.values]


def from_column(ids: Sequence[str], column: pa.Array, schema: AttributeSchema, uri: str) -> Iterator[LabelAnswer]:
    """The answers that a manifest's rows keep, also where another library has written them as a large_list of
    large_string or with other units of time. Raises ManifestError where the column is another one, or says what the
    schema does not know."""
    if column.null_count == len(column):
        return  # of whatever type: a column without values has none of its own in many libraries
    parts = _parts(column, uri)
    values = zip(*(parts[name].to_pylist() for name in ("group", "answer", "author", "time")), strict=True)
    for tracklet_id, length in zip(ids, column.value_lengths().fill_null(0).to_pylist(), strict=True):
        for _ in range(length):
            group, answer, author, time = next(values)
            if group is None or time is None or author is None or not is_name(author):
                raise ManifestError(
                    f"{uri}: tracklet {tracklet_id!r}: an answer in column {COLUMN} lacks its group, author or time: "
                    "remove it, or the column"
                )
            said = LabelAnswer(tracklet_id, group, answer, author, _EPOCH + timedelta(milliseconds=time))
            refuse_unknown([said], schema, uri)
            yield said


def _parts(column: pa.Array, uri: str) -> dict[str, pa.Array]:
    """Each field of all entries, in the type that ``FIELD`` has, times as whole milliseconds. Raises ManifestError."""
    kind = column.type
    problem = f"{uri}: column {COLUMN} is {kind}, not what `parjob label apply` writes: rename it"
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    wanted = list(FIELD.type.value_type)
    if not is_list or not pa.types.is_struct(kind.value_type):
        raise ManifestError(problem)
    entries = column.flatten()
    if not {field.name for field in wanted} <= {field.name for field in entries.type}:
        raise ManifestError(problem)
    # Unlike StructArray.field, flatten knows that fields of an entry that is null are null.
    fields = dict(zip((field.name for field in entries.type), entries.flatten(), strict=True))
    try:
        parts = {field.name: fields[field.name].cast(field.type) for field in wanted}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ManifestError(problem) from error
    return parts | {"time": parts["time"].cast(pa.int64())}


def to_column(answers: Sequence[Sequence[LabelAnswer]]) -> pa.Array:
    """The column of ``FIELD`` of rows with these answers; null where there are none."""
    rows: list[Any] = [
        [{"group": of.group, "answer": of.answer, "author": of.author, "time": of.time} for of in row] or None
        for row in answers
    ]
    return pa.array(rows, FIELD.type)


def _whole(time: datetime) -> datetime:
    """In UTC, to the millisecond, as the column keeps it."""
    utc = time.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
