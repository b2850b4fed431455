"""What can be wrong with one row of a manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum

import numpy as np

from par_model.manifest.rows import Row
from par_model.manifest.schema import LABEL_VALUES, SPLITS


class DefectCode(StrEnum):
    """What ``manifest check`` calls a defect."""

    # Of a column: said once a file, with the file's first row.
    MISSING_COLUMN = "missing-column"
    WRONG_TYPE = "wrong-type"
    COLLIDING_COLUMN = "colliding-column"
    # Of a row.
    VALUE_DOES_NOT_FIT = "value-does-not-fit"
    NULL_ID = "null-id"
    EMPTY_ID = "empty-id"
    DUPLICATE_ID = "duplicate-id"
    NO_SOURCE = "no-source"
    TWO_SOURCES = "two-sources"
    EMPTY_URI = "empty-uri"
    NO_IMAGES = "no-images"
    NO_FRAMES = "no-frames"
    NULL_INDEX = "null-index"
    NEGATIVE_INDEX = "negative-index"
    INDICES_NOT_INCREASING = "indices-not-increasing"
    NEGATIVE_STREAM = "negative-stream"
    LENGTHS_DIFFER = "lengths-differ"
    BOX_NOT_FINITE = "box-not-finite"
    BOX_EMPTY = "box-empty"
    BOXES_ON_IMAGES = "boxes-on-images"
    UNKNOWN_SPLIT = "unknown-split"
    LABELS_LENGTH = "labels-length"
    LABEL_VALUE = "label-value"


Finding = tuple[DefectCode, str]


def id_defects(tracklet_id: str | None) -> Iterator[Finding]:
    """A null or empty id. That ids are unique cannot be told from one row."""
    if tracklet_id is None:
        yield DefectCode.NULL_ID, "tracklet_id is null"
    elif not tracklet_id:
        yield DefectCode.EMPTY_ID, "tracklet_id is an empty string"


def source_defects(row: Row, unknown: Collection[str]) -> Iterator[Finding]:
    """Defects of where the frames are and which they are. unknown: columns whose values could not be read."""
    if "image_uris" in unknown:
        return
    if row.image_uris is not None:
        yield from _image_defects(row, row.image_uris)
        return
    missing = [name for name in ("video_uri", "frame_indices") if getattr(row, name) is None and name not in unknown]
    if missing:
        yield DefectCode.NO_SOURCE, f"no image_uris, and {' and '.join(missing)} null"
    if row.video_uri == "":
        yield DefectCode.EMPTY_URI, "video_uri is an empty string"
    if row.video_stream is not None and row.video_stream < 0:
        yield DefectCode.NEGATIVE_STREAM, f"video_stream is {row.video_stream}: a file's video tracks count from 0"
    if "frame_indices" in unknown or row.frame_indices is None:
        return
    yield from _frame_defects(row)
    if row.boxes is not None and "boxes" not in unknown:
        yield from _box_defects(row)


def split_defects(split: str | None) -> Iterator[Finding]:
    """A split that no command knows."""
    if split is not None and split not in SPLITS:
        yield DefectCode.UNKNOWN_SPLIT, f"split is {split!r}, expected one of {', '.join(SPLITS)}"


def label_defects(labels: Sequence[int | None] | None, length: int | None, whose: str) -> Iterator[Finding]:
    """Labels that are not ``length`` values of 1, 0 and -1. whose: says where that length comes from."""
    if labels is None:
        return
    if length is not None and len(labels) != length:
        yield DefectCode.LABELS_LENGTH, f"labels has {len(labels)} values, but {whose} has {length}"
    wrong = [i for i, value in enumerate(labels) if value not in LABEL_VALUES]
    if wrong:
        found = "null" if labels[wrong[0]] is None else labels[wrong[0]]
        yield DefectCode.LABEL_VALUE, f"label {wrong[0]} is {found}, expected 1, 0 or -1{_more(wrong)}"


def _image_defects(row: Row, uris: Sequence[str | None]) -> Iterator[Finding]:
    others = [name for name in ("video_uri", "frame_indices") if getattr(row, name) is not None]
    if others:
        yield DefectCode.TWO_SOURCES, f"has image_uris and {' and '.join(others)}: a tracklet is either images or video"
    if row.boxes is not None:
        yield DefectCode.BOXES_ON_IMAGES, "has image_uris and boxes: images are crops already"
    if not uris:
        yield DefectCode.NO_IMAGES, "image_uris is empty: a tracklet needs at least one image"
    empty = [i for i, uri in enumerate(uris) if not uri]
    if empty:
        yield DefectCode.EMPTY_URI, f"image_uris is empty or null at position {empty[0]}{_more(empty)}"


def _frame_defects(row: Row) -> Iterator[Finding]:
    frames = row.frame_indices
    assert frames is not None
    if len(frames) == 0:
        yield DefectCode.NO_FRAMES, "frame_indices is empty: a tracklet needs at least one frame"
    if row.null_frames is not None:
        null = np.flatnonzero(row.null_frames).tolist()
        yield DefectCode.NULL_INDEX, f"frame_indices has a null at position {null[0]}{_more(null)}"
        frames = frames[~row.null_frames]
    negative = np.flatnonzero(frames < 0).tolist()
    if negative:
        value = frames[negative[0]]
        yield DefectCode.NEGATIVE_INDEX, f"frame index {value} is negative: indices are 0-based{_more(negative)}"
    falls = np.flatnonzero(np.diff(frames.astype(np.int64)) <= 0).tolist()
    if falls:
        before, after = frames[falls[0]], frames[falls[0] + 1]
        yield DefectCode.INDICES_NOT_INCREASING, f"frame index {after} follows {before}{_more(falls)}"


def _box_defects(row: Row) -> Iterator[Finding]:
    boxes, frames = row.boxes, row.frame_indices
    assert boxes is not None
    assert frames is not None
    if len(boxes) != len(frames):
        yield DefectCode.LENGTHS_DIFFER, f"{len(frames)} frame_indices but {len(boxes)} boxes"
    finite = np.isfinite(boxes).all(axis=1)
    infinite = np.flatnonzero(~finite).tolist()
    if infinite:
        sides = boxes[infinite[0]].tolist()
        yield DefectCode.BOX_NOT_FINITE, f"box {infinite[0]} is null or not finite: {sides}{_more(infinite)}"
    empty = np.flatnonzero(finite & ((boxes[:, 2] <= 0) | (boxes[:, 3] <= 0))).tolist()
    if empty:
        width, height = boxes[empty[0], 2], boxes[empty[0], 3]
        yield DefectCode.BOX_EMPTY, f"box {empty[0]} is empty: width {width:g}, height {height:g}{_more(empty)}"


def _more(positions: Sequence[int]) -> str:
    return f" (and {len(positions) - 1} more)" if len(positions) > 1 else ""
