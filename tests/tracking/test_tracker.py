"""Boxes to tracks: which get an id, from which frame on, and what happens between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from par_model.tracking.clothes import NUMBERS
from par_model.tracking.options import FollowOptions, TrackerName
from par_model.tracking.tracker import Sightings, follow

TRACKERS: tuple[TrackerName, ...] = ("bytetrack", "ocsort", "botsort", "sort")
DRESSED = np.tile(255 * np.eye(8, dtype=np.uint8), NUMBERS // 8)


def seen(
    boxes_of: dict[int, list[tuple[float, ...]]], *, fps: float = 10.0, worn: dict[int, list[int]] | None = None
) -> Sightings:
    """boxes_of: frame -> boxes as left, top, right, bottom and score. worn: frame -> of which colour all is that the
    people in these wear, a number from 0 to 7."""
    frames = sorted(boxes_of)
    flat = np.asarray([box for frame in frames for box in boxes_of[frame]], np.float32).reshape(-1, 5)
    return Sightings(
        np.asarray(frames, np.int64),
        np.asarray(frames, np.float64) / fps,
        np.asarray([len(boxes_of[frame]) for frame in frames], np.int64),
        flat[:, :4],
        flat[:, 4],
        colours=None if worn is None else DRESSED[[colour for frame in frames for colour in worn[frame]]],
    )


def walker(frame: int, x: float, speed: float, score: float = 0.9) -> tuple[float, ...]:
    left = x + speed * frame
    return (left, 20.0, left + 40, 120.0, score)


@pytest.mark.parametrize("tracker", TRACKERS)
def test_two_who_walk_are_two_tracks_from_their_first_box_on(tracker: TrackerName) -> None:
    """Trackers hold the first boxes back; they are the detector's own, to the bit."""
    boxes = {k: [walker(k, 0, 3), *([walker(k, 500, -3)] if k >= 5 else [])] for k in range(30)}
    first, second = follow(seen(boxes), 1, FollowOptions(tracker=tracker))
    assert first.frames.tolist() == list(range(30))
    assert second.frames.tolist() == list(range(5, 30))
    assert first.boxes.tolist() == [list(walker(k, 0, 3)[:4]) for k in range(30)]
    assert second.boxes.tolist() == [list(walker(k, 500, -3)[:4]) for k in range(5, 30)]


@pytest.mark.parametrize("tracker", TRACKERS)
def test_who_was_hidden_loses_no_box_when_seen_again(tracker: TrackerName) -> None:
    """OC-SORT gives out the first boxes after a gap as nobody's."""
    boxes = {k: [walker(k, 0, 2)] if not 20 <= k < 25 else [] for k in range(40)}
    (only,) = follow(seen(boxes), 1, FollowOptions(tracker=tracker))
    assert only.frames.tolist() == [*range(20), *range(25, 40)]
    assert only.boxes.tolist() == [list(walker(k, 0, 2)[:4]) for k in only.frames.tolist()]


@pytest.mark.parametrize("alone", [0, 15, 29])
@pytest.mark.parametrize("tracker", TRACKERS)
def test_one_box_alone_is_nobody(tracker: TrackerName, alone: int) -> None:
    boxes: dict[int, list[tuple[float, ...]]] = {k: [walker(k, 0, 3)] for k in range(30)}
    boxes[alone].append(walker(alone, 400, 0))
    (only,) = follow(seen(boxes), 1, FollowOptions(tracker=tracker))
    assert len(only.frames) == 30


@pytest.mark.parametrize("tracker", ["bytetrack", "botsort"])
def test_a_weak_box_goes_on_with_a_track_and_begins_none(tracker: TrackerName) -> None:
    boxes = {k: [walker(k, 0, 3, 0.3 if 10 <= k < 14 else 0.9), walker(k, 500, 0, 0.5)] for k in range(30)}
    (only,) = follow(seen(boxes), 1, FollowOptions(tracker=tracker))
    assert only.frames.tolist() == list(range(30))
    assert len(follow(seen(boxes), 1, FollowOptions(tracker=tracker, start_score=0.5))) == 2


@pytest.mark.parametrize("tracker", ["bytetrack", "botsort"])
def test_who_steps_aside_is_not_lost(tracker: TrackerName) -> None:
    """By more than half of their width from one picture to the next, where a detector is not sure."""
    boxes = {k: [walker(k, 0 if k < 20 else 24, 0, 0.75)] for k in range(40)}
    (only,) = follow(seen(boxes), 1, FollowOptions(tracker=tracker))
    assert only.frames.tolist() == list(range(40))


