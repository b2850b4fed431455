"""What a manifest's rows and its videos do not agree in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from par_model.errors import TrackletError
from par_model.manifest.agreement import Agreement, Misfit, wholly_outside
from par_model.manifest.read import Manifest
from par_model.manifest.rows import Row, rows
from par_model.manifest.tracklets import TRACKLET_COLUMNS
from par_model.progress import Start, unseen
from par_model.video.survey import Survey
from par_model.video.surveys import Question, surveys


class VideoCode(StrEnum):
    """What ``manifest check --videos`` calls a defect, besides ``Misfit``."""

    SEVERAL_STREAMS = "several-video-streams"
    SIZE_CHANGES = "size-changes"
    DAMAGED = "damaged"
    NOT_READABLE = "not-readable"


@dataclass(frozen=True)
class VideoDefect:
    """A defect of one row, or of a video: then the row is the first that names it."""

    row: int
    tracklet_id: str | None
    code: VideoCode | Misfit
    message: str


@dataclass
class VideoCounts:
    """videos: those that were looked at, of ``of_videos``. boxes: those on videos that can be read, of which ``partly``
    lie partly outside the picture."""

    videos: int = 0
    of_videos: int = 0
    boxes: int = 0
    partly: int = 0


@dataclass
class _Named:
    """A video as the manifest names it: its first row, whether a row leaves the track open, the last frame of all."""

    row: int
    tracklet_id: str | None
    is_open: bool
    last_frame: int


Key = tuple[str, int]


class VideoCheck:
    """Compares a manifest with its videos. counts: filled while ``defects`` is iterated over."""

    def __init__(self, manifest: Manifest, limit: int | None = None, *, decode: bool = False) -> None:
        """limit: look at the first so many videos only. decode: read each to its end."""
        self._manifest = manifest
        self._limit = limit
        self._decode = decode
        self.counts = VideoCounts()

    def defects(self, start: Start = unseen) -> Iterator[VideoDefect]:
        """Defects of single rows in row order, then those of whole videos.

        start: is told the number of videos, and gives what counts those that were looked at.

        Memory grows with the number of videos alone. Raises StorageError, or ManifestError if a file is damaged.
        """
        named = self._named()
        advance = start(len(named))
        found: dict[Key, Survey | TrackletError] = {}
        questions = [Question(uri, of.last_frame, stream, self._decode) for (uri, stream), of in named.items()]
        for question, answer in surveys(questions):
            found[question.uri, question.stream] = answer
            self.counts.videos += 1
            advance(1)
        agreements = {key: Agreement(video) for key, video in found.items() if isinstance(video, Survey)}
        yield from self._of_rows(agreements, found)
        for key, of in named.items():
            for code, message in _of_video(found[key], agreements.get(key), of, self._decode):
                yield VideoDefect(of.row, of.tracklet_id, code, f"{key[0]}: {message}")
        self.counts.boxes = sum(agreement.num_boxes for agreement in agreements.values())
        self.counts.partly = sum(agreement.partly for agreement in agreements.values())

    def _rows(self) -> Iterator[tuple[Key, Row, NDArray[np.int64]]]:
        """Rows of videos, each with its video and its sound frame indices."""
        for batch in self._manifest.iter_batches(TRACKLET_COLUMNS):
            for row in rows(batch):
                if (
                    row.video_uri
                    and row.image_uris is None
                    and row.frame_indices is not None
                    and len(row.frame_indices)
                ):
                    yield (row.video_uri, row.video_stream or 0), row, row.frame_indices.astype(np.int64)

    def _named(self) -> dict[Key, _Named]:
        named: dict[Key, _Named] = {}
        others: set[Key] = set()
        for key, row, frames in self._rows():
            last = int(frames.max())
            if key in named:
                named[key].last_frame = max(named[key].last_frame, last)
                named[key].is_open |= row.video_stream is None
            elif self._limit is None or len(named) < self._limit:
                named[key] = _Named(row.row, row.tracklet_id, row.video_stream is None, last)
            else:
                others.add(key)
        self.counts.of_videos = len(named) + len(others)
        return named

    def _of_rows(
        self, agreements: dict[Key, Agreement], found: dict[Key, Survey | TrackletError]
    ) -> Iterator[VideoDefect]:
        for key, row, frames in self._rows():
            video = found.get(key)
            if not isinstance(video, Survey):
                continue
            last = int(frames.max())
            if video.is_counted and last >= video.frames:
                message = f"frame {last}, but the last frame of {key[0]} is {video.frames - 1}"
                yield VideoDefect(row.row, row.tracklet_id, Misfit.BEYOND_END, message)
            if row.boxes is None or len(row.boxes) != len(frames):
                continue
            sound = np.isfinite(row.boxes).all(axis=1)
            agreements[key].add(frames[sound], row.boxes[sound])
            outside = int(wholly_outside(row.boxes[sound], video).sum())
            if outside:
                size = f"{video.width}x{video.height}"
                message = f"{outside} of {len(frames)} boxes lie wholly outside the picture of {size} pixels"
                yield VideoDefect(row.row, row.tracklet_id, Misfit.OUTSIDE, message)


def _of_video(
    video: Survey | TrackletError, agreement: Agreement | None, named: _Named, decoded: bool
) -> Iterator[tuple[VideoCode | Misfit, str]]:
    if isinstance(video, TrackletError) or agreement is None:
        yield VideoCode.NOT_READABLE, str(video)
        return
    if video.tracks > 1 and named.is_open:
        yield (
            VideoCode.SEVERAL_STREAMS,
            f"has {video.tracks} tracks of moving pictures, and the first counts unless column video_stream says which",
        )
    if video.new_size is not None:
        frame, width, height = video.new_size
        yield (
            VideoCode.SIZE_CHANGES,
            f"from frame {frame} on {width}x{height} pixels, {video.width}x{video.height} before",
        )
    if decoded and video.damage is not None:
        yield VideoCode.DAMAGED, video.damage
    for code, message in agreement.findings():
        if code is not Misfit.BEYOND_END:  # said of each row
            yield code, message
