"""What ``track`` can be asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from par_model.errors import UsageError
from par_model.tracking.options import FollowOptions, JoinOptions, TrackOptions
from par_model.video.options import DecodeOptions

GIVEN: dict[str, Any] = {"videos": ("a.mp4",), "detector": "demo", "output": "out"}


@pytest.mark.parametrize(
    ("given", "start", "high"),
    [
        ({}, 0.7, 0.6),
        ({"tracker": "ocsort"}, 0.6, 0.6),
        ({"tracker": "ocsort", "start_score": 0.8}, 0.8, 0.6),
        ({"start_score": 0.3}, 0.3, 0.3),
        ({"start_score": 0.0}, 0.0, 0.0),
    ],
)
def test_a_track_begins_with_a_box_that_is_matched_first(given: dict[str, Any], start: float, high: float) -> None:
    options = FollowOptions(**given)
    assert (options.real_start_score, options.high_score) == (start, high)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"videos": ()}, "--videos: give at least one video, a folder of them, or a pattern"),
        ({"videos": ("a.mp4", " ")}, "--videos is empty: give a name"),
        ({"output": ""}, "--output is empty: give a name"),
        ({"detector": " "}, "--detector is empty: give a name"),
        ({"every": 0}, "--every is 0: must be at least 1 and at most 1048576"),
        ({"decode": DecodeOptions(decoder="decord")}, "--decoder decord: track reads with pyav alone"),
    ],
)
def test_what_cannot_be_tracked_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrackOptions(**GIVEN | given)
    assert str(caught.value).startswith(said)


def test_the_start_is_a_time_of_iso_8601() -> None:
    assert TrackOptions(**GIVEN).start is None
    assert TrackOptions(**GIVEN, start_time="2026-05-01T08:30:00Z").start == datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
    with pytest.raises(UsageError, match="--start-time is 'soon': must be an ISO 8601 time such as"):
        _ = TrackOptions(**GIVEN, start_time="soon").start


def test_results_depend_on_joining_only_where_it_is_asked_for() -> None:
    assert TrackOptions(**GIVEN, join=JoinOptions(join_gap=3)).results() == TrackOptions(**GIVEN).results()
    joined = TrackOptions(**GIVEN, join=JoinOptions(join="demo", join_gap=3)).results()
    assert (joined["join"], joined["join_gap"], joined["join_similarity"]) == ("demo", 3, 0.9)
    assert "decoder" not in joined
    assert TrackOptions(**GIVEN, max_failure_rate=1.0, person_class="1").results() == TrackOptions(**GIVEN).results()
