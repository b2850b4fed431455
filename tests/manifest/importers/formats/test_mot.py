"""MOTChallenge text becomes rows as the documentation says, or an error with its line."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.errors import ManifestError
from par_model.manifest.importers.formats.mot import parse_tracks, read_tracks
from par_model.manifest.importers.options import MotOptions
from par_model.manifest.importers.tracks import LeftOut, TrackBox, Tracks

SIDES = st.floats(0.25, 4000, width=32)
PLACES = st.floats(-500, 4000, width=32)
BOXES = st.builds(tuple, st.tuples(PLACES, PLACES, SIDES, SIDES))
ARCHIVES = st.dictionaries(st.tuples(st.integers(1, 500), st.integers(0, 30)), BOXES, min_size=1, max_size=30)
FURTHER = ["1", "-1", "-1", "-1"]  # confidence and three that nobody uses


def found(tracks: Tracks) -> dict[str, list[TrackBox]]:
    return {name: list(track) for name, track in tracks.by_id.items()}


@settings(max_examples=80, deadline=None)
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
    boxes = {(b.frame + 1, int(name)): (b.x, b.y, b.w, b.h) for name, track in tracks.by_id.items() for b in track}
    assert boxes == archive
    assert (tracks.left_out, tracks.merged) == ((), len(archive) // 3)
    assert [int(name) for name in tracks.by_id] == sorted({track for _, track in archive})
    for track in tracks.by_id.values():
        assert track.frames.tolist() == sorted(set(track.frames.tolist()))


def test_frames_are_counted_from_1_boxes_taken_as_they_stand_and_gaps_stay() -> None:
    tracks = parse_tracks("9,3,0.5,-2,10.25,20,1,-1,-1,-1\n1,3,1,2,10,20,1,-1,-1,-1\n", "t.txt")
    assert found(tracks) == {"3": [TrackBox(0, 1, 2, 10, 20), TrackBox(8, 0.5, -2, 10.25, 20)]}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0,1,5,5,9,9", "frame 0, but frames are counted from 1"),
        ("-4,1,5,5,9,9", "frame -4, but frames are counted from 1"),
        ("1.5,1,5,5,9,9", "frame 1.5 is not a whole number"),
        ("9999999999,1,5,5,9,9", "frame 9999999999"),
        ("2,1.5,5,5,9,9", "track id 1.5 is not a whole number"),
        ("2,1,nan,5,9,9", "box (nan, 5.0, 9.0, 9.0) is not finite"),
        ("2,1,5,5,inf,9", "box (5.0, 5.0, inf, 9.0) is not finite"),
        ("2,nan,5,5,9,9", "track id 'nan' is not finite"),
        ("2,,5,5,9,9", "there is no track id"),
        ("nan,1,5,5,9,9", "'nan' is not finite"),
        ("2,1,5,5,1e39,9", "is not finite in 32 bits"),
        ("2,1,5,5,0,9", "width 0 and height 9 must be positive"),
        ("2,1,5,5,9,-1", "width 9 and height -1 must be positive"),
        ("2,1,5,5,9", "5 columns, expected 6 to 10, or 16"),
        ("2,1,5,5,9,9,1,1,1,1,1", "11 columns, expected 6 to 10, or 16"),
        ("frame,id,x,y,w,h", "'frame' is not a number"),
        ("2,1,,5,9,9", "'' is not a number"),
        ("2,1,1_0,5,9,9", "'1_0' is not a number"),
        ("2,1,\u0661,5,9,9", "is not a number"),
        ("2,1,5,5,9,9,1", "7 columns, but line 1 has 6"),
    ],
)
def test_what_is_no_box_is_refused_with_its_line(line: str, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_tracks(f"1,1,5,5,9,9\n\n{line}\n", "t.txt")
    assert str(caught.value).startswith("t.txt, line 3: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("header", ["frame,id,x,y,w,h", "# frame id left top width height", "FrameId,Id,X,Y"])
def test_a_header_is_what_from_csv_reads(header: str) -> None:
    with pytest.raises(ManifestError, match=r"t\.txt, line 2: is a header or a comment, .* read by from-csv --columns"):
        parse_tracks(f"\n{header}\n1,1,5,5,9,9\n", "t.txt")


@pytest.mark.parametrize("line", ["1;1;5;5;9;9", "1;1;5,5;5,5;9,0;9,0", "1|1|5|5|9|9"])
def test_marks_that_are_no_commas_are_named(line: str) -> None:
    with pytest.raises(
        ManifestError, match=r"line 1: \d columns?, .*; columns lie between commas or blanks, here is '[;|]'"
    ):
        parse_tracks(line, "t.txt")


def test_a_frame_with_two_boxes_of_a_track_is_refused_with_both_lines() -> None:
    text = "1,1,5,5,9,9\n2,1,5,5,9,9\n1,2,5,5,9,9\n2,1,5,5,9,9.5\n"
    with pytest.raises(ManifestError, match=r"t\.txt, lines 2 and 4: frame 2 has track 1 twice"):
        parse_tracks(text, "t.txt")


def test_equal_rows_merge_however_they_are_written() -> None:
    tracks = parse_tracks("1,1,5,5,9,9\n1, 1, 5.0, 5.00, 9e0, 9\n", "t.txt")
    assert (found(tracks), tracks.merged) == ({"1": [TrackBox(0, 5, 5, 9, 9)]}, 1)


def test_nine_columns_are_ground_truth_of_which_only_pedestrians_that_count_stay() -> None:
    text = """\
        1,1,5,5,9,9,1,1,0.5
        2,1,5,5,9,9,0,1,0.5
        1,2,5,5,9,9,1,7,1
        3,1,6,5,9,9,1,1,0
        2,1,8,8,9,9,0,1,0.5
        """
    tracks = parse_tracks(text, "gt.txt")
    assert found(tracks) == {"1": [TrackBox(0, 5, 5, 9, 9), TrackBox(2, 6, 5, 9, 9)]}
    assert tracks.left_out == [
        LeftOut(2, "ground-truth row", "of confidence 0"),
        LeftOut(1, "box", "of classes that are not people ('7' 1)"),
    ]


def test_a_confidence_of_0_counts_in_results_of_trackers() -> None:
    assert list(parse_tracks("1,1,5,5,9,9,0,-1,-1,-1", "t.txt").by_id) == ["1"]


def test_nine_columns_of_a_tracker_are_no_ground_truth_and_its_classes_have_to_be_named() -> None:
    """boxmot's: confidence, class from 0 on, index of the detection or -1. Read as ground truth, bicycles would be the
    people."""
    text = "1,1,5,5,9.5,9.5,0.9,0,0\n1,2,6,6,9,9,0.8,1,1\n2,2,6,6,9,9,1,1,-1\n"
    with pytest.raises(ManifestError, match=r"b\.txt: say with --people which classes are people; it has '1' 2, '0' 1"):
        parse_tracks(text, "b.txt")
    people = parse_tracks(text, "b.txt", MotOptions(people=frozenset([0])))
    assert found(people) == {"1": [TrackBox(0, 5, 5, 9.5, 9.5)]}
    assert [str(left) for left in people.left_out] == ["2 boxes of classes that are not people ('1' 2)"]
    one = parse_tracks(text, "b.txt", MotOptions(people=frozenset([0, 7])))
    assert list(one.by_id) == ["1"]
    both = parse_tracks(text, "b.txt", MotOptions(people=frozenset([0, 1])))
    assert list(both.by_id) == ["1", "2"]
    with pytest.raises(ManifestError, match=r"b\.txt: has no class '7'; it has '1' 2, '0' 1"):
        parse_tracks(text, "b.txt", MotOptions(people=frozenset([7])))


@pytest.mark.parametrize("further", ["0.9,0,-1", "1,0,-1", "1,0,1", "0.9,0,7", "0.9,0,-1,-1", "0.9,0"])
def test_where_all_are_of_class_0_all_are_people(further: str) -> None:
    assert list(parse_tracks(f"1,1,5,5,9,9,{further}\n1,2,5,5,9,9,{further}", "t.txt").by_id) == ["1", "2"]


@pytest.mark.parametrize("further", ["0.9,1,-1", "1,1,-1", "1,1,2", "0.9,2,-1,-1", "1,1,0,2", "0.9,3"])
def test_a_class_that_may_be_anything_is_asked_for(further: str) -> None:
    with pytest.raises(ManifestError, match="say with --people which classes are people"):
        parse_tracks(f"1,1,5,5,9,9,{further}", "t.txt")


def test_people_in_visdrone_are_named_by_their_numbers() -> None:
    text = "1,0,1,2,3,4,0,0,0,0\n1,1,1,2,3,4,1,1,0,0\n1,2,1,2,3,4,1,2,0,1\n1,3,1,2,3,4,1,4,0,0\n"
    tracks = parse_tracks(text, "v.txt", MotOptions(people=frozenset([1, 2])))
    assert list(tracks.by_id) == ["1", "2"]
    assert tracks.left_out == [LeftOut(2, "box", "of classes that are not people ('0' 1, '4' 1)")]


def test_world_coordinates_of_2015_are_no_classes() -> None:
    text = "1,1,5,5,9,9,1,-15.2,3,0\n1,2,5,5,9,9,1,2,4.5,0\n"
    assert list(parse_tracks(text, "t.txt").by_id) == ["1", "2"]
    with pytest.raises(ManifestError, match="has no column of classes, so --people names none"):
        parse_tracks(text, "t.txt", MotOptions(people=frozenset([1])))


def test_labels_beside_ground_truth_say_which_class_is_a_person() -> None:
    text = "1,1,5,5,9,9,1,1,1\n1,2,6,6,9,9,1,3,1\n"
    assert list(parse_tracks(text, "gt.txt", labels=["car", "bike", "Person"]).by_id) == ["2"]
    with pytest.raises(ManifestError, match=r"names no person or pedestrian, but car, bike; .*--people"):
        parse_tracks(text, "gt.txt", labels=["car", "bike"])
    assert list(parse_tracks(text, "gt.txt", MotOptions(people=frozenset([1])), labels=["car"]).by_id) == ["1"]


def test_labels_are_read_from_the_folder_of_the_tracks(tmp_path: Path) -> None:
    (tmp_path / "gt.txt").write_text("1,1,5,5,9,9,1,1,1\n1,2,6,6,9,9,1,2,1\n", encoding="utf-8")
    assert list(read_tracks(str(tmp_path / "gt.txt")).by_id) == ["1"]
    (tmp_path / "labels.txt").write_text("car\nperson\n", encoding="utf-8")
    assert list(read_tracks(str(tmp_path / "gt.txt")).by_id) == ["2"]


def test_boxes_of_no_track_are_left_out_and_counted() -> None:
    """`trackers` gives -1 to what it did not match: six people in one, if that were a track."""
    text = "1,-1,5,5,9,9,1,-1,-1,-1\n1,-1,50,5,9,9,1,-1,-1,-1\n2,0,5,5,9,9,1,-1,-1,-1\n2,-1.0,5,5,9,9,1,-1,-1,-1\n"
    tracks = parse_tracks(text, "t.txt")
    assert found(tracks) == {"0": [TrackBox(1, 5, 5, 9, 9)]}
    assert tracks.closing_words() == "1 tracklet, 1 box; left out: 3 boxes of no track (negative track id)"


@pytest.mark.parametrize("word", ["None", "null", "<NA>", "18446744073709551615"])
def test_words_for_no_id_are_no_person(word: str) -> None:
    tracks = parse_tracks(f"1,{word},5,5,9,9\n2,{word},50,5,9,9\n1,1,5,5,9,9\n", "t.txt")
    assert found(tracks) == {"1": [TrackBox(0, 5, 5, 9, 9)]}
    assert tracks.closing_words() == "1 tracklet, 1 box; left out: 2 boxes of no track (no track id)"


def test_numbers_in_quotes_are_no_header() -> None:
    with pytest.raises(ManifestError, match="line 1: '\"1\"' is not a number"):
        parse_tracks('"1","1","5","5","9","9"\n', "t.txt")


def test_ids_may_be_any_text_and_numbers_are_spelt_in_one_way() -> None:
    text = (
        "1 2026-11-28_10 5 5 9 9\n1 2026-11-28_9 5 5 9 9\n2 1.0 5 5 9 9\n3 01 5 5 9 9\n4 1e+0 5 5 9 9\n1 a_1 5 5 9 9\n"
    )
    tracks = parse_tracks(text, "t.txt")
    assert list(tracks.by_id) == ["1", "2026-11-28_9", "2026-11-28_10", "a_1"]
    assert tracks.by_id["1"].frames.tolist() == [1, 2, 3]
    assert list(parse_tracks("1,9007199254740993,5,5,9,9", "t.txt").by_id) == ["9007199254740993"]


def test_frames_may_begin_with_0_and_stand_for_every_nth_of_the_video() -> None:
    with pytest.raises(ManifestError, match=r"t\.txt, line 1: frame 0, .* say --first-frame 0"):
        parse_tracks("0,1,5,5,9,9\n3,1,5,5,9,9\n", "t.txt")
    options = MotOptions(first_frame=0, frame_step=5)
    assert parse_tracks("0,1,5,5,9,9\n3,1,5,5,9,9\n", "t.txt", options).by_id["1"].frames.tolist() == [0, 15]


def test_boxes_without_size_are_refused_with_their_number_and_left_out_on_request() -> None:
    """norfair's coasting boxes turn inside out."""
    text = "1,1,5,5,9,9\n2,1,5,5,-0.5,9\n3,1,5,5,9,0\n4,1,5,nan,9,9\n5,-1,5,5,0,0\n"
    with pytest.raises(ManifestError) as caught:
        parse_tracks(text, "n.txt")
    assert str(caught.value) == (
        "n.txt, line 2: width -0.5 and height 9 must be positive (3 boxes that are none in all); --skip-bad-boxes "
        "leaves such boxes out"
    )
    tracks = parse_tracks(text, "n.txt", MotOptions(skip_bad_boxes=True))
    assert found(tracks) == {"1": [TrackBox(0, 5, 5, 9, 9)]}
    assert [str(left) for left in tracks.left_out] == [
        "1 box of no track (negative track id)",
        "1 box with a number that is not finite",
        "2 boxes without a width and height",
    ]


