"""What makes a manifest's rows ambiguous, so that no job may start on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.cast import wrong_types
from par_model.manifest.duplicates import duplicate_ids
from par_model.manifest.files import ManifestFile, missing_columns
from par_model.manifest.plain import may_lose
from par_model.manifest.read import Manifest
from par_model.manifest.rows import unfit_values
from par_model.manifest.schema import COLUMNS, DEFECT, ROW, colliding_columns

_REQUIRED = ("tracklet_id", "video_uri", "frame_indices", "image_uris")
_IDS_PER_BATCH = 65_536


@dataclass(frozen=True, order=True)
class Complaint:
    """Why one row makes a manifest ambiguous."""

    row: int
    why: str

    def of(self, manifest: Manifest) -> ManifestError:
        """It as an error, with the row's place."""
        return ManifestError(f"manifest {manifest.uri}: {manifest.where(self.row)}{self.why}")


def refuse_ambiguous(manifest: Manifest, schema: AttributeSchema | None) -> None:
    """Read the ids once, in flat memory, and raise ManifestError unless every row is one tracklet of its own.

    Refused are: no rows; a required column that is missing or of a wrong type; a further column whose name the
    attribute table of ``schema`` needs, or whose values it cannot hold; ids that are null, empty, or there twice.
    """
    refuse_columns(manifest, schema)
    for row, first, tracklet_id in duplicate_ids(_ids(manifest)):
        raise same_id(manifest, row, first, tracklet_id).of(manifest)
    for file in manifest.files:
        names = losing_columns(file, manifest.schema)
        of_file = replace(manifest, files=(file,))
        for batch in of_file.iter_batches(names, _IDS_PER_BATCH) if names else ():
            if complaint := value_complaint(batch):
                raise complaint.of(manifest)


def refuse_columns(manifest: Manifest, schema: AttributeSchema | None) -> None:
    """As ``refuse_ambiguous``, as far as the files' footers tell."""
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


def id_complaint(batch: pa.RecordBatch) -> Complaint | None:
    """Of the first row without an id. batch: of ``Manifest.iter_batches``."""
    ids = batch.column("tracklet_id")
    at = pc.fill_null(pc.equal(ids, ""), True).index(True).as_py()
    if at < 0:
        return None
    unfit = unfit_values(batch.column(DEFECT)[at].as_py()).get("tracklet_id")
    why = f"tracklet_id: {unfit}" if unfit else f"tracklet_id is {'empty' if ids[at].is_valid else 'null'}"
    return Complaint(batch.column(ROW)[at].as_py(), f": {why}; every row needs an id of its own")


def value_complaint(batch: pa.RecordBatch) -> Complaint | None:
    """Of the first row with a value of a further column that the attribute table cannot hold: further columns come out
    of a job as they went in."""
    defects = batch.column(DEFECT)
    for at in np.flatnonzero(defects.is_valid().to_numpy(zero_copy_only=False)).tolist():
        for column, why in unfit_values(defects[at].as_py()).items():
            if column not in COLUMNS.names:
                advice = "write that column, in every file, in one type that holds its values"
                return Complaint(batch.column(ROW)[at].as_py(), f": {column}: {why}; {advice}")
    return None


def losing_columns(file: ManifestFile, schema: pa.Schema) -> list[str]:
    """Further columns of a file in which ``value_complaint`` may find something. schema: the manifest's."""
    names = [name for name in file.column_names if name in schema.names and name not in COLUMNS.names]
    return [name for name in names if may_lose(file.column_type(name), schema.field(name).type)]


def same_id(manifest: Manifest, row: int, first: int, tracklet_id: str) -> Complaint:
    """Of a row with the id of an earlier one."""
    where = manifest.where(first)
    return Complaint(
        row, f" has the tracklet_id {tracklet_id!r} of {where}; ids must be unique (`parjob manifest check` lists all)"
    )


def _ids(manifest: Manifest) -> Iterator[pa.RecordBatch]:
    for batch in manifest.iter_batches(["tracklet_id"], _IDS_PER_BATCH):
        if complaint := id_complaint(batch):
            raise complaint.of(manifest)
        yield batch
