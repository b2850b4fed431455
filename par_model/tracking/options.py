"""What a run of ``track`` was asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from par_model.errors import UsageError
from par_model.options import check_options, option, required
from par_model.video.options import DecodeOptions

TrackerName = Literal["bytetrack", "ocsort", "botsort", "sort"]
Overlap = Literal["hmiou", "iou"]
Appearance = Literal["colours", "none"]

# OC-SORT has one threshold for both, and its authors' is lower.
_START_SCORE = {"ocsort": 0.6}
_HIGH_SCORE = 0.6


@dataclass(frozen=True)
class FollowOptions:
    """How boxes become tracks. Raises UsageError."""

    tracker: TrackerName = option(
        "botsort",
        "What follows people from picture to picture. botsort is without its step that makes up for a moving camera.",
    )
    overlap: Overlap = option(
        "hmiou",
        "How much a box has of where a track is expected: iou is the area that they share, over that of both; hmiou is "
        "that times the same of their heights, which tells people who pass each other apart.",
    )
    appearance: Appearance = option(
        "colours",
        "What else a box must be alike in to go on with a track: colours compares those of what people wear above and "
        "below, so that names are not exchanged, and ends a track that turns back as somebody else; with none looks do "
        "not count.",
    )
    start_score: float | None = option(
        None,
        "A track begins with a box of at least this score.",
        metavar="SCORE",
        otherwise="0.7, with ocsort 0.6",
        at_least=0,
        at_most=1,
    )
    keep_lost: float = option(
        1.0,
        "For so long a track may be out of sight, and go on when its person is seen again.",
        metavar="SECONDS",
        at_least=0,
        at_most=3600,
    )
    fill_gaps: float = option(
        0.0,
        "Where a track has a box again after at most so long, it gets boxes in between, on the straight way; with 0 "
        "gaps stay gaps.",
        metavar="SECONDS",
        at_least=0,
        at_most=3600,
    )
    frame_rate: float | None = option(
        None,
        "Frames of the videos in a second: by it --keep-lost, --fill-gaps and the speed of people are counted in those "
        "that are looked at.",
        metavar="FPS",
        otherwise="as their times say, else 25",
        above=0,
        at_most=10_000,
    )
    min_length: int = option(1, "Leave out tracks that have fewer boxes.", metavar="N", at_least=1)

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def real_start_score(self) -> float:
        """The score that a track begins with."""
        return _START_SCORE.get(self.tracker, 0.7) if self.start_score is None else self.start_score

    @property
    def high_score(self) -> float:
        """Boxes of at least this score are matched first; tracks begin with none but those."""
        return min(_HIGH_SCORE, self.real_start_score)


@dataclass(frozen=True)
class JoinOptions:
    """Whether fragments of one person are joined, and when. Raises UsageError."""

    join: str | None = option(
        None,
        "Join tracks of a video that look like one person who was hidden for a while, by the image embedding of this "
        "weights file, or of 'demo'.",
        metavar="URI",
    )
    join_similarity: float = option(
        0.9, "With --join, how alike two embeddings must be, by their cosine.", metavar="COSINE", at_least=-1, at_most=1
    )
    join_gap: float = option(
        10.0, "With --join, for how long somebody may be hidden.", metavar="SECONDS", above=0, at_most=3600
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """Everything but where it runs; None means "choose". Raises UsageError."""

    videos: tuple[str, ...] = option(
        (), "A video, a folder of videos, or a quoted pattern (may be given several times).", metavar="URI"
    )
    detector: str = option(
        required,
        "What finds people: a folder or a Hugging Face name of an object detector of transformers, an OpenVINO "
        "(.xml) or ONNX (.onnx) file, or 'demo' for the rendered street.",
        metavar="NAME",
    )
    output: str = option(
        required,
        "The manifest: a .parquet file, or a folder, in which it is tracklets.parquet. Beside it lies _videos.parquet.",
        metavar="URI",
    )
    every: int = option(1, "Look at every Nth frame of a video only.", metavar="N", at_least=1, at_most=2**20)
    person_class: str | None = option(
        None,
        "The detector's class that is people, by its name or number.",
        metavar="CLASS",
        otherwise="as its own labels say",
    )
    detector_input: Literal["bgr255", "rgb255", "rgb01", "imagenet"] | None = option(
        None,
        "How a network file wants its pictures: colours in which order, and in which range.",
        otherwise="as the file says",
    )
    min_score: float = option(0.1, "Boxes of a lower score do not count.", metavar="SCORE", at_least=0, at_most=1)
    camera: str | None = option(None, "The camera_id that all tracklets get.", metavar="NAME")
    id_prefix: str | None = option(
        None,
        "Prefix of tracklet ids, which are PREFIX-TRACK.",
        metavar="PREFIX",
        otherwise="of one video its camera, else its stem; of several the name that tells it from the others",
    )
    max_failure_rate: float = option(
        0.05, "Exit with 3 when a larger share of the videos failed.", metavar="SHARE", at_least=0, at_most=1
    )
    start_time: str | None = option(
        None,
        "Time at which the video's first frame was taken: ISO 8601, in UTC unless a zone is named.",
        metavar="TIME",
    )
    name_pattern: str | None = option(
        None,
        "Take camera and start time from the videos' file names, as in '{camera}_{time:%Y%m%d-%H%M%S}.mp4'; {} is "
        "anything.",
        metavar="PATTERN",
    )
    follow: FollowOptions = field(default_factory=FollowOptions)
    join: JoinOptions = field(default_factory=JoinOptions)
    decode: DecodeOptions = field(default_factory=DecodeOptions)

    def __post_init__(self) -> None:
        check_options(self)
        if not self.videos:
            raise UsageError("--videos: give at least one video, a folder of them, or a pattern")
        needed = {"--videos": self.videos, "--output": (self.output,), "--detector": (self.detector,)}
        for name, places in needed.items():
            if not all(place.strip() for place in places):
                raise UsageError(f"{name} is empty: give a name")
        others = {
            "--camera": self.camera,
            "--id-prefix": self.id_prefix,
            "--person-class": self.person_class,
            "--join": self.join.join,
        }
        for name, value in others.items():
            if value is not None and not value.strip():
                raise UsageError(f"{name} is empty: give a name, or leave the option out")
        if self.decode.decoder != "pyav":
            raise UsageError(f"--decoder {self.decode.decoder}: track reads with pyav alone, which is exact everywhere")

    @property
    def start(self) -> datetime | None:
        """The start time. Raises UsageError where it is none."""
        try:
            return None if self.start_time is None else datetime.fromisoformat(self.start_time)
        except ValueError as error:
            raise UsageError(
                f"--start-time is {self.start_time!r}: must be an ISO 8601 time such as 2026-05-01T08:30:00Z"
            ) from error

    def results(self) -> dict[str, Any]:
        """The options that change results, but for the videos and the detector."""
        return {
            "every": self.every,
            "min_score": self.min_score,
            "camera": self.camera,
            "id_prefix": self.id_prefix,
            "start_time": self.start_time,
            "name_pattern": self.name_pattern,
            **asdict(self.follow),
            **(asdict(self.join) if self.join.join is not None else {"join": None}),
            **{name: value for name, value in self.decode.results().items() if name != "decoder"},
        }
