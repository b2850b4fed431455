"""From what was found in a video to its tracklets, and its row of ``_videos.parquet``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from par_model.errors import FailureCode, ManifestError
from par_model.tracking import video_rows as module
from par_model.tracking.batches import FoundBatch, VideoEnd
from par_model.tracking.clothes import NUMBERS
from par_model.tracking.footage import Footage
from par_model.tracking.options import FollowOptions
from par_model.tracking.tracker import FollowedTrack
from par_model.tracking.video_rows import TRACKLET_SCHEMA, VIDEO_SCHEMA, VideoToFollow, follow_video, group_facts

NOTHING_WORN = np.zeros((2, NUMBERS), np.uint8)
BATCHES = [
    FoundBatch(0, 0, [0, 2], [0.0, 0.2], [None, "damaged"], [1, 0], np.ones((1, 4), np.float32),
               np.array([0.5], np.float32), NOTHING_WORN[:1], (64, 48)),
    FoundBatch(0, 1, [4, 6], [0.4, None], [None, None], [2, 0], np.ones((2, 4), np.float32),
               np.array([0.75, 0.25], np.float32), NOTHING_WORN, (64, 48)),
]  # fmt: skip
TRACK = FollowedTrack(np.array([2, 4]), np.array([[1, 2, 4, 8], [2, 2, 5.5, 8]], np.float32))


def followed(
    monkeypatch: pytest.MonkeyPatch, end: VideoEnd, tracks: list[FollowedTrack], **more: Any
) -> tuple[pa.Table, dict[str, Any]]:
    """What becomes of BATCHES, then ``end``, where the tracker finds these tracks."""
    monkeypatch.setattr(module, "batches_of", lambda pieces: [*pieces, FoundBatch(0, 2, end=end)])
    monkeypatch.setattr(module, "follow", lambda *given: tracks)
    footage = Footage(**{"uri": "/v.mp4", "key": "gate", "camera": "c1", "start_time": None} | more)
    pieces: Any = BATCHES
    return follow_video(VideoToFollow(0, footage, pieces), 2, None, FollowOptions())


def test_a_tracklet_has_its_boxes_by_sides_and_begins_when_its_first_frame_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = datetime(2026, 5, 1, 8)
    table, row = followed(monkeypatch, VideoEnd(8), [TRACK], start_time=start)
    assert table.schema == TRACKLET_SCHEMA
    assert table.to_pylist() == [
        {
            "tracklet_id": "gate-0",
            "video_uri": "/v.mp4",
            "frame_indices": [2, 4],
            "boxes": [{"x": 1, "y": 2, "w": 3, "h": 6}, {"x": 2, "y": 2, "w": 3.5, "h": 6}],
            "camera_id": "c1",
            "start_time": datetime(2026, 5, 1, 8, 0, 0, 200_000, tzinfo=UTC),
            "video_stream": None,
        }
    ]
    assert set(row) == set(VIDEO_SCHEMA.names)
    assert row == {
        "video_uri": "/v.mp4", "status": "ok", "error": None, "message": None, "camera_id": "c1",
        "start_time": start.replace(tzinfo=UTC), "frames": 8, "sampled_frames": 4, "damaged_frames": 1,
        "frame_rate": pytest.approx(5), "width": 64, "height": 48, "detections": 3, "best_score": 0.75, "tracks": 1,
        "boxes": 2,
    }  # fmt: skip


def test_a_video_that_failed_has_no_tracklet_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    end = VideoEnd(0, None, FailureCode.VIDEO_TIMEOUT, "too slow")
    table, row = followed(monkeypatch, end, [TRACK])
    assert table.num_rows == 0
    told = {name: row[name] for name in ("status", "error", "message", "frames", "tracks", "start_time")}
    assert told == {
        "status": "failed", "error": "video-timeout", "message": "too slow", "frames": None, "tracks": 0,
        "start_time": None,
    }  # fmt: skip


def test_a_start_that_leads_beyond_the_calendar_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime(9999, 12, 31, 23, 59, 59, 999_999)
    with pytest.raises(ManifestError, match="leads before year 1 or after 9999"):
        followed(monkeypatch, VideoEnd(8), [TRACK], start_time=late)


def test_times_of_a_groups_trailer_are_times_again() -> None:
    start = datetime(2026, 5, 1, 8, tzinfo=UTC)
    facts = {"videos": [{"start_time": start.isoformat(), "frames": 3}, {"start_time": None}]}
    assert group_facts(facts) == [{"start_time": start, "frames": 3}, {"start_time": None}]
