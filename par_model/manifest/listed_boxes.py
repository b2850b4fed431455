"""Boxes that are lists of four numbers, as many tools keep them, and a manifest made of one that has such boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from par_model.choices import BoxFormat
from par_model.errors import ManifestError
from par_model.manifest.cast import are_listed
from par_model.manifest.plain import plain
from par_model.manifest.read import Manifest
from par_model.manifest.rewrite import refuse_own_place, whole_batches, write_whole
from par_model.manifest.schema import BOX, BOX_FIELDS, COLUMNS

_FOUR = len(BOX_FIELDS)


@dataclass(frozen=True)
class Converted:
    """What was written. empty: boxes whose width or height is not above 0, as of the wrong format there are many."""

    rows: int
    boxes: int
    empty: int


def struct_boxes(values: pa.Array, box_format: BoxFormat) -> tuple[pa.Array, list[str | None]]:
    """Lists of lists of four as the manifest's boxes, and for each row why it has others: then all its boxes are null.

    Sides are subtracted in double precision.
    """
    values = plain(values)
    lengths = _lengths(values)
    listed = values.flatten()
    counts = np.where(listed.is_valid().to_numpy(zero_copy_only=False), _lengths(listed), -1)
    row_of_box = np.repeat(np.arange(len(values)), lengths)
    first_box = np.cumsum(lengths) - lengths
    reasons: list[str | None] = [None] * len(values)
    wrong = (counts >= 0) & (counts != _FOUR)
    for box in np.flatnonzero(wrong)[::-1].tolist():  # the first of a row is the one that is told
        row = int(row_of_box[box])
        reasons[row] = f"boxes: box {box - first_box[row]} has {counts[box]} numbers, expected {_FOUR}"
    numbers = listed.filter(pa.array(counts == _FOUR)).flatten().cast(pa.float64(), safe=False)
    sides = np.zeros((len(listed), _FOUR))
    nulls = np.ones((len(listed), _FOUR), bool)
    sides[counts == _FOUR] = numbers.fill_null(0).to_numpy().reshape(-1, _FOUR)
    nulls[counts == _FOUR] = numbers.is_null().to_numpy(zero_copy_only=False).reshape(-1, _FOUR)
    with np.errstate(over="ignore", invalid="ignore"):  # what no float holds becomes infinite: `check` names it
        if box_format == "xyxy":
            sides[:, 2:] -= sides[:, :2]
            nulls[:, 2:] |= nulls[:, :2]
        columns = [pa.array(side.astype(np.float32), mask=null) for side, null in zip(sides.T, nulls.T, strict=True)]
    boxes = pa.StructArray.from_arrays(columns, fields=list(BOX), mask=pa.array(counts != _FOUR))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    kind = COLUMNS.field("boxes").type
    return pa.ListArray.from_arrays(offsets, boxes, type=kind, mask=values.is_null()), reasons


def convert(uri: str, output: str, box_format: BoxFormat) -> Converted:
    """Write a manifest whose boxes are lists of four as one whose boxes are x, y, w, h; rows stay in order.

    The manifest's other columns keep their values, in the types in which a job reads them; relative URIs become
    absolute ones, since the file may lie elsewhere.
    Raises ManifestError where boxes are no such lists or a value would be lost, with its row; UsageError for an output
    that the manifest's own folder would take for a part of it; StorageError.
    """
    manifest = Manifest.open(uri)
    refuse_own_place(manifest, output)
    _refuse_other_boxes(manifest)
    names = list(manifest.column_names)
    schema = pa.schema([manifest.schema.field(name) for name in names])
    boxes = empty = 0

    def converted() -> Iterator[pa.RecordBatch]:
        nonlocal boxes, empty
        for batch in whole_batches(manifest, names, boxes=lambda values: struct_boxes(values, box_format)):
            sides = batch.column("boxes").flatten()
            boxes += len(sides)
            empty += _count_empty(sides)
            yield batch

    write_whole(output, schema, converted(), manifest.label_schema)
    return Converted(manifest.num_rows, boxes, empty)


def _refuse_other_boxes(manifest: Manifest) -> None:
    kinds = {file.name: file.column_type("boxes") for file in manifest.files}
    listed = {name: kind for name, kind in kinds.items() if kind is not None and not pt.is_null(kind)}
    if not listed:
        raise ManifestError(f"manifest {manifest.uri}: has no boxes to convert")
    for name, kind in listed.items():
        if not are_listed(kind):
            done = pt.is_list(kind) and pt.is_struct(kind.value_type)
            raise ManifestError(
                f"manifest {manifest.uri}: boxes of {name} have type {kind}, no lists of four numbers: "
                + ("such boxes are not converted" if done else "write lists of four, or x, y, w, h")
            )


def _lengths(lists: pa.Array) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(), np.int64)


def _count_empty(boxes: pa.StructArray) -> int:
    width, height = (boxes.field(name) for name in ("w", "h"))
    return int(pc.sum(pc.or_(pc.less_equal(width, 0), pc.less_equal(height, 0))).as_py() or 0)
