"""Pictures of a video as they pass: which are wanted, and what comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pass:
    """Which pictures of a video are wanted: of frames 0, every, 2 every, ... all but the first ``skip``."""

    uri: str
    every: int = 1
    skip: int = 0
    stream: int = 0

    @property
    def first(self) -> int:
        """The first frame that is wanted."""
        return self.skip * self.every


@dataclass(frozen=True, eq=False)
class PassedFrame:
    """A frame that is wanted.

    seconds: when it is shown, counted from frame 0; None where the container does not say. picture: as displayed, RGB
    uint8 [H, W, 3], valid until the next frame is asked for; None where ``damage`` says why it cannot be trusted.
    took: seconds of reading and decoding since the one before. size: width and height of the displayed picture, which
    ``picture`` may be a smaller copy of; (0, 0) without one.
    """

    index: int
    seconds: float | None
    picture: NDArray[np.uint8] | None
    damage: str | None = None
    took: float = 0.0
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class PassEnd:
    """What is known once a video has ended. frames: how many it has. damage: the first that was met. took: as above."""

    frames: int
    damage: str | None
    took: float = 0.0
