"""What a table says of labelled tracklets: the table of a finished ``infer``, or another model's.

Dimension letters: B labelled tracklets, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from par_model import storage
from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.errors import OutputError, SchemaError
from par_model.evaluation.measures import Answers
from par_model.table.read import FOLDER, finished_run, open_table, readable, run_table


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a table says of the labelled tracklets, row for row.

    missing: tracklets that the table does not have. untrained: classes that the weights were never trained for, or
    that another model's table does not tell. run_id: of the run that wrote the table.
    """

    answers: Answers
    failed: int
    missing: int
    untrained: frozenset[str]
    run_id: str | None


def is_other_models(uri: str) -> bool:
    """Whether ``uri`` names another model's table, and not the output folder of ``infer``."""
    return storage.is_glob(uri) or uri.endswith(".parquet")


def read_predictions(uri: str, schema: AttributeSchema, ids: list[str]) -> Predictions:
    """What the table at ``uri`` says of the tracklets ``ids``.

    uri: the output folder of ``infer``; or a Parquet file, or a pattern of files, that any other model wrote. That has
    ``tracklet_id`` and a column for each group that the model knows: true and false for a binary group, the class's
    value for an exclusive one; a null says no, or names no class. It may have ``status`` (``ok`` or ``failed``) and
    ``scores``, a struct as the attribute table's; without, what is said scores 1 and all else 0.

    Raises OutputError, SchemaError where it is no such table, StorageError where it cannot be read.
    """
    if is_other_models(uri):
        return _of_other_model(uri, schema, ids)
    try:
        record = finished_run(uri)
    except OutputError as error:
        raise OutputError(f"{error}; another model's table is given as a Parquet file or a pattern of files") from error
    rows = _rows(uri, schema, run_table(uri, record))
    at_B, answered_B = _rows_of(rows, ids)
    return Predictions(
        answers=Answers(
            _scores(rows, schema.score_fields, at_B, answered_B), _said(rows, schema, at_B, answered_B), answered_B
        ),
        failed=int(((at_B >= 0) & ~answered_B).sum()),
        missing=int((at_B < 0).sum()),
        untrained=frozenset(record["schema"].get("untrained", ())),
        run_id=record.get("run_id"),
    )


def _of_other_model(uri: str, schema: AttributeSchema, ids: list[str]) -> Predictions:
    rows = _other_rows(uri, schema)
    at_B, answered_B = _rows_of(rows, ids)
    told = [group for group in schema.groups if group.column in rows.column_names]
    untold = [name for group in schema.groups if group not in told for name in group.score_fields]
    decided_BC = _said(rows, schema, at_B, answered_B)
    scores_BC = decided_BC.astype(np.float32)
    scored = _score_fields(rows.schema)
    for c, name in enumerate(schema.score_fields):
        if name in scored:
            scores_BC[:, [c]] = _scores(rows, (name,), at_B, answered_B)
    return Predictions(
        answers=Answers(scores_BC, decided_BC, answered_B),
        failed=int(((at_B >= 0) & ~answered_B).sum()),
        missing=int((at_B < 0).sum()),
        untrained=frozenset(untold),
        run_id=None,
    )


def _rows(uri: str, schema: AttributeSchema, table: ds.Dataset) -> pa.Table:
    scored = _score_fields(table.schema)
    lacking = [name for name in schema.score_fields if name not in scored]
    if lacking:
        raise SchemaError(
            f"{uri} has no scores for {lacking[0]!r} ({len(lacking)} of the labels' {schema.num_classes} classes): its "
            f"weights follow another schema than {schema.name!r}"
        )
    columns = ["tracklet_id", "status", "scores", *(group.column for group in schema.groups)]
    with readable(storage.join(storage.absolute(uri), FOLDER)):
        return table.to_table(columns=columns)


def _other_rows(uri: str, schema: AttributeSchema) -> pa.Table:
    """The columns that count, of all files; checked."""
    uris = [file.uri for file in storage.glob_files(uri)] if storage.is_glob(uri) else [storage.absolute(uri)]
    if not uris:
        raise OutputError(f"no file matches {uri}")
    tables = [open_table(one, ()) for one in uris]
    names = set.intersection(*(set(table.schema.names) for table in tables))
    columns = [group.column for group in schema.groups if group.column in names]
    if "tracklet_id" not in names or not columns:
        wanted = ", ".join(group.column for group in schema.groups)
        raise SchemaError(
            f"{uri} needs a column tracklet_id and at least one named after a group of schema {schema.name} "
            f"({wanted}); its columns: {', '.join(sorted(names)) or 'none that all files have'}"
        )
    columns += [name for name in ("tracklet_id", "status", "scores") if name in names]
    with readable(uri):
        rows = pa.concat_tables([table.to_table(columns=columns) for table in tables], promote_options="permissive")
    for group in schema.groups:
        if group.column in columns:
            _check_values(rows[group.column], group, uri)
    twice = pc.value_counts(rows["tracklet_id"]).to_pylist()
    if repeated := [item["values"] for item in twice if item["counts"] > 1]:
        raise OutputError(f"{uri} has tracklet {repeated[0]!r} twice: a tracklet has one row")
    return rows


def _check_values(column: pa.ChunkedArray, group: AttributeGroup, uri: str) -> None:
    allowed = {"true", "false"} if group.kind == "binary" else {c.value for c in group.classes}
    for value in column.unique().to_pylist():
        text = str(value).lower() if isinstance(value, bool) else value
        if value is not None and text not in allowed:
            raise SchemaError(f"{uri}, column {group.column}: {value!r} is not one of {', '.join(sorted(allowed))}")


def _score_fields(schema: pa.Schema) -> set[str]:
    if "scores" not in schema.names or not pa.types.is_struct(schema.field("scores").type):
        return set()
    return {field.name for field in schema.field("scores").type}


def _rows_of(rows: pa.Table, ids: list[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each id its row, -1 where there is none; and whether that row says anything."""
    row_of = {tracklet_id: i for i, tracklet_id in enumerate(rows["tracklet_id"].to_pylist())}
    at_B = np.array([row_of.get(tracklet_id, -1) for tracklet_id in ids], np.int64)
    if "status" in rows.column_names:
        ok = pc.fill_null(pc.equal(rows["status"], "ok"), False).to_numpy()
    else:
        ok = np.ones(len(rows), bool)
    return at_B, (at_B >= 0) & np.append(ok, False)[at_B]


def _scores(
    rows: pa.Table, names: tuple[str, ...], at_B: NDArray[np.int64], answered_B: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """float32 [B, number of names], 0 where nothing was said."""
    scores = np.zeros((len(at_B), len(names)), np.float32)
    struct = rows["scores"].combine_chunks()
    for c, name in enumerate(names):
        values = pc.fill_null(struct.field(name).cast(pa.float32()), 0).to_numpy(zero_copy_only=False)
        scores[answered_B, c] = values[at_B[answered_B]]
    return scores


def _said(
    rows: pa.Table, schema: AttributeSchema, at_B: NDArray[np.int64], answered_B: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """bool [B, C]; False for classes of groups that the table has no column for."""
    decided = np.zeros((len(at_B), schema.num_classes), bool)
    at = at_B[answered_B]
    for group, span in schema.spans():
        if group.column not in rows.column_names:
            continue
        said = rows[group.column].cast(pa.string()).to_pylist()
        values = ["true"] if group.kind == "binary" else [c.value for c in group.classes]
        answers = np.array([[said[i] == value for value in values] for i in at], bool)
        decided[answered_B, span] = answers.reshape(len(at), len(values))
    return decided
