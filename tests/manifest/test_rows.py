"""Rows as values, right or wrong."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from par_model.manifest.rows import rows, unfit_values
from par_model.manifest.schema import COLUMNS, DEFECT, ROW
from tests.manifest.examples import box


def batch() -> pa.RecordBatch:
    names = ("tracklet_id", "video_uri", "image_uris", "frame_indices", "boxes", "video_stream")
    given = [
        ("a", "/a.mp4", None, [3, 7], [box(0, 1, 2, 3), box(4, 5, 6, 7)], 1),
        (None, None, ["/1.jpg", None], None, None, None),
        ("c", "/c.mp4", None, [None, 5], [box(0, 0, 1, 1), None], None),
        ("d", "/d.mp4", None, [], [], None),
    ]
    columns = [
        pa.array(column, COLUMNS.field(name).type) for name, column in zip(names, zip(*given, strict=True), strict=True)
    ]
    columns += [pa.array([10, 11, 12, 13], pa.int64()), pa.array([None, "split: too long\nlabels: a: b", None, None])]
    return pa.RecordBatch.from_arrays(columns, [*names, ROW, DEFECT])


def test_each_row_has_its_own_frames_and_boxes() -> None:
    a, b, c, d = rows(batch())
    assert (a.row, a.tracklet_id, a.video_uri, a.video_stream, a.num_frames) == (10, "a", "/a.mp4", 1, 2)
    assert a.frame_indices is not None
    assert a.boxes is not None
    assert a.frame_indices.tolist() == [3, 7]
    assert a.boxes.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert (a.null_frames, a.image_uris, a.unfit) == (None, None, {})
    assert (b.frame_indices, b.boxes, b.image_uris, b.num_frames) == (None, None, ["/1.jpg", None], 2)
    assert b.unfit == {"split": "too long", "labels": "a: b"}
    assert c.frame_indices is not None
    assert c.null_frames is not None
    assert c.boxes is not None
    assert (c.frame_indices.tolist(), c.null_frames.tolist()) == ([0, 5], [True, False])
    assert np.isnan(c.boxes).all(axis=1).tolist() == [False, True]
    assert d.num_frames == 0


def test_a_slice_of_a_batch_has_the_same_rows() -> None:
    for start in range(4):
        found = [(one.row, None if one.boxes is None else one.boxes.tolist()) for one in rows(batch().slice(start))]
        whole = [(one.row, None if one.boxes is None else one.boxes.tolist()) for one in rows(batch())][start:]
        assert np.array_equal(str(found), str(whole))


@pytest.mark.parametrize(
    ("defect", "found"), [(None, {}), ("a: b", {"a": "b"}), ("a: b: c\nd: e", {"a": "b: c", "d": "e"})]
)
def test_lines_of_a_defect_are_columns_and_reasons(defect: str | None, found: dict[str, str]) -> None:
    assert unfit_values(defect) == found
