"""``parjob manifest from-mot``, and the options that all importers of tracks have."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from par_model.cli.command import Command, option
from par_model.cli.options import output_manifest, together
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.manifest.importers.tracks import Tracks
    from par_model.manifest.importers.videos import VideoOptions


def _iso_time(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an ISO 8601 time such as 2026-05-01T08:30:00Z") from error


def _classes(_context: click.Context, _option: click.Parameter, value: str | None) -> frozenset[int] | None:
    if value is None:
        return None
    try:
        return frozenset(int(number) for number in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 0 or 1,2") from error


def _size(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})[xX]([1-9]\d{0,5})", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not a width and height such as 1920x1080")
    return int(match[1]), int(match[2])


def video_options(function: Any) -> Any:
    """Options of all importers of tracks of a video: gather them with ``asked_of_video``."""
    return together(
        option("--camera", metavar="NAME", help="The camera_id that all tracklets get."),
        option(
            "--id-prefix",
            metavar="PREFIX",
            help="Prefix of tracklet ids, which are PREFIX-TRACK.  [default: the camera, else the video file's stem]",
        ),
        option("--min-length", type=click.IntRange(min=1), default=1, help="Leave out tracks that have fewer boxes."),
        option(
            "--start-time",
            metavar="TIME",
            callback=_iso_time,
            help="Time at which the video's first frame was taken: ISO 8601, in UTC unless a zone is named.",
        ),
        option(
            "--name-pattern",
            metavar="PATTERN",
            help="Take camera and start time from the video's file name, as in '{camera}_{time:%Y%m%d-%H%M%S}.mp4'; {} "
            "is anything.",
        ),
        option(
            "--video-stream",
            type=click.IntRange(min=0),
            metavar="N",
            help="Which of the file's moving video tracks the boxes are of, counted from 0.  [default: the first]",
        ),
        option(
            "--skip-bad-boxes",
            is_flag=True,
            help="Leave out boxes without a width and height, or with a number that is not finite, instead of "
            "refusing them.",
        ),
        option("--relative", is_flag=True, help="Boxes are in shares of the picture, not in pixels."),
        option("--corners", is_flag=True, help="Boxes are left, top, right, bottom, not left, top, width, height."),
        option(
            "--tracks-size",
            metavar="WxH",
            callback=_size,
            help="Size of the pictures that the tracks were made on, where it is not the video's. Boxes are scaled.",
        ),
        option(
            "--numbering",
            type=click.Choice(["frames", "constant-rate"]),
            default="frames",
            help="What frame numbers count: the video's frames, or images that were extracted from it at a constant "
            "rate, as ffmpeg does.",
        ),
    )(function)


def asked_of_video(asked: dict[str, Any], *, every_frame: bool = False) -> VideoOptions:
    """What ``video_options`` gave, for the video; corners and skip_bad_boxes are for those who read the boxes, too.

    every_frame: as ``FitOptions`` has it.
    """
    from par_model.manifest.importers.fit import FitOptions
    from par_model.manifest.importers.name_pattern import NamePattern
    from par_model.manifest.importers.videos import VideoOptions

    if asked["relative"] and asked["tracks_size"] is not None:
        raise click.UsageError("--relative needs no --tracks-size: shares are of any size")
    fit = FitOptions(
        relative=asked["relative"],
        were_corners=asked["corners"],
        tracks_size=asked["tracks_size"],
        numbering=asked["numbering"],
        every_frame=every_frame,
        video_stream=asked["video_stream"],
    )
    pattern = asked["name_pattern"]
    names = ("camera", "id_prefix", "start_time", "min_length")
    return VideoOptions(
        **{name: asked[name] for name in names},
        name_pattern=NamePattern(pattern) if pattern is not None else None,
        fit=fit,
    )


@click.command("from-mot", cls=Command)
@option("--video", metavar="URI", help="Video that the tracks belong to: a path or URI.")
@option(
    "--videos",
    metavar="DIR",
    help="Folder of videos, instead of --video; --tracks is then a folder of their tracks.",
)
@option(
    "--tracks",
    required=True,
    metavar="PATH",
    help="The tracks, as MOTChallenge text: 6 to 10 columns, or DeepStream's 16, between commas or blanks. With "
    "--videos, a folder of such files.",
)
@output_manifest
@option(
    "--people",
    metavar="N[,N...]",
    callback=_classes,
    help="Numbers of the classes that are people, where the file has several.",
)
@option(
    "--first-frame",
    type=click.IntRange(0, 1),
    help="Number that the tracks give to the video's first frame.  [default: 1]",
)
@option(
    "--frame-step",
    type=click.IntRange(1, 2**31 - 1),
    help="How many frames of the video lie from one number to the next, where only every Nth was numbered.  [default: "
    "1]",
)
@video_options
def from_mot(
    video: str | None,
    videos: str | None,
    tracks: str,
    output: str,
    people: frozenset[int] | None,
    first_frame: int | None,
    frame_step: int | None,
    **asked: Any,
) -> None:
    """Make a manifest from tracks in MOTChallenge text, and check that they agree with the video.

    The content of the columns tells what they mean: nine with a class and a visibility are ground truth, of which rows
    with confidence 0 or a class other than 1 are left out. What the content does not tell is refused, with the option
    that says it. The last line says what was left out and why. docs/tracks.md says how to read each tool's files.

    With --videos DIR and --tracks DIR, files of the same stem belong together, and their ids begin with it. Files
    without a partner are printed, each on a line: no-tracks or no-video, and the file.

    \b
    Example:
      parjob manifest from-mot --video cam1.mp4 --tracks cam1.txt --camera 1 --output cam1.parquet
    """
    from par_model.manifest.importers.gather import Numbering
    from par_model.manifest.importers.mot import MotOptions, read_tracks

    if video is None and videos is None:
        variable = f"{click.get_current_context().auto_envvar_prefix}_VIDEO"
        raise click.UsageError(
            f"missing option --video: give --video or set {variable}; --videos names a folder of them"
        )
    if video is not None and videos is not None:
        raise click.UsageError("--video and --videos exclude each other")
    mot = MotOptions(
        people,
        Numbering(1 if first_frame is None else first_frame, frame_step or 1),
        corners=asked["corners"],
        skip_bad_boxes=asked["skip_bad_boxes"],
    )
    of_video = asked_of_video(asked, every_frame=frame_step is not None)
    if video is not None:
        write_tracks(video, tracks, output, of_video, lambda uri: read_tracks(uri, mot))
    else:
        write_many(str(videos), tracks, output, of_video, lambda uri: read_tracks(uri, mot))


def write_tracks(video: str, tracks: str, output: str, options: VideoOptions, read: Callable[[str], Tracks]) -> None:
    """Write the manifest of one video, and say what it holds. read: gives the tracks of a file."""
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.videos import import_video
    from par_model.video.bytes.source import open_video

    open_video(video).close()  # better said before anything else
    imported = import_video(video, read(tracks), options, origin=tracks)
    write_manifest(output, imported.rows)
    click.echo(f"{output}: {imported.tracks.closing_words()}", err=True)


def write_many(videos: str, tracks: str, output: str, options: VideoOptions, read: Callable[[str], Tracks]) -> None:
    """Write one manifest of a folder's videos, or none if one of them is refused, each of which is said."""
    from dataclasses import replace

    from par_model.errors import ManifestError, ParError
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.tracks import closing_words_of
    from par_model.manifest.importers.videos import import_video, pair_files

    found = pair_files(videos, tracks)
    for code, names in (("no-tracks", found.no_tracks), ("no-video", found.no_video)):
        for name in names:
            click.echo(f"{code}\t{name}")
    imported = []
    refused = 0
    for pair in found.pairs:
        prefix = pair.key if options.id_prefix is None else f"{options.id_prefix}-{pair.key}"
        try:
            of_pair = import_video(
                pair.video, read(pair.tracks), replace(options, id_prefix=prefix), origin=pair.tracks
            )
        except ParError as error:
            refused += 1
            click.echo(f"refused: {error}", err=True)
            continue
        imported.append(of_pair)
        if of_pair.tracks.left_out or of_pair.tracks.merged:
            click.echo(f"{pair.tracks}: {of_pair.tracks.closing_words()}", err=True)
    if refused:
        raise ManifestError(f"{counted(refused, 'video')} of {len(found.pairs)} refused, see above; nothing is written")
    write_manifest(output, [row for of_pair in imported for row in of_pair.rows])
    alone = len(found.no_tracks) + len(found.no_video)
    without = f", {counted(alone, 'file')} without a partner" if alone else ""
    words = closing_words_of([of_pair.tracks for of_pair in imported])
    click.echo(f"{output}: {counted(len(imported), 'video')}{without}, {words}", err=True)
