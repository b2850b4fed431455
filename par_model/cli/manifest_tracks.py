"""``parjob manifest from-mot``: tracks of videos."""

from __future__ import annotations

from datetime import datetime

import click

from par_model.cli.command import Command, option
from par_model.cli.options import output_manifest
from par_model.wording import counted


def _iso_time(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an ISO 8601 time such as 2026-05-01T08:30:00Z") from error


@click.command("from-mot", cls=Command)
@option("--video", required=True, help="The video that the tracks are of: a path or URI.")
@option("--tracks", required=True, help="MOTChallenge text: 6 to 10 columns between commas or blanks, frames from 1.")
@output_manifest
@option("--camera", help="camera_id of all tracklets.")
@option("--id-prefix", help="Ids are PREFIX-TRACK; without it the camera, else the video file's stem, is the prefix.")
@option("--min-length", type=click.IntRange(min=1), default=1, help="Leave out tracks of fewer boxes.")
@option("--start-time", callback=_iso_time, help="When frame 0 was taken: ISO 8601, UTC unless it names a zone.")
def from_mot(
    video: str,
    tracks: str,
    output: str,
    camera: str | None,
    id_prefix: str | None,
    min_length: int,
    start_time: datetime | None,
) -> None:
    """Make a manifest from the tracks of one video in MOTChallenge text.

    Nine columns are ground truth: rows with confidence 0 or a class other than 1 are left out.

    \b
    Example:
      parjob manifest from-mot --video cam1.mp4 --tracks cam1.txt --camera 1 --output cam1.parquet
    """
    from par_model import storage
    from par_model.errors import ManifestError
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.mot import read_tracks
    from par_model.video.source import open_video

    open_video(video).close()  # better said now than once for each tracklet
    kept = read_tracks(tracks).of_length(min_length)
    if not kept.by_id:
        raise ManifestError(f"{tracks}: no tracks are left to write; {kept.closing_words()}")
    seconds: list[float] = []
    if start_time is not None:
        from par_model.video.timestamps import timestamps

        first_frames = [int(track.frames[0]) for track in kept.by_id.values()]
        seconds = timestamps(video, count=max(first_frames) + 1)
    prefix = next(p for p in (id_prefix, camera, _stem(video)) if p is not None)
    rows = kept.rows(storage.absolute(video), prefix, camera_id=camera, start_time=start_time, seconds=seconds)
    write_manifest(output, rows)
    late = sum(row["start_time"] is None for row in rows) if start_time is not None else 0
    if late:
        verb = "begins" if late == 1 else "begin"
        last = len(seconds) - 1
        click.echo(f"{counted(late, 'tracklet')} {verb} after the video's last frame, {last}: no start_time", err=True)
    click.echo(f"{output}: {kept.closing_words()}", err=True)


def _stem(uri: str) -> str:
    from par_model import storage

    return storage.name(uri).rpartition(".")[0] or storage.name(uri)
