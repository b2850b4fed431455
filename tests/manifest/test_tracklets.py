"""Rows become the tracklets that they describe, or failures that say why not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.attributes import load_schema
from par_model.errors import FailureCode
from par_model.manifest import Manifest, refuse_ambiguous
from par_model.manifest.schema import COLUMNS
from par_model.manifest.tracklets import tracklets
from par_model.types import Tracklet
from tests.manifest.examples import converted, defects, on_images, on_video, write


def test_sound_rows_become_the_tracklets_that_they_describe(tmp_path: Path) -> None:
    uri = write(tmp_path / "m.parquet", [on_video("a"), on_video("b", boxes=None), on_images("c", "/1.jpg", "2.jpg")])
    assert defects(uri) == []
    a, b, c = converted(uri)
    assert isinstance(a, Tracklet)
    assert isinstance(b, Tracklet)
    assert isinstance(c, Tracklet)
    assert (a.row, a.tracklet_id, a.video_uri, a.image_uris) == (0, "a", "/footage/a.mp4", None)
    assert a.frame_indices is not None
    assert a.boxes is not None
    assert (a.frame_indices.dtype.name, a.frame_indices.tolist()) == ("int32", [3, 7])
    assert (a.boxes.dtype.name, a.boxes.tolist()) == ("float32", [[1.5, 2.0, 30.0, 60.25], [4.0, 2.0, 30.0, 60.0]])
    assert b.boxes is None
    assert (c.row, c.image_uris, c.num_frames) == (2, ("/1.jpg", f"{tmp_path}/2.jpg"), 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.lists(st.integers(-2, 9), max_size=4), min_size=1, max_size=8), st.integers(0, 7))
def test_a_slice_of_a_batch_gives_the_same_tracklets(indices: list[list[int] | None], start: int) -> None:
    table = pa.Table.from_pylist(
        [on_video(f"{i}", frame_indices=found, boxes=None) for i, found in enumerate(indices)], schema=COLUMNS
    )
    count = table.num_rows
    table = table.append_column("_row", pa.array(range(count))).append_column("_defect", pa.nulls(count, pa.string()))
    whole = tracklets(table.to_batches()[0])
    part = tracklets(table.slice(start).to_batches()[0]) if start < count else []
    for expected, found in zip(whole[start:], part, strict=True):
        assert (type(found), found.row, found.num_frames) == (type(expected), expected.row, expected.num_frames)


def test_a_track_that_is_no_whole_number_fails_its_row_alone(tmp_path: Path) -> None:
    schema = COLUMNS.set(COLUMNS.get_field_index("video_stream"), pa.field("video_stream", pa.float64()))
    rows = [on_video(f"{i}", video_stream=stream) for i, stream in enumerate((1.0, 1.5, None, -3.0))]
    uri = write(tmp_path / "m.parquet", rows, schema)
    assert defects(uri) == [(1, "1", "value-does-not-fit"), (3, "3", "negative-stream")]
    found = converted(uri)
    assert [t.video_stream if isinstance(t, Tracklet) else t.code for t in found] == [
        1, FailureCode.INVALID_TRACKLET, None, FailureCode.INVALID_TRACKLET
    ]  # fmt: skip
    text = COLUMNS.set(COLUMNS.get_field_index("video_stream"), pa.field("video_stream", pa.string()))
    uri = write(tmp_path / "text.parquet", [on_video("a", video_stream="front"), on_video("b")], text)
    assert defects(uri) == [(0, "a", "wrong-type")]
    assert [isinstance(t, Tracklet) for t in converted(uri)] == [False, True]
    refuse_ambiguous(Manifest.open(uri), load_schema("mars"))
