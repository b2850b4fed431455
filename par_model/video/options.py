"""How frames are read: what the decode stage and the child process that decodes for it agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Decoder = Literal["pyav", "decord"]
DECODERS: tuple[Decoder, ...] = get_args(Decoder)
Damaged = Literal["fail", "use"]
DAMAGED: tuple[Damaged, ...] = get_args(Damaged)

TIMED_FRAMES = 50_000
MOST_SECONDS = 7 * 86_400


@dataclass(frozen=True)
class DecodeOptions:
    """How to read videos and images.

    decoder: pyav is exact on every file; decord only where it passes every test, else decoder-refused.
    damaged: what to do with a sampled frame or still that is damaged or missing. ``fail`` fails its tracklet; ``use``
        takes damaged pixels as they are, and for what is missing the nearest earlier sampled frame, else the nearest
        later one. A tracklet without a single readable frame fails either way.
    video_timeout: seconds that the reading of one video may take, in one call; as many for every TIMED_FRAMES frames
        up to the last wanted one, so that a day's recording has the time that it needs.
    isolate: decode in a child process. Without, a video that crashes or hangs its decoder takes this process along.
    memory_bytes: most memory that the child process may take for a video.
    crop_bytes: most bytes of unfinished crops held at a time. More tracklets at once are read in several passes. One
        tracklet alone may need more.
    """

    decoder: Decoder = "pyav"
    damaged: Damaged = "fail"
    video_timeout: float = 900.0
    isolate: bool = True
    memory_bytes: int = 4 << 30
    crop_bytes: int = 512 << 20

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f"decoder {self.decoder!r} is not one of {', '.join(DECODERS)}")
        if self.damaged not in DAMAGED:
            raise ValueError(f"damaged {self.damaged!r} is not one of {', '.join(DAMAGED)}")
        if not 0 < self.video_timeout <= MOST_SECONDS:
            raise ValueError(f"video_timeout {self.video_timeout:g} s: must be above 0 and at most {MOST_SECONDS}")
        for name in ("memory_bytes", "crop_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be at least 1")
