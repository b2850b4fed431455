"""What the process that reads and the child process that decodes for it say to each other, pickled over a socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from par_model.sampling import Sampling
from par_model.types import Failure, Preprocess, Tracklet
from par_model.video.counters import Counters
from par_model.video.options import MOST_SECONDS, TIMED_FRAMES, DecodeOptions

SHARED_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class DecodeTask:
    """The tracklets of one video, or stills, and how to read them."""

    tracklets: Sequence[Tracklet]
    preprocess: Preprocess | None
    sampling: Sampling
    options: DecodeOptions

    @property
    def deadline(self) -> float:
        """Seconds that it may take."""
        last = max((int(t.frame_indices[-1]) for t in self.tracklets if t.frame_indices is not None), default=0)
        return min(MOST_SECONDS, self.options.video_timeout * max(1.0, last / TIMED_FRAMES))


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


@dataclass(frozen=True)
class Answer:
    """What the child says: one result, or the end of the task with ``error`` if it could not go on."""

    result: CropsAt | Failure | None
    counters: Counters
    error: str | None = None