def test_short_tracks_can_be_left_out_by_their_number_of_boxes() -> None:
    tracks = parse_tracks("1,1,5,5,9,9\n2,1,5,5,9,9\n1,2,5,5,9,9\n100,2,5,5,9,9\n200,2,5,5,9,9\n", "t.txt")
    assert list(tracks.of_length(3).by_id) == ["2"]
    assert list(tracks.of_length(2).by_id) == ["1", "2"]
    assert list(tracks.of_length(4).by_id) == []
    assert tracks.of_length(3).closing_words() == "1 tracklet, 3 boxes; left out: 1 track of fewer than 3 boxes"


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


@pytest.mark.parametrize("eighth", ["-1", "0", "-3.25"])
def test_sixteen_columns_of_deepstream_are_read(eighth: str) -> None:
    """As many numbers as its dump of tracks has; world coordinates and the like follow the confidence."""
    lines = [
        f"{frame},{2**40 + 1},{10 + frame}.5,20,30,60,0.75,{eighth},2.5,0,1,0.9,-1,-1,-1,-1\n" for frame in (0, 1, 4)
    ]
    tracks = parse_tracks("".join(lines), "d.txt", MotOptions(first_frame=0))
    expected = [TrackBox(frame, 10.5 + frame, 20, 30, 60) for frame in (0, 1, 4)]
    assert found(tracks) == {"1099511627777": expected}


