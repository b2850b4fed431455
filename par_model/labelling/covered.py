"""How much of a tracklet other people hide, as far as boxes tell.

What cannot be seen cannot be labelled, and a model is rightly unsure of it: of what hides, a label teaches little.

Dimension letters: B tracklets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.manifest.read import Manifest
from par_model.manifest.schema import BOX_FIELDS, ROW

_BATCH_ROWS = 4096
# With more, of every second frame, or fourth, and so on: the same frames of everybody, so that neighbours stay.
MOST_BOXES = 20_000_000
_LARGEST_STRIDE = 2**16
_FARTHEST = 2.0**24  # pixels: float32 tells no further ones apart, and areas of such boxes are no numbers
_LEVEL = 0.5  # pixels: nearer than edges can be told


class Boxes(NamedTuple):
    """Of each box its row of the manifest, a number for its video, its frame, and left, top, right and bottom."""

    row: NDArray[np.int64]
    video: NDArray[np.int32]
    frame: NDArray[np.int32]
    corners: NDArray[np.float32]

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Boxes:
        """These boxes alone, in this order."""
        return Boxes(self.row[keep], self.video[keep], self.frame[keep], self.corners[keep])


def read_covered(manifest: Manifest, rows: Sequence[int], most_boxes: int = MOST_BOXES) -> NDArray[np.float64]:
    """float64 [B]: the mean over its boxes of the share that the nearest other box hides, 0 to 1, for rows in order.

    All rows of the manifest can hide; stills, which do not tell who stands beside, count as not hidden.
    """
    boxes = _read(manifest, most_boxes)
    hidden = covered(boxes)
    total = max([*rows, int(boxes.row.max(initial=-1))], default=-1) + 1
    counts = np.bincount(boxes.row, minlength=total)
    shares: NDArray[np.float64] = np.bincount(boxes.row, weights=hidden, minlength=total) / np.maximum(counts, 1)
    return shares[np.asarray(rows, np.int64)]


def covered(boxes: Boxes) -> NDArray[np.float32]:
    """Of each box the largest share that one other box of its frame covers which reaches further down.

    On level ground, who reaches further down in the picture stands nearer to the camera; of two whose feet are level,
    as where the picture's edge cuts both, the taller one.
    """
    order = np.lexsort((boxes.frame, boxes.video))
    video, frame, corners = boxes.video[order], boxes.frame[order], boxes.corners[order]
    area = np.maximum((corners[:, 2:] - corners[:, :2]).prod(axis=1), np.finfo(np.float32).tiny)
    found = np.zeros(len(order), np.float32)
    first = np.arange(len(order))
    for step in range(1, len(order)):  # every box with the next of its frame, then with the next but one, and so on
        first = first[first + step < len(order)]
        other = first + step
        same = (video[first] == video[other]) & (frame[first] == frame[other])
        first, other = first[same], other[same]
        if not len(first):
            break
        a, b = corners[first], corners[other]
        size = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
        shared = np.maximum(size, 0).prod(axis=1)
        lower = np.where(abs(a[:, 3] - b[:, 3]) < _LEVEL, b[:, 1] - a[:, 1], a[:, 3] - b[:, 3])  # a's lead, in pixels
        behind = np.where(lower < 0, first, other)
        share = np.where(lower == 0, 0, shared / area[behind])
        # Each box comes once as the first and once as the other of this step, so in two parts none comes twice.
        for part in (behind == first, behind == other):
            found[behind[part]] = np.maximum(found[behind[part]], share[part])
    result = np.empty_like(found)
    result[order] = found
    return result


def more_covered(shares: Sequence[float], cameras: Sequence[str | None]) -> NDArray[np.bool_]:
    """bool [B]: hidden more than the median of its camera. By camera, so that crowded ones keep their share."""
    values, found = np.asarray(shares, np.float64), np.zeros(len(shares), bool)
    of_camera: dict[str | None, list[int]] = {}
    for at, camera in enumerate(cameras):
        of_camera.setdefault(camera, []).append(at)
    for at_camera in of_camera.values():
        found[at_camera] = values[at_camera] > np.median(values[at_camera])
    return found


def _read(manifest: Manifest, most_boxes: int) -> Boxes:
    videos: dict[tuple[str, int], int] = {}
    stride, count, parts = 1, 0, [_none()]
    names = ["video_uri", "video_stream", "frame_indices", "boxes"]
    for batch in manifest.iter_batches(names, _BATCH_ROWS):
        part = _of_batch(batch, videos)
        parts.append(part.where(part.frame % stride == 0))
        count += len(parts[-1].row)
        while count > most_boxes and stride < _LARGEST_STRIDE:
            stride *= 2
            parts = [part.where(part.frame % stride == 0) for part in parts]
            count = sum(len(part.row) for part in parts)
    return Boxes(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _of_batch(batch: pa.RecordBatch, videos: dict[tuple[str, int], int]) -> Boxes:
    """The boxes of rows that tell a video and whose frames and boxes are as many; none null or beyond all pictures."""
    uris, streams, frames, boxes = (
        batch.column(name) for name in ("video_uri", "video_stream", "frame_indices", "boxes")
    )
    fits = pc.and_(uris.is_valid(), pc.equal(pc.list_value_length(frames), pc.list_value_length(boxes)))
    rows = pc.indices_nonzero(pc.fill_null(fits, False))
    if not len(rows):
        return _none()
    lengths = pc.list_value_length(frames.take(rows)).to_numpy()
    flat_frames, flat_boxes = frames.take(rows).flatten(), boxes.take(rows).flatten()
    keys = zip(uris.take(rows).to_pylist(), streams.take(rows).fill_null(0).to_pylist(), strict=True)
    numbers = np.array([videos.setdefault(key, len(videos)) for key in keys], np.int32)
    left, top, width, height = (
        pc.struct_field(flat_boxes, name).fill_null(np.nan).to_numpy().astype(np.float64) for name in BOX_FIELDS
    )
    corners = np.stack([left, top, left + width, top + height], axis=1)
    frame = flat_frames.fill_null(-1).to_numpy()
    keep = (frame >= 0) & (abs(corners) <= _FARTHEST).all(axis=1)
    return Boxes(
        np.repeat(batch.column(ROW).take(rows).to_numpy(), lengths)[keep],
        np.repeat(numbers, lengths)[keep],
        frame[keep],
        corners[keep].astype(np.float32),
    )


def _none() -> Boxes:
    return Boxes(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 4), np.float32))
