"""What importers can be asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Literal

from par_model.errors import UsageError
from par_model.manifest.importers.name_pattern import NamePattern
from par_model.options import check_options, option

NumberingKind = Literal["frames", "constant-rate", "fps-filter"]
Preset = Literal["supervision", "ultralytics", "kitti", "deepstream-kitti", "motsynth", "coco-video", "label-studio"]
_MOST_STEP = 2**31 - 1
_MOST_IMAGES = 1000  # a second


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an ISO 8601 time such as 2026-05-01T08:30:00Z") from error


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,5})[xX]([1-9]\d{0,5})", text)
    if match is None:
        raise ValueError(f"{text!r} is not a width and height such as 1920x1080")
    return int(match[1]), int(match[2])


def _rate(text: str) -> Fraction:
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?|\d{1,9}/0*[1-9]\d{0,8}", text, re.ASCII) is None:
        raise ValueError(f"{text!r} is not a rate such as 5, 0.5 or 30000/1001")
    rate = Fraction(text)
    if not 0 < rate <= _MOST_IMAGES:
        raise ValueError(f"{text} images a second are none or more than {_MOST_IMAGES}")
    return rate


def _numbers(text: str) -> frozenset[int]:
    try:
        return frozenset(int(number) for number in text.split(","))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a list of numbers such as 0 or 1,2") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@dataclass(frozen=True)
class FitOptions:
    """How the tool that wrote the tracks measured and counted.

    relative: sides are shares of the picture. were_corners: boxes were corners in the file, and are no more.
    tracks_size: width and height of the pictures that the tracks were made on, where these are not the video's.
    every_frame: that an export, as ``Tracks.is_export`` means it, is of frames as they are numbered.
    numbering: ``constant-rate`` where the tool numbered images that were extracted at a constant rate, which repeats
    and drops frames of a video that has none; ``fps-filter`` where FFmpeg's filter chose them. image_rate: that rate in
    images a second, None: the video's. video_numbers: frames are numbered as the video has them, which no option
    changes. video_stream: which of the file's moving video tracks; None = the first.
    """

    relative: bool = option(False, "Boxes are in shares of the picture, not in pixels.")
    were_corners: bool = False
    tracks_size: tuple[int, int] | None = option(
        None,
        "Size of the pictures that the tracks were made on, where it is not the video's. Boxes are scaled.",
        metavar="WxH",
        parse=_size,
    )
    numbering: NumberingKind = option(
        "frames",
        "What frame numbers count: the video's frames, or images that were extracted from it at a constant rate, as "
        "ffmpeg does by itself and with -r, or by its filter fps (-vf fps=RATE).",
    )
    image_rate: Fraction | None = option(
        None,
        "How many images a second were extracted, such as 5 or 30000/1001, as --numbering says.",
        metavar="RATE",
        otherwise="the video's own rate",
        parse=_rate,
    )
    every_frame: bool = False
    video_numbers: bool = False
    video_stream: int | None = option(
        None,
        "Which of the file's moving video tracks the boxes are of, counted from 0.",
        metavar="N",
        otherwise="the first",
        at_least=0,
        show_bounds=True,
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.numbering == "frames" and self.image_rate is not None:
            raise UsageError("--image-rate needs --numbering constant-rate (ffmpeg -r) or fps-filter (ffmpeg -vf fps=)")
        if self.numbering == "fps-filter" and self.image_rate is None:
            raise UsageError("--numbering fps-filter needs --image-rate, the number in ffmpeg's fps=")


@dataclass(frozen=True)
class VideoOptions:
    """What is known of a video besides its tracks.

    camera, start_time (of frame 0): what ``name_pattern`` finds in the file's name stands in for them.
    id_prefix: else the camera, else the file's stem. min_length: the boxes that a track must have. Raises UsageError
    for names without a letter.
    """

    camera: str | None = option(None, "The camera_id that all tracklets get.", metavar="NAME")
    id_prefix: str | None = option(
        None,
        "Prefix of tracklet ids, which are PREFIX-TRACK.",
        metavar="PREFIX",
        otherwise="the camera, else the video file's stem",
    )
    min_length: int = option(1, "Leave out tracks that have fewer boxes.", at_least=1, show_bounds=True)
    start_time: datetime | None = option(
        None,
        "Time at which the video's first frame was taken: ISO 8601, in UTC unless a zone is named.",
        metavar="TIME",
        parse=_time,
    )
    name_pattern: NamePattern | None = option(
        None,
        "Take camera and start time from the video's file name, as in '{camera}_{time:%Y%m%d-%H%M%S}.mp4'; {} is "
        "anything.",
        metavar="PATTERN",
        parse=NamePattern,
    )
    fit: FitOptions = field(default_factory=FitOptions)

    def __post_init__(self) -> None:
        check_options(self)
        for name, value in (("--camera", self.camera), ("--id-prefix", self.id_prefix)):
            if value is not None and not value.strip():
                raise UsageError(f"{name} is empty: give a name, or leave the option out")


@dataclass(frozen=True, kw_only=True)
class BoxOptions:
    """How boxes stand in a file.

    corners: they are left, top, right, bottom, where the file does not say so. skip_bad_boxes: as ``gather`` takes it.
    """

    skip_bad_boxes: bool = option(
        False,
        "Leave out boxes without a width and height, or with a number that is not finite, instead of refusing them.",
    )
    corners: bool = option(False, "Boxes are left, top, right, bottom, not left, top, width, height.")

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class MotOptions(BoxOptions):
    """What a file of MOTChallenge text itself may not tell.

    people: the classes that are people. first_frame, frame_step: of its numbers, None = 1.
    """

    people: frozenset[int] | None = option(
        None,
        "Numbers of the classes that are people, where the file has several.",
        metavar="N[,N...]",
        parse=_numbers,
    )
    first_frame: int | None = option(
        None,
        "Number that the tracks give to the video's first frame.",
        otherwise="1",
        at_least=0,
        at_most=1,
        show_bounds=True,
    )
    frame_step: int | None = option(
        None,
        "How many frames of the video lie from one number to the next, where only every Nth was numbered. Images that "
        "ffmpeg extracted at a lower rate are not every Nth frame: see --numbering.",
        otherwise="1",
        at_least=1,
        at_most=_MOST_STEP,
        show_bounds=True,
    )


@dataclass(frozen=True, kw_only=True)
class SheetOptions(BoxOptions):
    """What a sheet, or another tool's file, does not say.

    people: classes that are people. sequence: which of several videos. first_frame: number of the video's first frame,
    0 in sheets. frame_step: frames of the video from one number to the next. labelled: that labels are looked for in
    the tool's own files, such as further columns of a sheet. corners: a sheet's boxes that are called left, top, width,
    height are left, top, right, bottom.
    """

    people: tuple[str, ...] = option(
        (), "Names or numbers of the classes that are people.", metavar="NAME[,NAME...]", parse=_names
    )
    sequence: str | None = option(
        None,
        "Which video of a COCO file, or which task of Label Studio, the tracks are taken from.",
        metavar="NAME",
    )
    first_frame: int | None = option(
        None,
        "Number that the tracks give to the video's first frame.",
        otherwise="0; 1 for Label Studio",
        at_least=0,
        at_most=1,
        show_bounds=True,
    )
    frame_step: int = option(
        1,
        "How many frames of the video lie from one number to the next, where only every Nth was numbered (vid_stride). "
        "Images that ffmpeg extracted at a lower rate are not every Nth frame: see --numbering.",
        at_least=1,
        at_most=_MOST_STEP,
        show_bounds=True,
    )
    labelled: bool = False
