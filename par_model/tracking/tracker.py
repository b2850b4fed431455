"""Following people from picture to picture: the trackers of the ``trackers`` package, run over a whole video at once.

The detections of a video are kept until its manifest is written, and a tracker needs a small part of the time that
found them. So it always begins at the video's start: nothing of its state is stored or read back, and the same
detections give the same ids, whatever was interrupted.

Trackers give a track its id only once it has been matched some times, and give its boxes out as nobody's until then. So
boxes are not taken from what a tracker gives out: each of its tracks keeps what it was matched with, in its state
estimator, which the package lets its user choose.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from par_model.extras import load
from par_model.tracking.association import Shown, overlapping, remembering
from par_model.tracking.gaps import without_gaps
from par_model.tracking.options import FollowOptions
from par_model.tracking.turns import without_turns

_WHO = "parjob track"
ASSUMED_RATE = 25.0
_PACKAGE_RATE = 30.0  # what the package counts its buffer of lost tracks in


@dataclass(frozen=True, eq=False)
class Sightings:
    """What was found in a video's sampled frames, in order.

    frames: int64 [n], strictly increasing. seconds: float64 [n], when each is shown, NaN where that is not known.
    counts: int64 [n], how many boxes each has. boxes: float32 [m, 4], left, top, right, bottom; scores: float32 [m].
    damaged: int64 [k], those of the frames without a sound picture. colours: uint8 [m, NUMBERS], see
    ``clothes.colours_in``; None where the pictures are not at hand, and then looks do not count.
    """

    frames: NDArray[np.int64]
    seconds: NDArray[np.float64]
    counts: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    damaged: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    colours: NDArray[np.uint8] | None = None

    def rate(self) -> float | None:
        """Sampled frames a second, as most of them follow each other; None where the video does not tell."""
        steps = np.diff(self.seconds)
        steps = steps[np.isfinite(steps) & (steps > 0)]
        return float(1 / np.median(steps)) if len(steps) else None


@dataclass(frozen=True, eq=False)
class FollowedTrack:
    """One person. frames: int64 [n], strictly increasing. boxes: float32 [n, 4], left, top, right, bottom."""

    frames: NDArray[np.int64]
    boxes: NDArray[np.float32]


def trackers_version() -> str:
    """Raises UsageError where the package is not installed."""
    load("trackers", _WHO)
    return metadata.version("trackers")


def follow(seen: Sightings, every: int, options: FollowOptions) -> list[FollowedTrack]:
    """The tracks of one video, in the order in which they got their ids; where one is parted (see ``turns``), its parts
    follow each other.

    every: frames from one that was looked at to the next; those that are missing in between, because they were damaged,
    count as frames without anybody.
    """
    if not len(seen.frames):
        return []
    rate = (seen.rate() or ASSUMED_RATE / every) if options.frame_rate is None else options.frame_rate / every
    shown = Shown() if options.appearance == "colours" and seen.colours is not None else None
    tracker = _tracker(options, rate, shown)
    made = _Tracks()
    ends = np.cumsum(seen.counts)
    step = int(seen.frames[0]) // every
    for frame, count, end in zip(seen.frames.tolist(), seen.counts.tolist(), ends.tolist(), strict=True):
        for _ in range(step, frame // every):
            _update(tracker, seen.boxes[:0], seen.scores[:0])
        step = frame // every + 1
        part = slice(end - count, end)
        if shown is not None and seen.colours is not None:
            shown.next_picture(seen.boxes[part], seen.colours[part])
        _update(tracker, seen.boxes[part], seen.scores[part])
        made.add(frame, tracker.tracks)
    usable = np.setdiff1d(seen.frames, seen.damaged)
    longest = int(options.fill_gaps * rate + 1e-6) * every
    people = [
        one for track in made.finished() for one in (_apart(track, seen, ends, every, rate) if shown else [track])
    ]
    return [
        FollowedTrack(*without_gaps(track.frames, track.boxes, usable, longest))
        for track in people
        if len(track.frames) >= options.min_length
    ]


def _apart(
    track: FollowedTrack, seen: Sightings, ends: NDArray[np.int64], every: int, rate: float
) -> list[FollowedTrack]:
    """Its parts that are one person each. ends: of each frame's boxes among all."""
    assert seen.colours is not None
    at = np.searchsorted(seen.frames, track.frames)
    places = []
    for box, count, end in zip(track.boxes, seen.counts[at].tolist(), ends[at].tolist(), strict=True):
        (same,) = (seen.boxes[end - count : end] == box).all(axis=1).nonzero()
        places.append(end - count + int(same[0]))
    parts = without_turns(track.frames / (every * rate), track.boxes, seen.colours[places], rate)
    return [FollowedTrack(track.frames[part], track.boxes[part]) for part in parts]


def _tracker(options: FollowOptions, rate: float, shown: Shown | None) -> Any:
    package = load("trackers", _WHO)
    start, high = options.real_start_score, options.high_score
    common: dict[str, Any] = {"frame_rate": rate, "lost_track_buffer": round(options.keep_lost * _PACKAGE_RATE)}
    common["iou"] = overlapping(by_height=options.overlap == "hmiou", shown=shown)
    if options.tracker == "ocsort":
        return package.OCSORTTracker(
            **common, high_conf_det_threshold=start, state_estimator_class=remembering("XCYCSRStateEstimator", shown)
        )
    common["track_activation_threshold"] = start
    if options.tracker == "sort":
        return package.SORTTracker(**common, state_estimator_class=remembering("XYXYStateEstimator", shown))
    common["high_conf_det_threshold"] = high
    if options.tracker == "botsort":
        # Its step against the camera's own motion wants every picture again, in order. What is in the first picture
        # needs no id at once, for boxes that were held back are filled in. Of overlap it asks as much as ByteTrack:
        # with the package's 0.2 it lost who stepped aside between two pictures of five a second.
        return package.BoTSORTTracker(
            **common,
            enable_cmc=False,
            instant_first_frame_activation=False,
            minimum_iou_threshold_first_assoc=0.1,
            state_estimator_class=remembering("XCYCWHStateEstimator", shown),
        )
    return package.ByteTrackTracker(**common, state_estimator_class=remembering("XYXYStateEstimator", shown))


def _update(tracker: Any, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    detections = load("supervision", _WHO).Detections
    given = detections(xyxy=boxes, confidence=scores) if len(boxes) else detections.empty()
    given.confidence = scores  # where there is none, trackers take it for 1
    tracker.update(given)


class _Tracks:
    """Boxes of tracks so far, by the tracker's ids, in the order in which these came up."""

    def __init__(self) -> None:
        self._frames: dict[int, array[int]] = {}
        self._sides: dict[int, array[float]] = {}

    def add(self, frame: int, tracklets: Sequence[Any]) -> None:
        """What was matched at a frame. tracklets: those that the tracker keeps.

        OC-SORT gives some boxes of a track that was lost to nobody, as all do with the first ones; matched they were.
        """
        for tracklet in tracklets:
            if tracklet.time_since_update:
                continue
            memory = tracklet.state_estimator
            memory.held.append((frame, memory.matched))
            if tracklet.tracker_id >= 0:
                for earlier, box in memory.held:
                    self._frames.setdefault(tracklet.tracker_id, array("q")).append(earlier)
                    self._sides.setdefault(tracklet.tracker_id, array("f")).extend(box.tolist())
                memory.held = []

    def finished(self) -> list[FollowedTrack]:
        return [
            FollowedTrack(np.asarray(self._frames[name], np.int64), np.asarray(sides, np.float32).reshape(-1, 4))
            for name, sides in self._sides.items()
        ]
