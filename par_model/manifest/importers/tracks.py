"""Tracks of one video, whichever tool wrote them, to a manifest's rows.

An importer reads a tool's file into ``Listed``, boxes as the file lists them; ``gather`` makes tracks of them and says
what it left out. ``par_model.manifest.importers.fit`` compares tracks with the video that they are of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model.errors import ManifestError
from par_model.wording import counted

_NEGATIVE = re.compile(r"-\d+(\.0*)?")
_MAX_FRAME = 2**31 - 1


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


class Where(Protocol):
    """Says which places of a file rows came from, for messages: ``t.txt, line 3`` or ``t.txt, lines 3 and 7``."""

    def __call__(self, *rows: int) -> str: ...


@dataclass(frozen=True, eq=False)
class Lines:
    """Rows that are lines of one file. numbers: the line of each row, from 1."""

    origin: str
    numbers: Sequence[int]

    def __call__(self, *rows: int) -> str:
        numbers = [str(self.numbers[row]) for row in rows]
        return f"{self.origin}, line{'s' if len(rows) > 1 else ''} {' and '.join(numbers)}"


@dataclass(frozen=True, eq=False)
class Listed:
    """Boxes of one video in the order of a file.

    ids: n texts; negative numbers are those of unmatched boxes. frames: int64 [n], as the file numbers them.
    boxes: float64 [n, 4], left, top, width, height. where: the place of a row in the file.
    others: float64 [n, k], what else a row says; rows of one track and frame that differ in it are no repetition.
    left_out: what the importer already left out.
    """

    ids: Sequence[str]
    frames: NDArray[np.int64]
    boxes: NDArray[np.float64]
    where: Where
    others: NDArray[np.float64] | None = None
    left_out: Sequence[LeftOut] = field(default_factory=tuple)

    def keep(self, wanted: NDArray[np.bool_], thing: str, why: str) -> Listed:
        """The rows that ``wanted``, bool [n], names, the others being left out as ``LeftOut`` says."""
        if wanted.all():
            return self
        rows = np.flatnonzero(wanted).tolist()
        return Listed(
            ids=[self.ids[row] for row in rows],
            frames=self.frames[wanted],
            boxes=self.boxes[wanted],
            where=_some(self.where, rows),
            others=None if self.others is None else self.others[wanted],
            left_out=[*self.left_out, LeftOut(int((~wanted).sum()), thing, why)],
        )


@dataclass(frozen=True)
class Numbering:
    """How a file's frame numbers lead to the video's: video frame = (number - first) * step."""

    first: int = 0
    step: int = 1


def from_corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes [n, 4] of left, top, right, bottom as left, top, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def gather(listed: Listed, numbering: Numbering = Numbering(), *, skip_bad_boxes: bool = False) -> Tracks:
    """Tracks of what a file lists. Boxes of negative track ids are left out, and rows that are repeated merge.

    skip_bad_boxes: leave out boxes without a width and height, which are refused otherwise.
    Raises ManifestError, with the places, for frames before the first, boxes that are none, and different boxes of one
    track in one frame.
    """
    unmatched = np.fromiter((_NEGATIVE.fullmatch(name) is not None for name in listed.ids), bool, len(listed.ids))
    listed = listed.keep(~unmatched, "box", "of no track (negative track id)")
    frames = _video_frames(listed, numbering)
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = listed.boxes.astype(np.float32)  # as the manifest holds them
    listed, frames, boxes = _without_bad_boxes(listed, frames, boxes, skip=skip_bad_boxes)
    encoded = pa.array(listed.ids, pa.string()).dictionary_encode()
    names: list[str] = encoded.dictionary.to_pylist()
    ranks = np.empty(len(names), np.int64)
    in_order = sorted(range(len(names)), key=lambda i: natural(names[i]))
    ranks[in_order] = np.arange(len(names))
    tracks = ranks[encoded.indices.to_numpy()] if len(names) else np.empty(0, np.int64)
    order = np.lexsort((frames, tracks))
    order = order[~_repeated(listed, order, tracks, frames)]
    merged = len(frames) - len(order)
    bounds = np.searchsorted(tracks[order], np.arange(len(names) + 1)).tolist()
    by_id = {
        names[name]: Track(frames[order[start:stop]], boxes[order[start:stop]])
        for name, start, stop in zip(in_order, bounds[:-1], bounds[1:], strict=True)
    }
    return Tracks(by_id, listed.left_out, merged)


def _video_frames(listed: Listed, numbering: Numbering) -> NDArray[np.int64]:
    early = np.flatnonzero(listed.frames < numbering.first)
    if len(early):
        row = int(early[0])
        number, first = int(listed.frames[row]), numbering.first
        hint = "; if it counts from 0, say --first-frame 0" if number == 0 and first == 1 else ""
        raise ManifestError(f"{listed.where(row)}: frame {number}, but frames are counted from {first}{hint}")
    late = np.flatnonzero(listed.frames > _MAX_FRAME // numbering.step)
    if len(late):
        raise ManifestError(f"{listed.where(int(late[0]))}: frame {listed.frames[late[0]]} is beyond any video's end")
    return (listed.frames - numbering.first) * numbering.step


def _without_bad_boxes(
    listed: Listed, frames: NDArray[np.int64], boxes: NDArray[np.float32], *, skip: bool
) -> tuple[Listed, NDArray[np.int64], NDArray[np.float32]]:
    endless: NDArray[np.bool_] = np.any(~np.isfinite(boxes), axis=1)
    bad = endless | (boxes[:, 2] <= 0) | (boxes[:, 3] <= 0)
    if not bad.any():
        return listed, frames, boxes
    if skip:
        return listed.keep(~bad, "box", "without a width and height"), frames[~bad], boxes[~bad]
    row = int(np.flatnonzero(bad)[0])
    x, y, w, h = listed.boxes[row].tolist()
    if endless[row]:
        what = f"box {(x, y, w, h)} is not finite in 32 bits"
    else:
        what = f"width {w:g} and height {h:g} must be positive"
    more = int(bad.sum()) - 1
    like_it = f" ({counted(more + 1, 'such box', 'such boxes')} in all)" if more else ""
    raise ManifestError(f"{listed.where(row)}: {what}{like_it}; --skip-bad-boxes leaves such boxes out")


def _repeated(
    listed: Listed, order: NDArray[np.intp], tracks: NDArray[np.int64], frames: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows, in an order that brings equal tracks and frames together, repeat one before them."""
    repeated: NDArray[np.bool_] = np.zeros(len(order), bool)
    repeated[1:] = (np.diff(tracks[order]) == 0) & (np.diff(frames[order]) == 0)
    told = listed.boxes if listed.others is None else np.concatenate([listed.boxes, listed.others], axis=1)
    at = np.flatnonzero(repeated)
    differ = at[~_equal(told[order[at]], told[order[at - 1]])]
    if len(differ):
        first, second = sorted((int(order[differ[0] - 1]), int(order[differ[0]])))
        raise ManifestError(
            f"{listed.where(first, second)}: frame {listed.frames[second]} has track {listed.ids[second]} twice, with "
            "different values; a track has one box a frame"
        )
    return repeated


def _equal(rows: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = ((rows == others) | (np.isnan(rows) & np.isnan(others))).all(axis=1)
    return same


def _some(where: Where, rows: Sequence[int]) -> Callable[..., str]:
    return lambda *chosen: where(*(rows[row] for row in chosen))


def natural(name: str) -> list[int | str]:
    """A key that sorts numbers within text as numbers."""
    parts: list[int | str] = []
    for i, part in enumerate(re.split(r"(\d{1,4000})", name)):
        parts.append(int(part) if i % 2 else part)
    return parts


def _time_of(frame: int, start_time: datetime | None, seconds: Sequence[float]) -> datetime | None:
    if start_time is None or frame >= len(seconds):
        return None
    start = start_time if start_time.tzinfo is not None else start_time.replace(tzinfo=UTC)
    try:
        time = start.astimezone(UTC) + timedelta(seconds=seconds[frame])
        return time + timedelta(microseconds=500) - timedelta(microseconds=(time.microsecond + 500) % 1000)
    except OverflowError as error:
        raise ManifestError(f"start time {start.isoformat()}: frame {frame} is before year 1 or after 9999") from error
