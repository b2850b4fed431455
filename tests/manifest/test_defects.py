"""What is wrong with one row, and in which words; tests/manifest/test_check.py meets each code in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from par_model.manifest.defects import DefectCode, id_defects, label_defects, source_defects, split_defects
from par_model.manifest.rows import Row


def row(**changes: Any) -> Row:
    """A sound row of three frames, with changes."""
    sound: dict[str, Any] = {
        "row": 0,
        "tracklet_id": "t",
        "video_uri": "/a.mp4",
        "image_uris": None,
        "frame_indices": np.array([3, 7, 9], np.int32),
        "null_frames": None,
        "boxes": np.array([[0, 0, 1, 1]] * 3, np.float32),
        "video_stream": None,
        "unfit": {},
    }
    return Row(**sound | changes)


def test_a_sound_row_has_none() -> None:
    assert list(source_defects(row(), ())) == []
    assert list(id_defects("t")) == []
    assert list(split_defects(None)) == list(split_defects("val")) == []
    assert list(label_defects(None, 3, "schema mars")) == list(label_defects([1, 0, -1], 3, "schema mars")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"video_uri": None}, ["no image_uris, and video_uri null"]),
        ({"frame_indices": np.array([-2, -1, 4], np.int32)}, ["frame index -2 is negative: indices are 0-based"
                                                              " (and 1 more)"]),
        ({"frame_indices": np.array([7, 7, 3], np.int32)}, ["frame index 7 follows 7 (and 1 more)"]),
        ({"frame_indices": np.array([2**31 - 1, -(2**31), 0], np.int32)},
         [f"frame index {-2**31} is negative: indices are 0-based", f"frame index {-2**31} follows {2**31 - 1}"]),
        ({"null_frames": np.array([False, True, True])},
         ["frame_indices has a null at position 1 (and 1 more)"]),
        ({"boxes": np.array([[0, 0, 1, 1], [0, 0, 0, 2]], np.float32)},
         ["3 frame_indices but 2 boxes", "box 1 is empty: width 0, height 2"]),
        ({"boxes": np.array([[0, 0, 1, 1], [0, np.inf, 1, 1], [0, 0, 1, 1]], np.float32)},
         ["box 1 is null or not finite: [0.0, inf, 1.0, 1.0]"]),
        ({"video_stream": -1}, ["video_stream is -1: a file's video tracks count from 0"]),
        ({"image_uris": ["/1.jpg", "", None]}, [
            "has image_uris and video_uri and frame_indices: a tracklet is either images or video",
            "has image_uris and boxes: images are crops already",
            "image_uris is empty or null at position 1 (and 1 more)",
        ]),
    ],
)  # fmt: skip
def test_frames_and_boxes_are_told_with_place_and_value(changes: dict[str, Any], said: list[str]) -> None:
    assert [why for _, why in source_defects(row(**changes), ())] == said


def test_nothing_is_said_of_values_that_could_not_be_read() -> None:
    assert list(source_defects(row(frame_indices=None), {"frame_indices"})) == []
    assert list(source_defects(row(boxes=np.zeros((1, 4), np.float32)), {"boxes"})) == []
    assert list(source_defects(row(image_uris=[]), {"image_uris"})) == []


def test_an_id_is_there_and_a_split_is_known() -> None:
    assert list(id_defects(None)) == [(DefectCode.NULL_ID, "tracklet_id is null")]
    assert list(id_defects("")) == [(DefectCode.EMPTY_ID, "tracklet_id is an empty string")]
    assert list(split_defects("Train")) == [
        (DefectCode.UNKNOWN_SPLIT, "split is 'Train', expected one of train, val, test")
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([1, 0], ["labels has 2 values, but schema mars has 3"]),
        ([1, None, 2], ["label 1 is null, expected 1, 0 or -1 (and 1 more)"]),
        ([7], ["labels has 1 values, but schema mars has 3", "label 0 is 7, expected 1, 0 or -1"]),
    ],
)
def test_labels_are_as_many_as_classes_and_of_three_values(labels: Sequence[int | None], said: list[str]) -> None:
    assert [why for _, why in label_defects(labels, 3, "schema mars")] == said