def test_corners_become_sides_before_anything_is_said_of_them() -> None:
    text = "1,1,5,6,15,26,1,-1,-1,-1\n2,1,-30,6,-10,26,1,-1,-1,-1\n"
    tracks = parse_tracks(text, "c.txt", MotOptions(corners=True))
    assert found(tracks) == {"1": [TrackBox(0, 5, 6, 10, 20), TrackBox(1, -30, 6, 20, 20)]}
    with pytest.raises(ManifestError, match=r"c\.txt, line 2: width -10 and height 26 must be positive; --skip"):
        parse_tracks(text, "c.txt")


@pytest.mark.parametrize(
    ("written", "name"),
    [("9" * 5000, "9" * 5000), ("+007.0", "7"), ("-0", "0"), ("000", "0"), ("9" * 4500 + ".0", "9" * 4500)],
)
def test_whole_numbers_of_any_length_are_ids(written: str, name: str) -> None:
    assert list(parse_tracks(f"1,{written},1,2,3,4\n", "t.txt").by_id) == [name]


def test_negative_numbers_of_any_length_are_no_tracks() -> None:
    tracks = parse_tracks(f"1,-{'9' * 5000},1,2,3,4\n1,1,1,2,3,4\n", "t.txt")
    assert (list(tracks.by_id), tracks.left_out) == (["1"], [LeftOut(1, "box", "of no track (negative track id)")])


@pytest.mark.parametrize(
    ("start", "seconds"),
    [
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), [0.0]),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), [2.0]),
    ],
)
def test_times_that_no_calendar_has_are_refused(start: datetime, seconds: list[float]) -> None:
    tracks = parse_tracks("1,1,1,2,3,4\n", "t.txt")
    with pytest.raises(ManifestError, match="frame 0 is before year 1 or after 9999"):
        tracks.rows("/v.mp4", "cam", start_time=start, seconds=seconds)
