"""Boxes as a tool's file lists them, in any order, gathered into tracks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model.errors import ManifestError
from par_model.manifest.importers.tracks import LeftOut, Track, Tracks, natural

_NEGATIVE = re.compile(r"-\d+(\.0*)?")
_MAX_FRAME = 2**31 - 1


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

    skip_bad_boxes: leave out what is refused otherwise: boxes without a width and height, and those with a number that
    is not finite in 32 bits.
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
        listed = listed.keep(~endless, "box", "with a number that is not finite")
        return listed.keep(~bad[~endless], "box", "without a width and height"), frames[~bad], boxes[~bad]
    row = int(np.flatnonzero(bad)[0])
    x, y, w, h = listed.boxes[row].tolist()
    if endless[row]:
        what = f"box {(x, y, w, h)} is not finite in 32 bits"
    else:
        what = f"width {w:g} and height {h:g} must be positive"
    more = int(bad.sum()) - 1
    like_it = f" ({more + 1} boxes that are none in all)" if more else ""
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
