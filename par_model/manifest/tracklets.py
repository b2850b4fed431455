"""From a manifest's rows to tracklets that are known to be right, and failures that say why others are not."""

from __future__ import annotations

import pyarrow as pa

from par_model.errors import FailureCode, TrackletError
from par_model.manifest.rows import Row, rows
from par_model.types import Failure, Tracklet

# What `tracklets` needs of a manifest: pass it to `Manifest.iter_batches`.
TRACKLET_COLUMNS = ("tracklet_id", "video_uri", "image_uris", "frame_indices", "boxes", "video_stream")


def tracklets(batch: pa.RecordBatch) -> list[Tracklet | Failure]:
    """Each row of a batch of ``Manifest.iter_batches`` as a Tracklet, or as a Failure with invalid-tracklet."""
    return [_tracklet(row) for row in rows(batch)]


def _tracklet(row: Row) -> Tracklet | Failure:
    defect = _defect(row)
    if defect is None:
        try:
            return Tracklet(
                row=row.row,
                tracklet_id=row.tracklet_id or "",
                video_uri=row.video_uri,
                image_uris=None if row.image_uris is None else tuple(uri or "" for uri in row.image_uris),
                frame_indices=row.frame_indices,
                boxes=row.boxes,
                video_stream=row.video_stream,
            )
        except TrackletError as error:
            defect = error.message
    return Failure(
        row=row.row,
        tracklet_id=row.tracklet_id or "",
        num_frames=row.num_frames,
        code=FailureCode.INVALID_TRACKLET,
        message=defect,
    )


def _defect(row: Row) -> str | None:
    """What a Tracklet cannot tell of itself: values that it could not even hold."""
    if row.unfit:
        return "; ".join(f"{column}: {why}" for column, why in row.unfit.items())
    if row.null_frames is not None:
        return f"frame_indices has a null at position {int(row.null_frames.argmax())}"
    if row.image_uris is not None and not all(row.image_uris):
        at = next(i for i, uri in enumerate(row.image_uris) if not uri)
        return f"image_uris is empty or null at position {at}"
    return None
