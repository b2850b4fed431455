"""A manifest's rows as Python and NumPy values, before anything is known to be right about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.manifest.schema import DEFECT, ROW


@dataclass(frozen=True, eq=False)
class Row:
    """What one row says of its frames, right or wrong.

    frame_indices: int32 [n], where ``null_frames`` (bool [n], None for none) has 0 for null.
    boxes: float32 [m, 4], NaN for null. unfit: column -> why its value did not fit the column's type.
    """

    row: int
    tracklet_id: str | None
    video_uri: str | None
    image_uris: list[str | None] | None
    frame_indices: NDArray[np.int32] | None
    null_frames: NDArray[np.bool_] | None
    boxes: NDArray[np.float32] | None
    video_stream: int | None
    unfit: dict[str, str]

    @property
    def num_frames(self) -> int:
        """Number of frames or stills, 0 where the row does not tell."""
        if self.frame_indices is not None:
            return len(self.frame_indices)
        return len(self.image_uris) if self.image_uris is not None else 0


def rows(batch: pa.RecordBatch) -> Iterator[Row]:
    """The rows of a batch of ``Manifest.iter_batches`` that has the columns that describe frames."""
    ids, videos, stills, streams, positions, defects = (
        batch.column(name).to_pylist()
        for name in ("tracklet_id", "video_uri", "image_uris", "video_stream", ROW, DEFECT)
    )
    frames, nulls, frame_bounds = _frames(batch.column("frame_indices"))
    boxes, box_bounds = _boxes(batch.column("boxes"))
    for i in range(batch.num_rows):
        of_frames, of_boxes = frame_bounds[i], box_bounds[i]
        has_null = nulls is not None and of_frames is not None and bool(nulls[of_frames].any())
        yield Row(
            row=positions[i],
            tracklet_id=ids[i],
            video_uri=videos[i],
            image_uris=stills[i],
            frame_indices=None if of_frames is None else frames[of_frames],
            null_frames=nulls[of_frames] if has_null and nulls is not None and of_frames is not None else None,
            boxes=None if of_boxes is None else boxes[of_boxes],
            video_stream=streams[i],
            unfit=unfit_values(defects[i]),
        )


def unfit_values(defect: str | None) -> dict[str, str]:
    """The lines of a ``_defect`` value as column -> why."""
    if defect is None:
        return {}
    return {column: why for column, _, why in (line.partition(": ") for line in defect.split("\n"))}


def _frames(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.bool_] | None, list[slice | None]]:
    flat = column.flatten()
    nulls = flat.is_null().to_numpy(zero_copy_only=False) if flat.null_count else None
    return flat.fill_null(0).to_numpy(), nulls, _bounds(column)


def _boxes(column: pa.Array) -> tuple[NDArray[np.float32], list[slice | None]]:
    sides = [side.fill_null(float("nan")).to_numpy() for side in column.flatten().flatten()]
    return np.stack(sides, axis=1), _bounds(column)


def _bounds(column: pa.Array) -> list[slice | None]:
    """Where each row's values lie among the flattened ones; None for a null row."""
    lengths = pc.list_value_length(column).to_pylist()
    ends = np.cumsum([length or 0 for length in lengths]).tolist()
    return [None if length is None else slice(end - length, end) for length, end in zip(lengths, ends, strict=True)]
