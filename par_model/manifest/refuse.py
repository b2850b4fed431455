"""What makes a manifest's rows ambiguous, so that no job may start on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.cast import wrong_types
from par_model.manifest.duplicates import duplicate_ids
from par_model.manifest.files import missing_columns
from par_model.manifest.plain import may_lose
from par_model.manifest.read import Manifest
from par_model.manifest.schema import COLUMNS, DEFECT, ROW, colliding_columns

_REQUIRED = ("tracklet_id", "video_uri", "frame_indices", "image_uris")
_IDS_PER_BATCH = 65_536


def refuse_ambiguous(manifest: Manifest, schema: AttributeSchema | None) -> None:
    """Read the ids once, in flat memory, and raise ManifestError unless every row is one tracklet of its own.

    Refused are: no rows; a required column that is missing or of a wrong type; a further column whose name the
    attribute table of ``schema`` needs, or whose values it cannot hold; ids that are null, empty, or there twice.
    """
    if manifest.num_rows == 0:
        raise ManifestError(f"manifest {manifest.uri}: has no rows; give a manifest with at least one tracklet")
    for file in manifest.files:
        for column in missing_columns(file):
            raise ManifestError(f"manifest file {file.uri}: column {column} is missing; see `parjob manifest check`")
        for column, problem in wrong_types(file).items():
            if column in _REQUIRED:
                raise ManifestError(f"manifest file {file.uri}: {column}: {problem}; write it in that type")
            if column not in COLUMNS.names:
                raise ManifestError(f"manifest file {file.uri}: {column}: {problem}, or leave it out")
    for reason in colliding_columns(manifest.all_column_names, schema).values():
        raise ManifestError(f"manifest {manifest.uri}: {reason}")
    for row, first, tracklet_id in duplicate_ids(_ids(manifest)):
        raise ManifestError(
            f"manifest {manifest.uri}: {manifest.where(row)} has the tracklet_id {tracklet_id!r} of "
            f"{manifest.where(first)}; ids must be unique (`parjob manifest check` lists all)"
        )
    _refuse_lost_values(manifest)


def _refuse_lost_values(manifest: Manifest) -> None:
    """Further columns come out of the job as they went in: where files differ in a column's type, each value is looked
    at before any work."""
    for file in manifest.files:
        types = {name: file.column_type(name) for name in file.column_names if name in manifest.schema.names}
        names = [
            n for n, kind in types.items() if n not in COLUMNS.names and may_lose(kind, manifest.schema.field(n).type)
        ]
        for batch in replace(manifest, files=(file,)).iter_batches(names, _IDS_PER_BATCH) if names else ():
            for row, defect in zip(batch.column(ROW).to_pylist(), batch.column(DEFECT).to_pylist(), strict=True):
                if defect is not None:
                    raise ManifestError(
                        f"manifest {manifest.uri}: {manifest.where(row)}: {defect}; write that column, in every file, "
                        f"in one type that holds its values"
                    )


def _ids(manifest: Manifest) -> Iterator[pa.RecordBatch]:
    for batch in manifest.iter_batches(["tracklet_id"], _IDS_PER_BATCH):
        ids = batch.column("tracklet_id")
        at = pc.fill_null(pc.equal(ids, ""), True).index(True).as_py()
        if at >= 0:
            why = batch.column(DEFECT)[at].as_py() or f"tracklet_id is {'empty' if ids[at].is_valid else 'null'}"
            where = manifest.where(batch.column(ROW)[at].as_py())
            raise ManifestError(f"manifest {manifest.uri}: {where}: {why}; every row needs an id of its own")
        yield batch
