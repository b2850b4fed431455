"""``parjob manifest from-mot``, and the options that all importers of tracks have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from par_model.cli.command import Command, option
from par_model.cli.fields import options_of
from par_model.cli.options import output_manifest, together
from par_model.manifest.importers.options import BoxOptions, FitOptions, MotOptions, VideoOptions
from par_model.options import taken
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.manifest.importers.tracks import Tracks

# Options of all importers of tracks of a video: gather them with ``asked_of_video``.
video_options = together(
    options_of(VideoOptions),
    options_of(FitOptions, "video_stream"),
    options_of(BoxOptions, "skip_bad_boxes"),
    options_of(FitOptions, "relative"),
    options_of(BoxOptions, "corners"),
    options_of(FitOptions, "tracks_size", "numbering", "image_rate"),
)


def asked_of_video(asked: dict[str, Any], boxes: BoxOptions, *, every_frame: bool = False) -> VideoOptions:
    """What ``video_options`` gave. boxes: how they stand in the file. every_frame: as ``FitOptions`` has it."""
    fit = taken(FitOptions, asked, were_corners=boxes.corners, every_frame=every_frame)
    if fit.relative and fit.tracks_size is not None:
        raise click.UsageError("--relative needs no --tracks-size: shares are of any size")
    return taken(VideoOptions, asked, fit=fit)


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
@options_of(MotOptions, "people", "first_frame", "frame_step")
@video_options
def from_mot(video: str | None, videos: str | None, tracks: str, output: str, **asked: Any) -> None:
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
    from par_model.manifest.importers.formats.mot import read_tracks

    if video is None and videos is None:
        variable = f"{click.get_current_context().auto_envvar_prefix}_VIDEO"
        raise click.UsageError(
            f"missing option --video: give --video or set {variable}; --videos names a folder of them"
        )
    if video is not None and videos is not None:
        raise click.UsageError("--video and --videos exclude each other")
    mot = taken(MotOptions, asked)
    of_video = asked_of_video(asked, mot, every_frame=mot.frame_step is not None)
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
