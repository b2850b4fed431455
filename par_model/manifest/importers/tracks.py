"""Tracks of one video, whichever tool wrote them, to a manifest's rows.

An importer reads a tool's file into boxes as the file lists them, of which ``par_model.manifest.importers.gather``
makes tracks; ``par_model.manifest.importers.fit_to_video`` compares these with the video that they are of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from par_model.errors import ManifestError
from par_model.wording import counted


class TrackBox(NamedTuple):
    """One box of a track. frame: 0-based. Sides in pixels of the displayed picture."""

    frame: int
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, eq=False)
class Track:
    """One person's boxes, a ``TrackBox`` each where they are iterated over.

    frames: int64 [n], 0-based, strictly increasing. boxes: float32 [n, 4], left, top, width, height in pixels of the
    displayed picture.
    """

    frames: NDArray[np.int64]
    boxes: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[TrackBox]:
        for frame, sides in zip(self.frames.tolist(), self.boxes.tolist(), strict=True):
            yield TrackBox(frame, *sides)


@dataclass(frozen=True)
class LeftOut:
    """So many things of a tool's file that are not in the manifest. thing: in the singular. why: ends the sentence."""

    count: int
    thing: str
    why: str

    def __str__(self) -> str:
        plural = self.thing + ("es" if self.thing.endswith("x") else "s")
        return f"{counted(self.count, self.thing, plural)} {self.why}"


@dataclass(frozen=True, eq=False)
class Tracks:
    """The tracks of one video.

    by_id: track id, any text -> its boxes, in the order of ids, numbers in them as numbers.
    left_out: what else the file held. merged: rows that said again what another had said.
    is_export: whether the file numbers the frames that a tool exported, which need not be all of the video.
    """

    by_id: Mapping[str, Track]
    left_out: Sequence[LeftOut] = ()
    merged: int = 0
    is_export: bool = False

    @property
    def num_boxes(self) -> int:
        return sum(map(len, self.by_id.values()))

    def boxes(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Frames int64 [n] and boxes float32 [n, 4] of all tracks, one after the other."""
        tracks = list(self.by_id.values())
        if not tracks:
            return np.empty(0, np.int64), np.empty((0, 4), np.float32)
        return np.concatenate([t.frames for t in tracks]), np.concatenate([t.boxes for t in tracks])

    @property
    def starts(self) -> list[int]:
        """Where each track begins in what ``boxes`` gives."""
        return [0, *accumulate(len(track) for track in self.by_id.values())][:-1]

    def changed(self, frames: NDArray[np.int64], boxes: NDArray[np.float32]) -> Tracks:
        """The same tracks with other frames and boxes, each in the places where ``boxes`` gave them."""
        ends = np.cumsum([len(track) for track in self.by_id.values()]).tolist()
        parts = (slice(end - len(track), end) for track, end in zip(self.by_id.values(), ends, strict=True))
        return replace(
            self, by_id={name: Track(frames[p], boxes[p]) for name, p in zip(self.by_id, parts, strict=True)}
        )

    def without(self, unwanted: NDArray[np.bool_], why: str) -> Tracks:
        """Without the boxes that ``unwanted``, bool [n] in the order of ``boxes``, names; tracks of none are gone."""
        if not unwanted.any():
            return self
        kept: dict[str, Track] = {}
        end = 0
        for name, track in self.by_id.items():
            keep = ~unwanted[end : end + len(track)]
            end += len(track)
            if keep.any():
                kept[name] = Track(track.frames[keep], track.boxes[keep])
        return replace(self, by_id=kept, left_out=[*self.left_out, LeftOut(int(unwanted.sum()), "box", why)])

    def of_length(self, shortest: int) -> Tracks:
        """The tracks that have at least ``shortest`` boxes."""
        kept = {name: track for name, track in self.by_id.items() if len(track) >= shortest}
        short = len(self.by_id) - len(kept)
        if not short:
            return self
        why = f"of fewer than {counted(shortest, 'box', 'boxes')}"
        return replace(self, by_id=kept, left_out=[*self.left_out, LeftOut(short, "track", why)])

    def rows(
        self,
        video_uri: str,
        prefix: str,
        *,
        camera_id: str | None = None,
        start_time: datetime | None = None,
        seconds: Sequence[float] = (),
    ) -> list[dict[str, Any]]:
        """A manifest row for each track, in the order of their ids, which are ``prefix-id``.

        start_time: wall-clock time of the video's frame 0. seconds: presentation time of each frame since then; a
        tracklet that starts beyond has no start_time.
        """
        return [
            {
                "tracklet_id": f"{prefix}-{name}",
                "video_uri": video_uri,
                "frame_indices": track.frames.tolist(),
                "boxes": [{"x": x, "y": y, "w": w, "h": h} for x, y, w, h in track.boxes.tolist()],
                "camera_id": camera_id,
                "start_time": _time_of(int(track.frames[0]), start_time, seconds),
            }
            for name, track in self.by_id.items()
        ]

    def closing_words(self) -> str:
        """How much the manifest holds, and what is not in it for which reason, as the end of a line."""
        return closing_words_of([self])


def closing_words_of(videos: Sequence[Tracks]) -> str:
    """What ``Tracks.closing_words`` says, of several videos together."""
    num_tracks = sum(len(tracks.by_id) for tracks in videos)
    num_boxes = sum(tracks.num_boxes for tracks in videos)
    words = f"{counted(num_tracks, 'tracklet')}, {counted(num_boxes, 'box', 'boxes')}"
    total: Counter[tuple[str, str]] = Counter()
    for left in (left for tracks in videos for left in tracks.left_out):
        total[left.thing, left.why] += left.count
    if total:
        words += f"; left out: {'; '.join(str(LeftOut(count, *what)) for what, count in total.items())}"
    merged = sum(tracks.merged for tracks in videos)
    return words + (f"; merged: {counted(merged, 'repeated row')}" if merged else "")


def natural(name: str) -> list[int | str]:
    """A key that sorts numbers within text as numbers."""
    parts: list[int | str] = []
    for i, part in enumerate(re.split(r"(\d{1,4000})", name)):
        parts.append(int(part) if i % 2 else part)
    return parts


def _time_of(frame: int, start_time: datetime | None, seconds: Sequence[float]) -> datetime | None:
    if start_time is None or frame >= len(seconds):
        return None
    try:
        return wall_clock(start_time, seconds[frame])
    except OverflowError as error:
        raise ManifestError(
            f"start time {start_time.isoformat()}: frame {frame} is before year 1 or after 9999"
        ) from error


def wall_clock(start_time: datetime, seconds: float) -> datetime:
    """When it is so many seconds after a start, which is in UTC unless it has a zone, to the nearest millisecond.

    Raises OverflowError before year 1 and after 9999.
    """
    start = start_time if start_time.tzinfo is not None else start_time.replace(tzinfo=UTC)
    time = start.astimezone(UTC) + timedelta(seconds=seconds)
    return time + timedelta(microseconds=500) - timedelta(microseconds=(time.microsecond + 500) % 1000)
