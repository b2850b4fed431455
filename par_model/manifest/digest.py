"""A digest of each row, by which a later manifest is known to contain the rows of an earlier one unchanged."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from par_model.manifest.rows import rows
from par_model.manifest.schema import DEFECT, ROW
from par_model.manifest.tracklets import TRACKLET_COLUMNS

_NOT_IN_TABLE = ("labels", ROW, DEFECT)


def row_digests(batch: pa.RecordBatch) -> list[bytes]:
    """16 bytes for each row of a batch of ``Manifest.iter_batches``, which has TRACKLET_COLUMNS and any others.

    They depend on all that the attribute table can depend on: the frames, and the values of the other columns but
    ``labels``. They do not depend on the row's position, the files, the columns' order, or columns that are null.
    """
    others = sorted(set(batch.schema.names) - {*TRACKLET_COLUMNS, *_NOT_IN_TABLE})
    values = [_values(batch.column(name)) for name in others]
    digests = []
    for i, row in enumerate(rows(batch)):
        present = [(name, column[i]) for name, column in zip(others, values, strict=True) if column[i] is not None]
        digest = blake2b(digest_size=16)
        digest.update(repr((row.tracklet_id, row.video_uri, row.image_uris, present, sorted(row.unfit))).encode())
        for array in (row.frame_indices, row.null_frames, row.boxes):
            digest.update(b"-" if array is None else b"%d:" % len(array) + array.tobytes())
        digests.append(digest.digest())
    return digests


def _values(column: pa.Array) -> list[Any]:
    # A time's text depends on the libraries that are installed; its number does not.
    return (column.cast(pa.int64()) if pt.is_timestamp(column.type) else column).to_pylist()  # type: ignore[no-any-return]
