"""How frames are read: what the decode stage and the child process that decodes for it agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from par_model.types import Tracklet

Decoder = Literal["pyav", "decord"]
DECODERS: tuple[Decoder, ...] = get_args(Decoder)
Damaged = Literal["fail", "use"]
DAMAGED: tuple[Damaged, ...] = get_args(Damaged)
Matrix = Literal["bt601", "bt709"]
MATRICES: tuple[Matrix, ...] = get_args(Matrix)

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
    video_stream: which of a file's moving video tracks is read, counted from 0, where the tracklet does not say.
    unflagged_matrix: how pictures become RGB whose stream does not say by which matrix they were made. Detectors and
        trackers take bt601, whatever the size; bt709 is right for most HD footage.
    """

    decoder: Decoder = "pyav"
    damaged: Damaged = "fail"
    video_timeout: float = 900.0
    isolate: bool = True
    memory_bytes: int = 4 << 30
    crop_bytes: int = 512 << 20
    video_stream: int = 0
    unflagged_matrix: Matrix = "bt601"

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f"decoder {self.decoder!r} is not one of {', '.join(DECODERS)}")
        if self.damaged not in DAMAGED:
            raise ValueError(f"damaged {self.damaged!r} is not one of {', '.join(DAMAGED)}")
        if self.unflagged_matrix not in MATRICES:
            raise ValueError(f"unflagged_matrix {self.unflagged_matrix!r} is not one of {', '.join(MATRICES)}")
        if self.decoder == "decord" and self.unflagged_matrix != "bt601":
            raise ValueError("--unflagged-matrix bt709 needs --decoder pyav: decord reads unflagged colours as bt601")
        if self.video_stream < 0:
            raise ValueError(f"video_stream {self.video_stream}: a file's video tracks count from 0")
        if not 0 < self.video_timeout <= MOST_SECONDS:
            raise ValueError(f"video_timeout {self.video_timeout:g} s: must be above 0 and at most {MOST_SECONDS}")
        for name in ("memory_bytes", "crop_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be at least 1")

    def stream_of(self, tracklet: Tracklet) -> int:
        """Which of its file's moving video tracks a tracklet is of."""
        return self.video_stream if tracklet.video_stream is None else tracklet.video_stream

    def results(self) -> dict[str, Any]:
        """The options that change results."""
        names = ("decoder", "damaged", "video_stream", "unflagged_matrix")
        return {name: getattr(self, name) for name in names}


# What runs of before these options recorded nothing of, and did.
BEFORE_RECORDED: dict[str, Any] = {"video_stream": 0, "unflagged_matrix": "bt601"}
