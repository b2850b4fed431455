"""Every defect of a manifest, row by row."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from par_model.attributes import AttributeSchema
from par_model.manifest.cast import wrong_types
from par_model.manifest.defects import (
    DefectCode,
    Finding,
    id_defects,
    label_defects,
    source_defects,
    split_defects,
)
from par_model.manifest.duplicates import duplicate_ids
from par_model.manifest.files import missing_columns
from par_model.manifest.read import Manifest
from par_model.manifest.rows import Row, rows
from par_model.manifest.schema import ROW, colliding_columns


@dataclass(frozen=True)
class Defect:
    """One defect of one row. tracklet_id is None where the row has none."""

    row: int
    tracklet_id: str | None
    code: DefectCode
    message: str


def check(manifest: Manifest, schema: AttributeSchema | None) -> Iterator[Defect]:
    """Every defect, in row order, in flat memory.

    schema: that of ``labels``, and of the table that is to be made. Without it the length of labels is compared with
    that of the first labelled row, and column names with the table's fixed ones only.
    Raises StorageError, or ManifestError if a file is damaged.
    """
    streams = (_of_columns(manifest, schema), _of_ids(manifest), _of_rows(manifest, schema))
    return heapq.merge(*streams, key=lambda defect: defect.row)


def _of_columns(manifest: Manifest, schema: AttributeSchema | None) -> Iterator[Defect]:
    said: set[str] = set()
    collisions = colliding_columns(manifest.all_column_names, schema)
    for file in manifest.files:
        found: list[Finding] = [
            (DefectCode.MISSING_COLUMN, f"{file.name} has no column {name}, which is required")
            for name in missing_columns(file)
        ]
        found += [
            (DefectCode.WRONG_TYPE, f"{name}: {problem} (all rows of {file.name})")
            for name, problem in wrong_types(file).items()
        ]
        new = [name for name in dict.fromkeys(file.column_names) if name in collisions and name not in said]
        said.update(new)
        found += [(DefectCode.COLLIDING_COLUMN, collisions[name]) for name in new]
        if found:
            tracklet_id = manifest.tracklet_id(file.first_row) if file.num_rows else None
            yield from (Defect(file.first_row, tracklet_id, code, message) for code, message in found)


def _of_ids(manifest: Manifest) -> Iterator[Defect]:
    for row, first, tracklet_id in duplicate_ids(manifest.iter_batches(["tracklet_id"], 65_536)):
        message = f"tracklet_id is already that of {manifest.where(first)}"
        yield Defect(row, tracklet_id, DefectCode.DUPLICATE_ID, message)


def _of_rows(manifest: Manifest, schema: AttributeSchema | None) -> Iterator[Defect]:
    length, whose = (schema.num_classes, f"schema {schema.name}") if schema is not None else (None, "")
    # What is said of a file's column is not said again of each of its rows.
    said_of = {file.uri: {*missing_columns(file), *wrong_types(file)} for file in manifest.files}
    for batch in manifest.iter_batches():
        if batch.num_rows == 0:
            continue
        file = manifest.file_of(batch.column(ROW)[0].as_py())
        unread = said_of[file.uri]
        for row, split, labels in _with_labels(batch):
            if length is None and labels is not None and "labels" not in row.unfit:
                length, whose = len(labels), f"row {row.row}"
            for code, message in _findings(row, split, labels, unread, length, whose):
                yield Defect(row.row, row.tracklet_id, code, message)


def _with_labels(batch: pa.RecordBatch) -> Iterator[tuple[Row, str | None, list[int | None] | None]]:
    return zip(rows(batch), batch.column("split").to_pylist(), batch.column("labels").to_pylist(), strict=True)


def _findings(
    row: Row, split: str | None, labels: list[int | None] | None, unread: set[str], length: int | None, whose: str
) -> Iterator[Finding]:
    for column, why in row.unfit.items():
        if column not in unread:
            yield DefectCode.VALUE_DOES_NOT_FIT, f"{column}: {why}"
    unknown = unread | row.unfit.keys()
    if "tracklet_id" not in unknown:
        yield from id_defects(row.tracklet_id)
    yield from source_defects(row, unknown)
    yield from split_defects(split)
    if "labels" not in unknown:
        yield from label_defects(labels, length, whose)
