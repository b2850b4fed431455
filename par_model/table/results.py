"""From outcomes to results, the lines of the attribute table, a column at a time.

Dimension letters: B tracklets, C classes, G classes of one group, E width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.attributes.decide import decide
from par_model.table.schema import scores_type


@dataclass(frozen=True)
class Reading:
    """How scores are read: the schema, a threshold for each class, and which classes were ever trained.

    thresholds: float [C]; a binary group is true above its own. trained: bool [C].
    """

    schema: AttributeSchema
    thresholds: tuple[float, ...]
    trained: tuple[bool, ...]
    model_id: str

    def __post_init__(self) -> None:
        count = self.schema.num_classes
        if len(self.thresholds) != count or len(self.trained) != count:
            raise ValueError(
                f"{len(self.thresholds)} thresholds and {len(self.trained)} trained flags for {count} classes"
            )


def table_results(passed_through: pa.Table, outcomes: pa.Table, reading: Reading, schema: pa.Schema) -> pa.Table:
    """B results.

    passed_through: the manifest's columns of these B tracklets. outcomes: OUTCOME_SCHEMA and ``run_id``, row for row
    the same tracklets. schema: what ``table_schema`` made.
    """
    failed_B = outcomes["error"].is_valid().to_numpy()
    scores_BC = _scores(outcomes["scores"], failed_B, reading.schema.num_classes)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        name: passed_through[name] for name in passed_through.column_names if name in schema.names
    }
    columns["status"] = pa.array(np.where(failed_B, "failed", "ok"), pa.string())
    for name in ("error", "message", "sampled_frames", "num_frames", "run_id"):
        if name in schema.names:
            columns[name] = outcomes[name]
    if "embedding" in schema.names:
        columns["embedding"] = _embeddings(outcomes["embedding"], schema.field("embedding").type)
    columns["model_id"] = pa.repeat(pa.scalar(reading.model_id), len(outcomes))
    columns["scores"] = _struct(scores_BC, failed_B, reading.schema)
    trained = np.asarray(reading.trained)
    decided_BC = decide(scores_BC, reading.schema, reading.thresholds)
    for group, span in reading.schema.spans():
        null_B = failed_B if trained[span].all() else np.ones_like(failed_B)
        value, score = _read_group(group, scores_BC[:, span], decided_BC[:, span], null_B)
        columns[group.column] = value
        columns[f"{group.column}_score"] = score
    return pa.table([_as(columns[field.name], field.type) for field in schema], schema=schema)


def _scores(column: pa.ChunkedArray, failed_B: NDArray[np.bool_], num_classes: int) -> NDArray[np.float32]:
    """float32 [B, C], zero where failed."""
    scores_BC = np.zeros((len(failed_B), num_classes), np.float32)
    flat = pc.list_flatten(column).to_numpy()
    scores_BC[~failed_B] = flat.reshape(-1, num_classes)
    return scores_BC


def _embeddings(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Lists as ``embedding_field`` has them, which Arrow's casts of lists with nulls do not give."""
    values = pc.list_flatten(column).combine_chunks()
    valid_B = column.is_valid().to_numpy()
    mask = pa.array(~valid_B)
    if pa.types.is_fixed_size_list(kind):
        values_BE = np.zeros((len(valid_B), kind.list_size), np.float32)
        values_BE[valid_B] = values.to_numpy().reshape(-1, kind.list_size)
        return pa.FixedSizeListArray.from_arrays(pa.array(values_BE.ravel()), type=kind, mask=mask)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind, mask=mask)


def _struct(scores_BC: NDArray[np.float32], failed_B: NDArray[np.bool_], schema: AttributeSchema) -> pa.Array:
    kind = scores_type(schema)
    fields = [pa.array(np.ascontiguousarray(column_B)) for column_B in scores_BC.T]
    return pa.StructArray.from_arrays(fields, fields=list(kind), mask=pa.array(failed_B))


def _read_group(
    group: AttributeGroup, scores_BG: NDArray[np.float32], decided_BG: NDArray[np.bool_], null_B: NDArray[np.bool_]
) -> tuple[pa.Array, pa.Array]:
    """A group's value and its score."""
    if group.kind == "binary":
        return pa.array(decided_BG[:, 0], mask=null_B), pa.array(scores_BG[:, 0], mask=null_B)
    named_B = decided_BG.argmax(axis=1)
    values = np.array([c.value for c in group.classes], dtype=object)
    score_B = scores_BG[np.arange(len(named_B)), named_B]
    return pa.array(values[named_B], pa.string(), mask=null_B), pa.array(score_B, mask=null_B)


def _as(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return column if column.type == kind else column.cast(kind)
