"""MOTChallenge text to a manifest's rows.

A line is ``frame, track id, left, top, width, height`` and up to four more numbers, between commas or blanks, frames
counted from 1. Nine numbers are ground truth: the seventh is 0 for rows that do not count, the eighth is the class,
1 for a pedestrian.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from par_model import storage
from par_model.errors import ManifestError

_COLUMNS = range(6, 11)
_GROUND_TRUTH_COLUMNS = 9
_PEDESTRIAN = 1
_MAX_FRAME = 2**31


@dataclass(frozen=True)
class TrackBox:
    """One box of a track. frame: 0-based. Sides in pixels of the displayed picture."""

    frame: int
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class Tracks:
    """The boxes of each track id, by frame.

    left_out: ground-truth rows that do not count. merged: rows that were repeated.
    """

    boxes: Mapping[int, Sequence[TrackBox]]
    left_out: int
    merged: int

    def of_length(self, shortest: int) -> Tracks:
        """The tracks that have at least ``shortest`` boxes."""
        boxes = {track: boxes for track, boxes in self.boxes.items() if len(boxes) >= shortest}
        return Tracks(boxes, self.left_out, self.merged)

    def rows(
        self,
        video_uri: str,
        prefix: str,
        *,
        camera_id: str | None = None,
        start_time: datetime | None = None,
        seconds: Sequence[float] = (),
    ) -> list[dict[str, Any]]:
        """A manifest row for each track, in the order of their ids.

        start_time: wall-clock time of the video's frame 0. seconds: presentation time of each frame since then; a
        tracklet that starts beyond has no start_time.
        """
        return [
            {
                "tracklet_id": f"{prefix}-{track}",
                "video_uri": video_uri,
                "frame_indices": [box.frame for box in boxes],
                "boxes": [{"x": box.x, "y": box.y, "w": box.w, "h": box.h} for box in boxes],
                "camera_id": camera_id,
                "start_time": _time_of(boxes[0].frame, start_time, seconds),
            }
            for track, boxes in sorted(self.boxes.items())
        ]


def read_tracks(uri: str) -> Tracks:
    """Tracks of a MOTChallenge file. Raises as ``parse_tracks``, and StorageError where it cannot be read."""
    try:
        text = storage.read_bytes(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{uri}: is not text: {error.reason} at byte {error.start}") from error
    return parse_tracks(text, uri)


def parse_tracks(text: str, origin: str) -> Tracks:
    """Tracks of a MOTChallenge text. origin names it in errors.

    The same frame and track twice is merged where the rows are equal. Raises ManifestError, with the line, for rows
    that differ there, and for anything that is not a box of a track.
    """
    seen: dict[tuple[int, int], tuple[int, tuple[float, ...]]] = {}
    boxes: defaultdict[int, list[TrackBox]] = defaultdict(list)
    left_out = merged = 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{origin}, line {number}"
        values = _numbers(line, where)
        frame, track = _whole(values[0], "frame", where), _whole(values[1], "track id", where)
        box = _box(frame, values, where)
        if len(values) == _GROUND_TRUTH_COLUMNS and (values[6] == 0 or values[7] != _PEDESTRIAN):
            left_out += 1
            continue
        first = seen.setdefault((frame, track), (number, values))
        if first[0] == number:
            boxes[track].append(box)
        elif first[1] == values:
            merged += 1
        else:
            raise ManifestError(
                f"{origin}, lines {first[0]} and {number}: frame {frame} has track {track} twice, with different "
                "values; a track has one box a frame"
            )
    ordered = {track: sorted(found, key=lambda box: box.frame) for track, found in boxes.items()}
    return Tracks(ordered, left_out, merged)


def _numbers(line: str, where: str) -> tuple[float, ...]:
    fields = [field.strip() for field in line.split(",")] if "," in line else line.split()
    if len(fields) > 1 and not fields[-1]:
        fields.pop()  # a comma that ends the line
    if len(fields) not in _COLUMNS:
        raise ManifestError(
            f"{where}: {len(fields)} columns, expected 6 to 10: frame, track id, left, top, width, height, ..."
        )
    return tuple(_number(field, where) for field in fields)


def _number(field: str, where: str) -> float:
    value: float | None
    try:
        # Whole numbers stay whole: a float holds no track id above 2**53.
        value = int(field) if field.lstrip("+-").isdigit() else float(field)
    except ValueError:
        value = None
    if value is None or "_" in field or not field.isascii():
        raise ManifestError(f"{where}: {field!r} is not a number")
    if not math.isfinite(value):
        raise ManifestError(f"{where}: {field!r} is not finite")
    return value


def _whole(value: float, what: str, where: str) -> int:
    if value != int(value):
        raise ManifestError(f"{where}: {what} {value:g} is not a whole number")
    return int(value)


def _box(frame: int, values: tuple[float, ...], where: str) -> TrackBox:
    if not 1 <= frame <= _MAX_FRAME:
        raise ManifestError(f"{where}: frame {frame}, but frames are counted from 1")
    with np.errstate(over="ignore"):
        x, y, w, h = (float(np.float32(side)) for side in values[2:6])  # as the manifest holds them
    if not all(map(math.isfinite, (x, y, w, h))):
        raise ManifestError(f"{where}: box {values[2:6]} is not finite in 32 bits")
    if w <= 0 or h <= 0:
        raise ManifestError(f"{where}: width {w:g} and height {h:g} must be positive")
    return TrackBox(frame - 1, x, y, w, h)


def _time_of(frame: int, start_time: datetime | None, seconds: Sequence[float]) -> datetime | None:
    if start_time is None or frame >= len(seconds):
        return None
    start = start_time if start_time.tzinfo is not None else start_time.replace(tzinfo=UTC)
    time = start.astimezone(UTC) + timedelta(seconds=seconds[frame])
    return time + timedelta(microseconds=500) - timedelta(microseconds=(time.microsecond + 500) % 1000)
