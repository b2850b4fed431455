"""How frames are read: what the decode stage and the child process that decodes for it agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from par_model.errors import UsageError
from par_model.options import check_options, option

if TYPE_CHECKING:
    from par_model.types import Tracklet

Decoder = Literal["pyav", "decord"]
Damaged = Literal["fail", "use"]
Matrix = Literal["bt601", "bt709"]

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

    decoder: Decoder = option(
        "pyav",
        "Library that decodes. pyav is exact on every file. decord is used only for files where it can be checked, "
        "and tracklets of other files fail as decoder-refused.",
    )
    damaged: Damaged = option(
        "fail", "What becomes of a tracklet that needs a damaged frame: it fails, or it uses what was decoded."
    )
    video_timeout: float = option(
        900.0,
        "Longest time that one video may take in one work unit.",
        metavar="SECONDS",
        above=0,
        at_most=MOST_SECONDS,
    )
    video_stream: int = option(
        0,
        "Which of a file's moving video tracks is read, counted from 0, where the manifest's column video_stream does "
        "not say.",
        metavar="N",
        at_least=0,
    )
    unflagged_matrix: Matrix = option(
        "bt601",
        "How colours are read if a video does not say how. bt601 is how detectors see them; bt709 is right for most "
        "HD footage.",
    )
    isolate: bool = True
    memory_bytes: int = 4 << 30
    crop_bytes: int = 512 << 20

    def __post_init__(self) -> None:
        check_options(self)
        if self.decoder == "decord" and self.unflagged_matrix != "bt601":
            raise UsageError("--unflagged-matrix bt709 needs --decoder pyav: decord reads unflagged colours as bt601")
        for name in ("memory_bytes", "crop_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be at least 1")

    def check_sampling(self, policy: str) -> None:
        """Raises UsageError where the decoder cannot sample so."""
        if policy == "cheap" and self.decoder != "pyav":
            raise UsageError(f"--sampling cheap needs --decoder pyav: {self.decoder} decodes all from a key frame on")

    def stream_of(self, tracklet: Tracklet) -> int:
        """Which of its file's moving video tracks a tracklet is of."""
        return self.video_stream if tracklet.video_stream is None else tracklet.video_stream

    def results(self) -> dict[str, Any]:
        """The options that change results."""
        names = ("decoder", "damaged", "video_stream", "unflagged_matrix")
        return {name: getattr(self, name) for name in names}


# What runs of before these options recorded nothing of, and did.
BEFORE_RECORDED: dict[str, Any] = {"video_stream": 0, "unflagged_matrix": "bt601"}
