"""The two stages: batches of a video's pictures, and the people in them. Plain callables, usable in a notebook."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from par_model.errors import FailureCode, ParError, TrackletError
from par_model.model.device import RealDevice
from par_model.tracking.batches import FoundBatch, PictureBatch, VideoEnd
from par_model.tracking.clothes import NUMBERS, colours_in
from par_model.tracking.detector import BATCH, Scale
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.passed import Pass, PassedFrame, PassEnd
from par_model.video.process.parent import close_processes, pass_isolated
from par_model.wording import typed_line

if TYPE_CHECKING:
    from par_model.tracking.detections import Detections
    from par_model.tracking.detector import Detector

Load = Callable[[RealDevice, int], "Detector"]


@dataclass(frozen=True)
class TrackSettings:
    """What the stages need to know; travels to every worker.

    load: makes the detector on a device, with so many threads. min_score: boxes of a lower one do not count. scale: how
    the detector has its pictures scaled down by whoever decodes them.
    """

    load: Load
    every: int
    min_score: float
    decode: DecodeOptions
    scale: Scale | None = None


@dataclass(frozen=True)
class VideoUnit:
    """What is still to be looked at of a video. first: its first batch that is missing. done: later ones that are not.

    video: its number.
    """

    video: int
    uri: str
    first: int = 0
    done: frozenset[int] = frozenset()


class PassVideos:
    """A video in, its batches out, in order, the end last. Never raises for what one video does.

    Decoding happens in a child process, ahead of whoever takes the batches.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._counters = Counters()

    def __call__(self, unit: VideoUnit) -> Iterator[PictureBatch]:
        settings = self._settings
        size, every = BATCH, settings.every
        wanted = Pass(unit.uri, every, unit.first * size, settings.decode.video_stream)
        waiting: list[PassedFrame] = []
        number = unit.first
        took = 0.0
        counted = self._counters.bytes_read

        def batch(end: VideoEnd | None = None) -> PictureBatch:
            nonlocal took, counted
            since, counted = self._counters.bytes_read - counted, self._counters.bytes_read
            seconds, took = took, 0.0
            return _batch(unit.video, number, waiting, end, seconds, since)

        frames = pass_isolated(wanted, settings.decode, self._counters, self._take)
        while True:
            try:
                passed = next(frames)
            except TrackletError as error:
                waiting = []
                yield batch(VideoEnd(0, None, error.code, error.message))
                return
            took += passed.took
            last = isinstance(passed, PassEnd)
            sampled = -(-passed.frames // every) if isinstance(passed, PassEnd) else passed.index // every
            stop = -(-sampled // size) if last else sampled // size
            while number < stop:  # whole batches, also those whose frames a damaged video has lost
                if number not in unit.done:
                    yield batch()
                waiting = []
                number += 1
            if isinstance(passed, PassEnd):
                yield batch(VideoEnd(passed.frames, passed.damage))
                return
            waiting.append(passed)

    def _take(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._settings.scale is None:
            return picture.copy()
        try:
            scaled = self._settings.scale(picture)
        except Exception as error:
            message = f"the detector cannot scale a picture of {picture.shape[1]}x{picture.shape[0]} pixels"
            raise TrackletError(FailureCode.MODEL_ERROR, f"{message}: {typed_line(error)}") from error
        # The memory is the decoding process's, which writes other pictures there.
        return scaled.copy() if np.may_share_memory(scaled, picture) else scaled

    def close(self) -> None:
        """End the decoding process."""
        close_processes()


def _batch(
    video: int, number: int, frames: Sequence[PassedFrame], end: VideoEnd | None, seconds: float, bytes_read: int
) -> PictureBatch:
    return PictureBatch(
        video=video,
        number=number,
        frames=[frame.index for frame in frames],
        seconds=[frame.seconds for frame in frames],
        damage=[frame.damage if frame.picture is None else None for frame in frames],
        pictures=[frame.picture for frame in frames if frame.picture is not None],
        size=next((frame.size for frame in frames if frame.picture is not None), (0, 0)),
        end=end,
        decode_seconds=seconds,
        bytes_read=bytes_read,
    )


class _Counting(NamedTuple):
    """The boxes of a picture that count, in the order given: float32 [n, 4], float32 [n], uint8 [n, NUMBERS]."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    colours: NDArray[np.uint8]


_NOTHING = _Counting(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, NUMBERS), np.uint8))


class FindPeople:
    """A batch of pictures in, the people in them out. Never raises for what one picture does to the detector."""

    def __init__(self, settings: TrackSettings, device: RealDevice, threads: int) -> None:
        self._detector = settings.load(device, threads)
        self._min_score = settings.min_score

    def __call__(self, batch: PictureBatch) -> FoundBatch:
        started = time.perf_counter()
        end = batch.end
        found: list[_Counting] = []
        left_out = 0
        if batch.pictures:
            try:
                detections = self._detect(batch)
            except ParError:
                raise
            except Exception as error:  # noqa: BLE001  # what a network does with a picture costs this video alone
                message = f"the detector failed at frame {batch.frames[0]} or soon after: {typed_line(error)}"
                end = VideoEnd(0, None, FailureCode.MODEL_ERROR, message)
            else:
                found = [
                    self._counting(one, picture, batch.size)
                    for one, picture in zip(detections, batch.pictures, strict=True)
                ]
                left_out = sum(d.left_out for d in detections)
        each = iter(found)
        per_frame = [next(each, _NOTHING) if damage is None else _NOTHING for damage in batch.damage]
        boxes, scores, colours = (np.concatenate(side) for side in zip(_NOTHING, *per_frame, strict=True))
        return FoundBatch(
            video=batch.video,
            number=batch.number,
            frames=batch.frames,
            seconds=batch.seconds,
            damage=batch.damage,
            counts=[len(one.scores) for one in per_frame],
            boxes=boxes,
            scores=scores,
            colours=colours,
            size=batch.size,
            left_out=left_out,
            end=end,
            decode_seconds=batch.decode_seconds,
            detect_seconds=time.perf_counter() - started,
            bytes_read=batch.bytes_read,
        )

    def _detect(self, batch: PictureBatch) -> list[Detections]:
        some = self._detector.batch_size
        parts = (batch.pictures[at : at + some] for at in range(0, len(batch.pictures), some))
        return [one for part in parts for one in self._detector.detect(part, batch.size)]

    def _counting(self, found: Detections, picture: NDArray[np.uint8], size: tuple[int, int]) -> _Counting:
        counts = found.scores >= self._min_score
        boxes = found.boxes[counts]
        return _Counting(boxes, found.scores[counts], colours_in(picture, boxes, size))
