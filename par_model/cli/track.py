"""``parjob track``: from bare video to a manifest."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command, resumable
from par_model.cli.fields import options_of
from par_model.options import taken
from par_model.tracking.options import FollowOptions, JoinOptions, TrackOptions
from par_model.video.options import DecodeOptions
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.tracking.runner import TrackRunner


@click.command(cls=Command)
@click.argument("more_videos", nargs=-1, metavar="[URI]...")
@options_of(TrackOptions)
@options_of(FollowOptions)
@options_of(JoinOptions)
@options.tracked_decoding
@click.option("--retry-failed", is_flag=True, help="Do the failed videos of a complete manifest again.")
@options.device
@options.workers("detector")
@options.ray
@click.option(
    "--preview",
    metavar="FILE",
    help="Write a clip of up to 20 seconds of the first video, with boxes and ids drawn on it (.mp4).",
)
@options.json_output
def track(
    more_videos: tuple[str, ...],
    address: str | None,
    no_ray: bool,
    device: Any,
    decode_workers: int | None,
    model_actors: str | None,
    preview: str | None,
    retry_failed: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """Find people in videos, follow them, and write a manifest of tracklets.

    Videos may also follow --videos one after the other, as a shell writes out *.mp4. The command writes the manifest,
    beside it _videos.parquet with a row for each video, read or not, and _track, which says what ran. After an
    interruption the same command goes on where it stopped.

    \b
    Exit codes: 0 done; 1 could not; 2 wrong usage; 3 done, but more than --max-failure-rate failed; 130 interrupted.
    \b
    Example:
      parjob track --videos archive --detector person.xml --output tracklets.parquet
    """
    from par_model.cluster.sizing import check_decode_workers, parse_model_actors
    from par_model.tracking.job import run_tracking
    from par_model.tracking.preview import check_place, write_preview

    actors = parse_model_actors(model_actors)
    check_decode_workers(decode_workers)
    wanted = track_options(asked, more_videos)
    if preview is not None:
        check_place(preview, wanted.videos)
    worked = False

    def runner() -> AbstractContextManager[TrackRunner]:
        nonlocal worked
        worked = True
        return track_runner(device, decode_workers, actors, address=address, no_ray=no_ray)

    with resumable():
        record = run_tracking(wanted, runner, retry_failed=retry_failed)
    report = report_of(record, worked=worked, in_one_process=no_ray)
    click.echo(json.dumps(record) if as_json else report)
    if preview is not None and record["counts"]["tracklets"]:
        pictures = write_preview(record["manifest"], preview, wanted.every, wanted.decode)
        click.echo(f"{preview}: {counted(pictures, 'picture')}", err=True)
    return int(record["exit_code"])


def track_options(asked: dict[str, Any], more_videos: tuple[str, ...] = ()) -> TrackOptions:
    """What the options of this command gave."""
    asked = dict(asked)
    follow, join, decode = taken(FollowOptions, asked), taken(JoinOptions, asked), taken(DecodeOptions, asked)
    videos = (*asked.pop("videos"), *more_videos)
    return TrackOptions(videos=videos, follow=follow, join=join, decode=decode, **asked)


def track_runner(
    device: Any,
    decode_workers: int | None,
    model_actors: tuple[int, int] | None,
    *,
    address: str | None,
    no_ray: bool,
) -> AbstractContextManager[TrackRunner]:
    """Where the job runs."""
    if no_ray:
        from par_model.heap import keep_freed_memory
        from par_model.tracking.runner import LocalTracking

        keep_freed_memory()
        return nullcontext(LocalTracking(device))
    from par_model.cluster.tracking import tracking_runner

    return tracking_runner(address, device, decode_workers, model_actors)


def report_of(record: dict[str, Any], *, worked: bool, in_one_process: bool) -> str:
    """What a job says at its end. worked: whether this command did anything, or found the manifest complete."""
    from par_model import storage
    from par_model.tracking.look import VIDEOS
    from par_model.tracking.work import closing

    counts = record["counts"]
    failed = counts["status"]["failed"]
    lines = [
        f"{record['manifest']}: {counted(counts['tracklets'], 'tracklet')}, {counted(counts['boxes'], 'box', 'boxes')} "
        f"of {counted(counts['videos'], 'video')}, {failed} of them failed"
    ]
    lines += [f"  {code}: {number}" for code, number in counts["error"].items()]
    if failed:
        lines.append(f"  {storage.join(storage.parent(record['manifest']), VIDEOS)} says of each why")
    lines += [f"  {line}" for line in record["warnings"]]
    if worked:
        told = closing(record["stages"], device=record["device"], in_one_process=in_one_process)
        lines += [f"  {line}" for line in told]
    if record["exit_code"] == 3:
        lines.append(f"  more than --max-failure-rate {record['max_failure_rate']:g} failed: exit code 3")
    return "\n".join(lines)
