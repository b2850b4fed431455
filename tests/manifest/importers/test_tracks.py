"""Tracks of one video become a manifest's rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.errors import ManifestError
from par_model.manifest.importers.tracks import LeftOut, Track, Tracks, closing_words_of, natural, wall_clock


def track(*frames: int) -> Track:
    return Track(np.array(frames, np.int64), np.array([[f, 1, 2, 3] for f in frames], np.float32).reshape(-1, 4))


def test_boxes_of_all_tracks_stand_one_after_the_other_and_can_be_changed_there() -> None:
    tracks = Tracks({"1": track(3, 5), "2": track(4)})
    frames, boxes = tracks.boxes()
    assert (frames.tolist(), boxes[:, 0].tolist(), tracks.starts, tracks.num_boxes) == ([3, 5, 4], [3, 5, 4], [0, 2], 3)
    changed = tracks.changed(frames + 1, boxes * 2)
    assert changed.by_id["2"].frames.tolist() == [5]
    assert changed.by_id["1"].boxes.tolist() == [[6, 2, 4, 6], [10, 2, 4, 6]]
    nothing = Tracks({})
    assert (nothing.boxes()[1].shape, nothing.starts, nothing.num_boxes) == ((0, 4), [], 0)


def test_what_is_left_out_is_counted_and_tracks_without_boxes_are_gone() -> None:
    tracks = Tracks({"1": track(3, 5), "2": track(4)}, merged=2)
    left = tracks.without(np.array([False, True, True]), "wholly outside the picture")
    assert {name: one.frames.tolist() for name, one in left.by_id.items()} == {"1": [3]}
    assert tracks.without(np.zeros(3, bool), "never") is tracks
    assert tracks.of_length(1) is tracks
    short = tracks.of_length(2)
    assert list(short.by_id) == ["1"]
    assert short.closing_words() == (
        "1 tracklet, 2 boxes; left out: 1 track of fewer than 2 boxes; merged: 2 repeated rows"
    )
    assert closing_words_of([left, left]) == (
        "2 tracklets, 2 boxes; left out: 4 boxes wholly outside the picture; merged: 4 repeated rows"
    )
    assert str(LeftOut(1, "box", "of no track")) == "1 box of no track"


def test_a_row_has_its_tracks_id_boxes_and_the_time_of_its_first_frame() -> None:
    start = datetime(2026, 5, 1, 8, tzinfo=timezone(timedelta(hours=2)))
    tracks = Tracks({"7": track(1, 2), "8": track(9)})
    first, late = tracks.rows("/v.mp4", "cam", camera_id="c", start_time=start, seconds=[0.0, 0.04, 0.08])
    assert first == {
        "tracklet_id": "cam-7",
        "video_uri": "/v.mp4",
        "frame_indices": [1, 2],
        "boxes": [{"x": 1.0, "y": 1.0, "w": 2.0, "h": 3.0}, {"x": 2.0, "y": 1.0, "w": 2.0, "h": 3.0}],
        "camera_id": "c",
        "start_time": datetime(2026, 5, 1, 6, 0, 0, 40_000, tzinfo=UTC),
    }
    assert late["start_time"] is None
    assert tracks.rows("/v.mp4", "cam")[0]["start_time"] is None


def test_a_time_beyond_any_calendar_is_refused() -> None:
    with pytest.raises(ManifestError, match="frame 1 is before year 1 or after 9999"):
        Tracks({"7": track(1)}).rows("/v.mp4", "c", start_time=datetime(9999, 12, 31, 23, 59, 59), seconds=[0.0, 2.0])


@given(st.floats(-1e6, 1e9, allow_nan=False))
def test_the_wall_clock_is_right_to_the_nearest_millisecond(seconds: float) -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    time = wall_clock(start, seconds)
    assert time.microsecond % 1000 == 0
    assert abs((time - start).total_seconds() - seconds) <= 0.000501
    assert wall_clock(start.replace(tzinfo=None), seconds) == time


def test_numbers_within_text_sort_as_numbers() -> None:
    assert sorted(["c10", "c9", "10", "9", "b", "c9a2", "c9a11"], key=natural) == [
        "9", "10", "b", "c9", "c9a2", "c9a11", "c10",
    ]  # fmt: skip
    assert natural("1" * 5000)[1] == int("1" * 4000)