def exchanged(options: FollowOptions) -> bool:
    """Somebody 100 pixels high overtakes somebody of 85 on the same ground, both as wide as their legs are apart, in
    turn from 25 to 55: does a track end with the other's boxes?"""
    boxes: dict[int, list[tuple[float, ...]]] = {}
    for k in range(60):
        one, other = (40 + 15 * np.sin(0.9 * k + phase) for phase in (0, 2))
        x, y = 100 + 4 * k, 115 + 2 * k
        boxes[k] = [(x - one / 2, 20, x + one / 2, 120, 0.9), (y - other / 2, 35, y + other / 2, 120, 0.9)]
    return any(np.ptp(track.boxes[:, 3] - track.boxes[:, 1]) > 1 for track in follow(seen(boxes), 1, options))


@pytest.mark.parametrize("tracker", TRACKERS)
def test_who_overtakes_is_told_apart_by_the_height(tracker: TrackerName) -> None:
    assert not exchanged(FollowOptions(tracker=tracker))
    assert exchanged(FollowOptions(tracker=tracker, overlap="iou"))


@pytest.mark.parametrize("tracker", TRACKERS)
def test_who_turns_back_where_others_do_is_told_apart_by_the_clothes(tracker: TrackerName) -> None:
    """Two of one size meet and go back, each the way they came: by where they were going, they pass each other."""
    frames = range(41)
    boxes = {k: [walker(0, 100 + 4 * min(k, 40 - k), 0), walker(0, 270 - 4 * min(k, 40 - k), 0)] for k in frames}
    found = seen(boxes, worn={k: [1, 5] for k in frames})
    first, second = follow(found, 1, FollowOptions(tracker=tracker))
    assert first.boxes.tolist() == [list(boxes[k][0][:4]) for k in frames]
    assert second.boxes.tolist() == [list(boxes[k][1][:4]) for k in frames]


