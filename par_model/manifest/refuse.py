"""What makes a manifest's rows ambiguous, so that no job may start on it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.cast import type_problem
from par_model.manifest.duplicates import duplicate_ids
from par_model.manifest.files import ManifestFile
from par_model.manifest.read import Manifest
from par_model.manifest.schema import COLUMNS, DEFECT, ROW, colliding_columns

_REQUIRED = ("tracklet_id", "video_uri", "frame_indices", "image_uris")
_IDS_PER_BATCH = 65_536


def refuse_ambiguous(manifest: Manifest, schema: AttributeSchema | None) -> None:
    """Read the ids once, in flat memory, and raise ManifestError unless every row is one tracklet of its own.

    Refused are: no rows; a required column that is missing or of a wrong type; a further column whose name the
    attribute table of ``schema`` needs; ids that are null, empty, or there twice.
    """
    if manifest.num_rows == 0:
        raise ManifestError(f"manifest {manifest.uri}: has no rows; give a manifest with at least one tracklet")
    for file in manifest.files:
        for column in missing_columns(file):
            raise ManifestError(f"manifest file {file.uri}: column {column} is missing; see `parjob manifest check`")
        for column, problem in wrong_types(file).items():
            if column in _REQUIRED:
                raise ManifestError(f"manifest file {file.uri}: {column}: {problem}; write it in that type")
    for reason in colliding_columns(all_column_names(manifest), schema).values():
        raise ManifestError(f"manifest {manifest.uri}: {reason}")
    for row, first in duplicate_ids(_ids(manifest)):
        raise ManifestError(
            f"manifest {manifest.uri}: {manifest.where(row)} has the tracklet_id {_id_at(manifest, row)!r} of "
            f"{manifest.where(first)}; ids must be unique (`parjob manifest check` lists all)"
        )


def missing_columns(file: ManifestFile) -> list[str]:
    """Required columns that a file lacks."""
    names = set(file.column_names)
    missing = [] if "tracklet_id" in names else ["tracklet_id"]
    if "image_uris" in names:
        return missing
    return missing + [name for name in ("video_uri", "frame_indices") if name not in names]


def wrong_types(file: ManifestFile) -> dict[str, str]:
    """The manifest's columns that a file has in a type that cannot hold their values, each with the reason."""
    present = [name for name in COLUMNS.names if name in file.column_names]
    problems = {name: type_problem(name, file.column_type(name)) for name in present}
    return {name: problem for name, problem in problems.items() if problem is not None}


def all_column_names(manifest: Manifest) -> list[str]:
    """Column names of all files; a name that one file has twice is there twice."""
    names: list[str] = []
    for file in manifest.files:
        for name in file.column_names:
            missing = max(file.column_names.count(name), 1) - names.count(name)
            names += [name] * missing
    return names


def _ids(manifest: Manifest) -> Iterator[pa.RecordBatch]:
    for batch in manifest.iter_batches(["tracklet_id"], _IDS_PER_BATCH):
        ids = batch.column("tracklet_id")
        at = pc.fill_null(pc.equal(ids, ""), True).index(True).as_py()
        if at >= 0:
            why = batch.column(DEFECT)[at].as_py() or f"tracklet_id is {'empty' if ids[at].is_valid else 'null'}"
            where = manifest.where(batch.column(ROW)[at].as_py())
            raise ManifestError(f"manifest {manifest.uri}: {where}: {why}; every row needs an id of its own")
        yield batch


def _id_at(manifest: Manifest, row: int) -> str:
    for batch in manifest.iter_batches(["tracklet_id"], _IDS_PER_BATCH):
        first = batch.column(ROW)[0].as_py() if batch.num_rows else 0
        if first <= row < first + batch.num_rows:
            return str(batch.column("tracklet_id")[row - first].as_py())
    raise IndexError(row)
