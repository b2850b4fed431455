"""The labels of a manifest's rows, class by class under the names of an attribute schema.

Dimension letters: B tracklets, C classes of the schema.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError, SchemaError
from par_model.manifest.read import Manifest
from par_model.manifest.schema import DEFECT, LABEL_VALUES, ROW
from par_model.times import with_offset
from par_model.wording import listed

PERSON = "person_id"
_NAMED = 3  # of the classes that differ, so many are named


@dataclass(frozen=True, eq=False)
class Labels:
    """What is annotated of B rows, in manifest order.

    rows: int64 [B], positions in the manifest. splits and people: None where the manifest says nothing.
    values: int8 [B, C], 1, 0, or -1 for not annotated, in the order of the schema that was asked for.
    """

    rows: NDArray[np.int64]
    ids: list[str]
    splits: list[str | None]
    people: list[str | None]
    values: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """bool [B]: whether any class of a row is annotated."""
        known: NDArray[np.bool_] = np.count_nonzero(self.values >= 0, axis=1) > 0
        return known

    def where(self, keep: NDArray[np.bool_]) -> Labels:
        """The rows for which ``keep``, bool [B], is true."""
        chosen = np.flatnonzero(keep)
        return Labels(
            rows=self.rows[chosen],
            ids=[self.ids[i] for i in chosen],
            splits=[self.splits[i] for i in chosen],
            people=[self.people[i] for i in chosen],
            values=self.values[chosen],
        )


def read_labels(manifest: Manifest, schema: AttributeSchema, *, labelled_by: AttributeSchema | None = None) -> Labels:
    """The labels of all rows, in the order of ``schema``'s classes.

    labelled_by: the schema that the manifest's labels follow, by default that of its metadata. It must have the classes
    of ``schema``; their order may differ.

    Raises ManifestError where no schema is known, a row has another number of labels than classes or a value other
    than 1, 0 and -1, or people are no plain values; SchemaError where the classes differ.
    """
    order = _class_order(schema_of_labels(manifest, labelled_by), schema, manifest.uri)
    further = [PERSON] if PERSON in manifest.schema.names else []
    if further and pa.types.is_nested(kind := manifest.schema.field(PERSON).type):
        raise ManifestError(f"manifest {manifest.uri}: column {PERSON!r} is {kind}: give text or numbers")
    rows: list[NDArray[np.int64]] = []
    values: list[NDArray[np.int8]] = []
    texts: dict[str, list[str | None]] = {"tracklet_id": [], "split": [], PERSON: []}
    for batch in manifest.iter_batches(["tracklet_id", "split", "labels", *further]):
        rows.append(batch.column(ROW).to_numpy())
        values.append(_values(manifest, batch, len(order))[:, order])
        for name in texts:
            known = name in batch.schema.names
            column = with_offset(batch.column(name)) if known else pa.nulls(batch.num_rows)
            texts[name] += column.cast(pa.string()).to_pylist()
    return Labels(
        rows=np.concatenate(rows) if rows else np.empty(0, np.int64),
        ids=[tracklet_id or "" for tracklet_id in texts["tracklet_id"]],
        splits=texts["split"],
        people=texts[PERSON],
        values=np.concatenate(values) if values else np.empty((0, len(order)), np.int8),
    )


def schema_of_labels(manifest: Manifest, given: AttributeSchema | None) -> AttributeSchema:
    """The given schema, else that of the manifest's metadata. Raises ManifestError where neither is known."""
    found = given or manifest.label_schema
    if found is None:
        raise ManifestError(
            f"manifest {manifest.uri}: does not say which schema its labels follow: give it with --schema"
        )
    return found


def _class_order(theirs: AttributeSchema, wanted: AttributeSchema, uri: str) -> list[int]:
    """For each class of ``wanted``, its position among the manifest's labels."""
    if set(theirs.score_fields) != set(wanted.score_fields):
        only = [name for name in wanted.score_fields if name not in theirs.score_fields]
        other = [name for name in theirs.score_fields if name not in wanted.score_fields]
        differences = [
            f"{who} has {listed(names, _NAMED)}" for who, names in ((wanted.name, only), (theirs.name, other)) if names
        ]
        raise SchemaError(
            f"manifest {uri}: its labels follow schema {theirs.name!r}, not {wanted.name!r}: only "
            f"{', only '.join(differences)}"
        )
    return [theirs.score_fields.index(name) for name in wanted.score_fields]


def _values(manifest: Manifest, batch: pa.RecordBatch, classes: int) -> NDArray[np.int8]:
    """int8 [rows, classes]; a row without labels, or a null among them, is -1."""
    column = batch.column("labels")
    lengths = pc.list_value_length(column)
    wrong = pc.fill_null(pc.not_equal(lengths, classes), False)
    if (at := wrong.index(True).as_py()) >= 0:
        raise ManifestError(
            f"manifest {manifest.uri}: {_where(manifest, batch, at)} has {lengths[at]} labels, the schema {classes} "
            "classes: one label a class, in the schema's order"
        )
    for at, defect in enumerate(batch.column(DEFECT).to_pylist()):
        if defect and (line := next((d for d in defect.split("\n") if d.startswith("labels: ")), None)):
            raise ManifestError(f"manifest {manifest.uri}: {_where(manifest, batch, at)}: {line}")
    values = np.full((batch.num_rows, classes), -1, np.int8)
    present = column.is_valid().to_numpy(zero_copy_only=False)
    values[present] = column.drop_null().flatten().fill_null(-1).to_numpy().reshape(-1, classes)
    strange = ~np.isin(values, LABEL_VALUES)
    if strange.any():
        at, which = (int(i) for i in np.argwhere(strange)[0])
        raise ManifestError(
            f"manifest {manifest.uri}: {_where(manifest, batch, at)} has the label {values[at, which]}: labels are 1, "
            "0, or -1 for not annotated"
        )
    return values


def _where(manifest: Manifest, batch: pa.RecordBatch, at: int) -> str:
    return f"{manifest.where(batch.column(ROW)[at].as_py())}, {batch.column('tracklet_id')[at].as_py()!r},"
