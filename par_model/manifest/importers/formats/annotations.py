"""Annotation files of tracklets, as CSV, to labels in a schema's order.

Two layouts are known. As published: columns for person, camera and tracklet number, then one column an attribute.
"Encoded": the tracklet's name, then one column of 0 and 1 a class. Columns are known by their headers: the names and
aliases of the schema's groups and classes. A column of a binary group or of a single class holds 0 or 1, one of an
exclusive group the number of its class; -1 and nothing mean not annotated.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.attributes.attribute_schema import field_name
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_names import Target, known_names
from par_model.manifest.importers.formats.crop_folders import tracklet_name

_PERSON = ("person_id", "person", "pid")
_CAMERA = ("camera", "camera_id", "cam", "cam_id")
_TRACKLET = ("tracklet", "tracklet_id", "tracklets_id", "tracklet_number")
_NAME = re.compile(r"(?:.*/)?(?P<person>\d+|00-1)_?C(?P<camera>\d+)_?T(?P<tracklet>\d+)/?", re.IGNORECASE)
_NOT_ANNOTATED = ("", "-1", "nan", "na", "none", "null")


@dataclass(frozen=True)
class Annotations:
    """labels: tracklet id -> C labels of 1, 0 or -1. unused: headers that the schema does not know.

    by_position: the headers said nothing, so that the columns were taken in the schema's order.
    """

    labels: dict[str, tuple[int, ...]]
    unused: list[str]
    by_position: bool

    @property
    def num_people(self) -> int:
        """How many people the annotated tracklets are of."""
        return len({name.partition("C")[0] for name in self.labels})


def read_annotations(uri: str, schema: AttributeSchema) -> Annotations:
    """Annotations of a CSV file. Raises as ``parse_annotations``, and StorageError where it cannot be read."""
    data = storage.read_bytes(uri)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # some copies have headers in other encodings; what counts is ASCII
    return parse_annotations(text, schema, uri)


def parse_annotations(text: str, schema: AttributeSchema, origin: str) -> Annotations:
    """Labels of each tracklet. origin names the file in errors.

    Raises ManifestError, with the line, for values that the schema has no class for and for tracklets that are there
    twice with different labels, and where no column is one of the schema's.
    """
    lines = _lines(text, origin)
    _, header = next(lines, (1, []))
    keys = _key_columns(header)
    columns = [i for i in range(len(header)) if i not in keys]
    targets, by_position = _targets(header, columns, schema, origin, encoded=len(keys) == 1)
    labels: dict[str, tuple[int, ...]] = {}
    seen: dict[str, int] = {}
    for number, row in lines:
        where = f"{origin}, line {number}"
        if len(row) != len(header):
            raise ManifestError(f"{where}: {len(row)} columns, but the header has {len(header)}")
        name = _tracklet_of([row[i] for i in keys], where)
        values = _labels_of(row, header, targets, schema.num_classes, where)
        if labels.setdefault(name, values) != values:
            raise ManifestError(f"{origin}, lines {seen[name]} and {number}: {name} has different labels")
        seen.setdefault(name, number)
    unused = [header[i] for i in columns if i not in targets]
    return Annotations(labels, unused, by_position)


def _lines(text: str, origin: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its line."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise ManifestError(f"{origin}, line {reader.line_num}: is not CSV: {error}") from error


def _key_columns(header: Sequence[str]) -> list[int]:
    """Positions of person, camera and tracklet number as published, else of the tracklet's name, the first column."""
    names = [field_name(cell.strip()) for cell in header]
    found = [
        next((names.index(name) for name in known if name in names), -1) for known in (_PERSON, _CAMERA, _TRACKLET)
    ]
    return found if -1 not in found else [0]


def _targets(
    header: Sequence[str], columns: Sequence[int], schema: AttributeSchema, origin: str, *, encoded: bool
) -> tuple[dict[int, Target], bool]:
    """What each column means, and whether that was taken from its position."""
    known = known_names(schema)
    targets = {i: known[name] for i in columns if (name := field_name(header[i].strip())) in known}
    if not targets and encoded and len(columns) == schema.num_classes:
        return {column: Target(i, i + 1, False) for i, column in enumerate(columns)}, True
    if not targets:
        shown = ascii(", ".join(header))[:200]
        raise ManifestError(f"{origin}: no column is one of schema {schema.name}; its headers are {shown}")
    unknown = [header[i] for i in columns if i not in targets]
    if encoded and unknown:
        raise ManifestError(f"{origin}: column {unknown[0]!r} is no class of schema {schema.name}; add it as an alias")
    taken: dict[int, int] = {}
    for column, target in targets.items():
        for position in range(target.start, target.stop):
            other = taken.setdefault(position, column)
            if other != column:
                raise ManifestError(
                    f"{origin}: columns {header[other]!r} and {header[column]!r} are the same attribute of schema "
                    f"{schema.name}; remove one"
                )
    return targets, False


def _tracklet_of(cells: Sequence[str], where: str) -> str:
    if len(cells) == 1:
        match = _NAME.fullmatch(cells[0].strip())
        if match is None:
            raise ManifestError(f"{where}: {cells[0]!r} is not a tracklet's name such as 0001C2T0058")
        return tracklet_name(match["person"], match["camera"], match["tracklet"])
    person, camera, tracklet = (_number(cell, "a number", where) for cell in cells)
    return tracklet_name(person, camera, tracklet)


def _labels_of(
    row: Sequence[str], header: Sequence[str], targets: dict[int, Target], num_classes: int, where: str
) -> tuple[int, ...]:
    labels = [-1] * num_classes
    for column, target in targets.items():
        cell = row[column].strip()
        if cell.lower() in _NOT_ANNOTATED:
            continue
        classes = target.stop - target.start
        values = range(classes if target.whole_group else 2)
        number = _number(cell, f"{values.start} to {values.stop - 1}", f"{where}, column {header[column]!r}")
        if number not in values:
            raise ManifestError(
                f"{where}, column {header[column]!r}: {number} is not in {values.start} to {values.stop - 1}"
            )
        one_hot = [int(i == number) for i in range(classes)] if target.whole_group else [number]
        labels[target.start : target.stop] = one_hot
    return tuple(labels)


def _number(cell: str, expected: str, where: str) -> int:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not value.is_integer():
        raise ManifestError(f"{where}: {cell!r} is not {expected}")
    return int(value)
