"""What the process that reads and the child process that decodes for it say to each other, pickled over a socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from par_model.sampling import Sampling
from par_model.types import Failure, Preprocess, Tracklet
from par_model.video.collect import Decoded
from par_model.video.counters import Counters
from par_model.video.options import MOST_SECONDS, TIMED_FRAMES, DecodeOptions
from par_model.video.passed import Pass, PassedFrame, PassEnd

SHARED_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class DecodeTask:
    """The tracklets of one video, or stills, and how to read them."""

    is_timed_by_answer: ClassVar[bool] = False

    tracklets: Sequence[Tracklet]
    preprocess: Preprocess | None
    sampling: Sampling
    options: DecodeOptions

    @property
    def deadline(self) -> float:
        """Seconds that it may take."""
        last = max((int(t.frame_indices[-1]) for t in self.tracklets if t.frame_indices is not None), default=0)
        return _deadline(self.options, last)


@dataclass(frozen=True)
class PassTask:
    """Pictures of a video as they pass. How long it is, nobody knows yet: so the time is that of each picture."""

    wanted: Pass
    options: DecodeOptions

    is_timed_by_answer: ClassVar[bool] = True

    @property
    def deadline(self) -> float:
        """Seconds that the next picture may take; before the first, frames that are not wanted may have to pass."""
        return _deadline(self.options, self.wanted.first)


def _deadline(options: DecodeOptions, frames: int) -> float:
    return min(MOST_SECONDS, options.video_timeout * max(1.0, frames / TIMED_FRAMES))


@dataclass(frozen=True, eq=False)
class PixelsAt:
    """Where an array uint8 of ``shape`` lies in the shared memory; ``data`` instead, if it was too large for that."""

    shape: tuple[int, ...]
    offset: int = 0
    data: bytes | None = None


@dataclass(frozen=True, eq=False)
class CropsAt:
    """A Crops (one array) or RawCrops (an array for each image) without its pixels."""

    row: int
    tracklet_id: str
    num_frames: int
    sampled_frames: NDArray[np.int32]
    pixels: tuple[PixelsAt, ...]
    raw: bool


@dataclass(frozen=True, eq=False)
class PassedAt:
    """A PassedFrame without its picture, which lies at ``pixels``."""

    index: int
    seconds: float | None
    pixels: PixelsAt | None
    damage: str | None
    took: float


# What a task gives, and how the child tells of it.
Result = Decoded | PassedFrame | PassEnd
Told = CropsAt | Failure | PassedAt | PassEnd


@dataclass(frozen=True)
class Answer:
    """What the child says: one result, or the end of the task with ``error`` if it could not go on."""

    result: Told | None
    counters: Counters
    error: str | None = None