@pytest.mark.parametrize("tracker", ["bytetrack", "botsort", "sort"])
def test_who_comes_where_somebody_has_just_left_is_a_track_of_their_own(tracker: TrackerName) -> None:
    boxes = {k: [walker(k, 0, 1)] for k in range(40)}
    found = seen(boxes, worn={k: [1 if k < 20 else 5] for k in range(40)})
    first, second = follow(found, 1, FollowOptions(tracker=tracker))
    assert (first.frames.tolist(), second.frames.tolist()) == ([*range(20)], [*range(20, 40)])
    assert len(follow(found, 1, FollowOptions(tracker=tracker, appearance="none"))) == 1


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("tracker", ["bytetrack", "botsort"])
def test_who_comes_the_other_way_in_much_the_same_clothes_is_told_apart_afterwards(
    tracker: TrackerName, every: int
) -> None:
    """Beside somebody who stands there, and is the second box of each frame, or the first."""
    frames = range(0, 60 * every, every)
    boxes, colours = {}, []
    for n, frame in enumerate(frames):
        passing, standing = walker(0, 100 + 8 * min(n, 58 - n), 0), walker(0, 700, 0)
        boxes[frame] = [passing, standing][:: 1 if n % 3 else -1]
        worn = (DRESSED[1] if n < 30 else (0.6 * DRESSED[1] + 0.4 * DRESSED[2]).astype(np.uint8)), DRESSED[6]
        colours += worn[:: 1 if n % 3 else -1]
    found = replace(seen(boxes, fps=10 * every), colours=np.stack(colours))
    tracks = follow(found, every, FollowOptions(tracker=tracker))
    spans = sorted((track.frames[0] // every, track.frames[-1] // every, len(track.frames)) for track in tracks)
    assert spans == [(0, 29, 30), (0, 59, 60), (30, 59, 30)]
    alike = replace(found, colours=np.tile(DRESSED[1], (len(found.boxes), 1)))
    assert len(follow(alike, every, FollowOptions(tracker=tracker))) == 2
    assert len(follow(found, every, FollowOptions(tracker=tracker, appearance="none"))) == 2
    assert len(follow(found, every, FollowOptions(tracker=tracker, min_length=31))) == 1


def test_clothes_that_look_otherwise_by_and_by_stay_one_persons() -> None:
    """From one colour to the next in the course of 100 frames, as the light changes."""
    share = np.linspace(0, 1, 100)[:, None]
    colours = (255 * ((1 - share) * DRESSED[3] / 255 + share * DRESSED[4] / 255)).astype(np.uint8)
    found = replace(seen({k: [walker(k, 0, 2)] for k in range(100)}), colours=colours)
    assert [len(track.frames) for track in follow(found, 1, FollowOptions())] == [100]


@pytest.mark.parametrize(("keep_lost", "tracks"), [(1.0, 1), (0.3, 2)])
def test_who_is_hidden_goes_on_within_the_time_that_lost_tracks_are_kept(keep_lost: float, tracks: int) -> None:
    """Seven frames of ten a second, also where every second one is looked at."""
    for every in (1, 2):
        frames = [k for k in range(0, 60, every) if not 30 <= k < 37]
        boxes = {k: [walker(k, 0, 1)] if k in frames else [] for k in range(0, 60, every)}
        assert len(follow(seen(boxes), every, FollowOptions(keep_lost=keep_lost))) == tracks


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize(("seconds", "filled"), [(0.0, []), (0.5, [30]), (0.6, [20, 21, 22, 23, 24, 30])])
def test_gaps_are_filled_up_to_a_time(seconds: float, filled: list[int], every: int) -> None:
    """Six frames from one box to the next of ten a second, and then two; of those every one is looked at, or every
    second one of a video with twice as many."""
    there = [k for k in range(40) if k not in (20, 21, 22, 23, 24, 30)]
    boxes = {every * k: [walker(k, 0, 2)] if k in there else [] for k in range(40)}
    (only,) = follow(seen(boxes, fps=10 * every), every, FollowOptions(fill_gaps=seconds))
    assert only.frames.tolist() == [every * k for k in sorted({*there, *filled})]
    expected = np.array([walker(frame // every, 0, 2)[:4] for frame in only.frames.tolist()])
    assert only.boxes == pytest.approx(expected, abs=1e-4)


def test_damaged_frames_get_no_box() -> None:
    boxes = {k: [walker(k, 0, 2)] if k not in (20, 21, 22) else [] for k in range(40)}
    (only,) = follow(replace(seen(boxes), damaged=np.array([21])), 1, FollowOptions(fill_gaps=0.5))
    assert only.frames.tolist() == [k for k in range(40) if k != 21]


def test_a_frame_rate_that_is_given_counts_instead_of_the_times() -> None:
    boxes = {k: [walker(k, 0, 1)] if not 30 <= k < 37 else [] for k in range(60)}
    assert len(follow(seen(boxes), 1, FollowOptions(keep_lost=0.3))) == 2
    assert len(follow(seen(boxes), 1, FollowOptions(keep_lost=0.3, frame_rate=100))) == 1
    assert len(follow(seen(boxes, fps=100), 1, FollowOptions(keep_lost=0.3, frame_rate=10))) == 2


def test_frames_that_a_damaged_video_lost_are_time_that_passes() -> None:
    frames = [*range(20), *range(40, 60)]
    boxes = {k: [walker(k, 0, 1)] for k in frames}
    assert len(follow(seen(boxes), 1, FollowOptions())) == 2
    assert len(follow(seen(boxes), 1, FollowOptions(keep_lost=5))) == 1


def test_short_tracks_are_left_out_and_the_others_keep_their_order() -> None:
    boxes: dict[int, list[tuple[float, ...]]] = {k: [walker(k, 500, 0)] if k < 4 else [] for k in range(40)}
    for k in range(10, 40):
        boxes[k] = [walker(k, 0, 3)]
    assert [len(t.frames) for t in follow(seen(boxes), 1, FollowOptions())] == [4, 30]
    assert [len(t.frames) for t in follow(seen(boxes), 1, FollowOptions(min_length=5))] == [30]


def test_a_video_without_boxes_or_frames_has_no_tracks() -> None:
    assert follow(seen({0: [], 5: []}), 5, FollowOptions()) == []
    assert follow(seen({}), 1, FollowOptions()) == []


def test_the_rate_is_that_of_most_frames() -> None:
    assert seen({k: [] for k in (0, 5, 10, 15, 95)}, fps=10).rate() == pytest.approx(2.0)
    assert seen({7: []}).rate() is None
