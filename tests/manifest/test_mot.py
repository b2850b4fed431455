"""MOTChallenge text becomes rows as the documentation says, or an error with its line."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.errors import ManifestError
from par_model.manifest.mot import TrackBox, parse_tracks

SIDES = st.floats(0.25, 4000, width=32)
PLACES = st.floats(-500, 4000, width=32)
BOXES = st.builds(tuple, st.tuples(PLACES, PLACES, SIDES, SIDES))
ARCHIVES = st.dictionaries(st.tuples(st.integers(1, 500), st.integers(-1, 30)), BOXES, min_size=1, max_size=30)
FURTHER = ["1", "-1", "-1", "-1"]  # confidence and three that nobody uses


@settings(max_examples=80)
@given(ARCHIVES, st.sampled_from([6, 7, 8, 10]), st.sampled_from([",", ", ", " ", "\t", "  "]), st.randoms())
def test_any_order_separator_and_number_of_columns_gives_the_same_tracks(
    archive: dict[tuple[int, int], tuple[float, ...]], columns: int, separator: str, order: random.Random
) -> None:
    lines = [
        separator.join([str(frame), str(track), *(repr(side) for side in sides), *FURTHER[: columns - 6]])
        for (frame, track), sides in archive.items()
    ]
    order.shuffle(lines)
    lines += order.sample(lines, k=len(lines) // 3)  # the same row again
    tracks = parse_tracks("\r\n".join(lines) + "\n\n", "t.txt")
    found = {(b.frame + 1, track): (b.x, b.y, b.w, b.h) for track, boxes in tracks.boxes.items() for b in boxes}
    assert found == archive
    assert (tracks.left_out, tracks.merged) == (0, len(archive) // 3)
    for boxes in tracks.boxes.values():
        assert [b.frame for b in boxes] == sorted({b.frame for b in boxes})


def test_frames_are_counted_from_1_boxes_taken_as_they_stand_and_gaps_stay() -> None:
    tracks = parse_tracks("9,3,0.5,-2,10.25,20,1,-1,-1,-1\n1,3,1,2,10,20,1,-1,-1,-1\n", "t.txt")
    assert tracks.boxes == {3: [TrackBox(0, 1, 2, 10, 20), TrackBox(8, 0.5, -2, 10.25, 20)]}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0,1,5,5,9,9", "frame 0, but frames are counted from 1"),
        ("-4,1,5,5,9,9", "frame -4, but frames are counted from 1"),
        ("1.5,1,5,5,9,9", "frame 1.5 is not a whole number"),
        ("9999999999,1,5,5,9,9", "frame 9999999999"),
        ("2,1.5,5,5,9,9", "track id 1.5 is not a whole number"),
        ("2,1,nan,5,9,9", "'nan' is not finite"),
        ("2,1,5,5,inf,9", "'inf' is not finite"),
        ("2,1,5,5,9,9,nan", "'nan' is not finite"),
        ("nan,1,5,5,9,9", "'nan' is not finite"),
        ("2,1,5,5,1e39,9", "is not finite in 32 bits"),
        ("2,1,5,5,0,9", "width 0 and height 9 must be positive"),
        ("2,1,5,5,9,-1", "width 9 and height -1 must be positive"),
        ("2,1,5,5,9", "5 columns, expected 6 to 10"),
        ("2,1,5,5,9,9,1,1,1,1,1", "11 columns, expected 6 to 10"),
        ("frame,id,x,y,w,h", "'frame' is not a number"),
        ("2,1,,5,9,9", "'' is not a number"),
        ("2,1_0,5,5,9,9", "'1_0' is not a number"),
    ],
)
def test_what_is_no_box_is_refused_with_its_line(line: str, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_tracks(f"1,1,5,5,9,9\n\n{line}\n", "t.txt")
    assert str(caught.value).startswith("t.txt, line 3: ")
    assert problem in str(caught.value)


def test_a_frame_with_two_boxes_of_a_track_is_refused_with_both_lines() -> None:
    text = "1,1,5,5,9,9\n2,1,5,5,9,9\n1,2,5,5,9,9\n2,1,5,5,9,9.5\n"
    with pytest.raises(ManifestError, match=r"t\.txt, lines 2 and 4: frame 2 has track 1 twice"):
        parse_tracks(text, "t.txt")


def test_equal_rows_merge_however_they_are_written() -> None:
    tracks = parse_tracks("1,1,5,5,9,9\n1, 1, 5.0, 5.00, 9e0, 9\n", "t.txt")
    assert (tracks.boxes, tracks.merged) == ({1: [TrackBox(0, 5, 5, 9, 9)]}, 1)


def test_nine_columns_are_ground_truth_of_which_only_pedestrians_that_count_stay() -> None:
    text = """\
        1,1,5,5,9,9,1,1,0.5
        2,1,5,5,9,9,0,1,0.5
        1,2,5,5,9,9,1,7,1
        3,1,6,5,9,9,1,1,0
        2,1,8,8,9,9,0,1,0.5
        """
    tracks = parse_tracks(text, "gt.txt")
    assert tracks.boxes == {1: [TrackBox(0, 5, 5, 9, 9), TrackBox(2, 6, 5, 9, 9)]}
    assert tracks.left_out == 3


def test_a_confidence_of_0_counts_in_results_of_trackers() -> None:
    assert list(parse_tracks("1,1,5,5,9,9,0,-1,-1,-1", "t.txt").boxes) == [1]


def test_short_tracks_can_be_left_out_by_their_number_of_boxes() -> None:
    tracks = parse_tracks("1,1,5,5,9,9\n2,1,5,5,9,9\n1,2,5,5,9,9\n100,2,5,5,9,9\n200,2,5,5,9,9\n", "t.txt")
    assert list(tracks.of_length(3).boxes) == [2]
    assert list(tracks.of_length(2).boxes) == [1, 2]
    assert list(tracks.of_length(4).boxes) == []


def test_rows_have_ids_from_their_track_and_times_from_the_videos_clock() -> None:
    tracks = parse_tracks("3,12,5,5,9,9\n1,7,1,2,3,4\n5,7,1,2,3,4\n9,8,1,2,3,4\n", "t.txt")
    start = datetime(2026, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    rows = tracks.rows("/v.mp4", "cam", camera_id="c", start_time=start, seconds=[0.0, 0.04, 1 / 3, 0.5, 0.6])
    assert rows[0] == {
        "tracklet_id": "cam-7",
        "video_uri": "/v.mp4",
        "frame_indices": [0, 4],
        "boxes": [{"x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0}] * 2,
        "camera_id": "c",
        "start_time": datetime(2026, 5, 1, 12, 0, tzinfo=UTC),
    }
    assert [row["tracklet_id"] for row in rows] == ["cam-7", "cam-8", "cam-12"]
    assert rows[1]["start_time"] is None  # its first frame is beyond the video's last
    assert rows[2]["start_time"] == datetime(2026, 5, 1, 12, 0, 0, 333_000, tzinfo=UTC)


def test_times_without_a_zone_are_utc_and_tracks_without_a_clock_have_none() -> None:
    tracks = parse_tracks("1,7,1,2,3,4", "t.txt")
    (row,) = tracks.rows("/v.mp4", "cam", start_time=datetime(2026, 5, 1, 12), seconds=[0.0])
    assert row["start_time"] == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert tracks.rows("/v.mp4", "cam")[0]["start_time"] is None
