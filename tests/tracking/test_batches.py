"""Batches travel as Arrow tables and come out as they went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from par_model.errors import FailureCode
from par_model.tracking.batches import (
    FOUND_SCHEMA,
    PICTURE_SCHEMA,
    FoundBatch,
    PictureBatch,
    VideoEnd,
    found_to_table,
    pictures_to_table,
    table_to_found,
    table_to_pictures,
)
from par_model.tracking.clothes import NUMBERS

ENDS = [
    None,
    VideoEnd(),
    VideoEnd(frames=2**40, damage="frame 3 is damaged"),
    VideoEnd(0, None, FailureCode.VIDEO_TIMEOUT, "too slow"),
]
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3)).astype(np.uint8)


def told(batch: Any) -> dict[str, Any]:
    """A batch as plain values."""
    return {
        name: [np.asarray(one).tolist() for one in value] if name == "pictures" else
        (value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value)
        for name, value in vars(batch).items()
    }  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_pictures_and_the_frames_that_lack_one(end: VideoEnd | None) -> None:
    batch = PictureBatch(
        7, 2, [8, 12, 16], [0.5, None, 1.0], [None, "damaged", None], list(PIXELS), (12, 8), end, 0.25, 99
    )
    table = pictures_to_table(batch)
    assert (table.schema, table.num_rows) == (PICTURE_SCHEMA, 1)
    (again,) = table_to_pictures(table)
    assert told(again) == told(batch)
    assert isinstance(again.end, VideoEnd | None)
    assert again.end is None or again.end.error is (None if end is None else end.error)


def test_a_batch_without_pictures_is_the_end_alone() -> None:
    batch = PictureBatch(0, 3, end=VideoEnd(24))
    (again,) = table_to_pictures(pictures_to_table(batch))
    assert (list(again.frames), list(again.pictures), again.end) == ([], [], VideoEnd(24))


@pytest.mark.parametrize("end", ENDS)
def test_what_was_found(end: VideoEnd | None) -> None:
    boxes = np.array([[1, 2, 3.5, 4], [5, 6, 7, 8]], np.float32)
    scores = np.array([0.5, 0.25], np.float32)
    colours = np.arange(2 * NUMBERS, dtype=np.uint8).reshape(2, NUMBERS)
    one = FoundBatch(
        7, 0, [0, 4], [0.0, None], [None, None], [2, 0], boxes, scores, colours, (64, 48), 3, end, 0.5, 0.75, 10
    )
    empty = FoundBatch(8, 1)
    table = found_to_table([one, empty])
    assert (table.schema, table.num_rows) == (FOUND_SCHEMA, 2)
    again = list(table_to_found(table))
    assert [told(batch) for batch in again] == [told(one), told(empty)]
    assert (again[1].boxes.shape, again[1].colours.shape) == ((0, 4), (0, NUMBERS))
    assert list(table_to_found(found_to_table([]))) == []
