"""``parjob manifest from-mot``, and what all importers of tracks have: their options, one video or many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from par_model.cli.command import Command, option
from par_model.cli.fields import Decorator, options_of
from par_model.cli.options import output_manifest, together
from par_model.manifest.importers.options import BoxOptions, FitOptions, MotOptions, VideoOptions
from par_model.options import taken
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.manifest.importers.pairs import TracksOfVideo
    from par_model.manifest.importers.videos import Imported


def videos_and_tracks(metavar: str, tracks: str) -> Decorator:
    """What is imported. tracks: which tracks of one video, and below which folder those of many."""
    return together(
        option("--video", metavar="URI", help="Video that the tracks belong to: a path or URI."),
        option(
            "--videos",
            metavar="DIR",
            help="Folder of videos, instead of --video; --tracks is then a folder of their tracks.",
        ),
        option("--tracks", required=True, metavar=metavar, help=tracks),
        output_manifest,
    )


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
@videos_and_tracks(
    "PATH",
    "The tracks, as MOTChallenge text: 6 to 10 columns, or DeepStream's 16, between commas or blanks. With --videos, a "
    "folder of such files.",
)
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
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.formats.mot import read_tracks
    from par_model.manifest.importers.pairs import one_file
    from par_model.manifest.importers.videos import import_video

    mot = taken(MotOptions, asked)
    of_video = asked_of_video(asked, mot, every_frame=mot.frame_step is not None)

    def import_one(uri: str, of_uri: str, options: VideoOptions) -> Imported:
        return import_video(uri, read_tracks(of_uri, mot), options, origin=of_uri)

    imported = import_each(video, videos, tracks, of_video, one_file(".txt", ".csv"), import_one)
    write_manifest(output, imported.rows)
    click.echo(f"{output}: {imported.closing_words()}", err=True)


@dataclass(frozen=True)
class ImportedVideos:
    """alone: videos and tracks without a partner; None where one video was asked for."""

    videos: list[Imported]
    alone: int | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for of_video in self.videos for row in of_video.rows]

    def closing_words(self) -> str:
        from par_model.manifest.importers.tracks import closing_words_of

        words = closing_words_of([of_video.tracks for of_video in self.videos])
        if self.alone is None:
            return words
        without = f", {counted(self.alone, 'file')} without a partner" if self.alone else ""
        return f"{counted(len(self.videos), 'video')}{without}, {words}"


def import_each(
    video: str | None,
    videos: str | None,
    tracks: str,
    options: VideoOptions,
    wanted: TracksOfVideo,
    import_one: Callable[[str, str, VideoOptions], Imported],
) -> ImportedVideos:
    """One video, or all of a folder, or none if one of them is refused, each of which is said.

    wanted: where the tracks of each lie. import_one: of a video and its tracks. Raises as that, and ManifestError.
    """
    from par_model.video.bytes.source import open_video

    if video is None and videos is None:
        variable = f"{click.get_current_context().auto_envvar_prefix}_VIDEO"
        raise click.UsageError(
            f"missing option --video: give --video or set {variable}; --videos names a folder of them"
        )
    if video is not None and videos is not None:
        raise click.UsageError("--video and --videos exclude each other")
    if videos is not None:
        return _import_folder(videos, tracks, options, wanted, import_one)
    assert video is not None
    open_video(video).close()  # better said before anything else
    return ImportedVideos([import_one(video, tracks, options)])


def _import_folder(
    videos: str,
    tracks: str,
    options: VideoOptions,
    wanted: TracksOfVideo,
    import_one: Callable[[str, str, VideoOptions], Imported],
) -> ImportedVideos:
    from collections import Counter
    from dataclasses import replace

    from par_model.errors import ManifestError, ParError, UsageError
    from par_model.manifest.importers.pairs import pair_files

    found = pair_files(videos, tracks, wanted)
    if options.start_time is not None and len(found.pairs) > 1:
        raise click.UsageError(
            f"--start-time: is one video's, but there are {len(found.pairs)}; --name-pattern takes times from their "
            "names"
        )
    for code, names in (("no-tracks", found.no_tracks), ("no-video", found.no_video)):
        for name in names:
            click.echo(f"{code}\t{name}")
    imported = []
    for pair in found.pairs:
        prefix = pair.key if options.id_prefix is None else f"{options.id_prefix}-{pair.key}"
        try:
            of_pair = import_one(pair.video, pair.tracks, replace(options, id_prefix=prefix))
        except UsageError:
            raise  # is so for all of them
        except ParError as error:
            click.echo(f"refused: {error}", err=True)
            continue
        imported.append(of_pair)
        if of_pair.tracks.left_out or of_pair.tracks.merged:
            click.echo(f"{pair.tracks}: {of_pair.tracks.closing_words()}", err=True)
    if refused := len(found.pairs) - len(imported):
        raise ManifestError(f"{counted(refused, 'video')} of {len(found.pairs)} refused, see above; nothing is written")
    made = ImportedVideos(imported, len(found.no_tracks) + len(found.no_video))
    twice = [name for name, count in Counter(row["tracklet_id"] for row in made.rows).items() if count > 1]
    if twice:
        raise ManifestError(f"{tracks}: tracks of two videos are called {twice[0]!r}: each needs an id of its own")
    return made
