"""``parjob run``: track, infer and report in one go."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command, resumable
from par_model.cli.fields import options_of
from par_model.inference.options import InferOptions
from par_model.options import stated_options
from par_model.tracking.options import FollowOptions, JoinOptions, TrackOptions

if TYPE_CHECKING:
    from par_model.inference.runner import Runner
    from par_model.tracking.runner import TrackRunner

_RECOGNISING = ("frames", "sampling", "decode_budget", "seed", "embedding", "zero_shot", "precision", "batch_size")
_TRACKING = tuple(name for name in stated_options(TrackOptions) if name != "output")


@click.command(cls=Command)
@click.argument("more_videos", nargs=-1, metavar="[URI]...")
@options_of(TrackOptions, *_TRACKING)
@options_of(FollowOptions)
@options_of(JoinOptions)
@options_of(InferOptions, "weights")
@click.option(
    "--output",
    required=True,
    metavar="URI",
    help="Folder for manifest/tracklets.parquet, the table in table/attributes, and report.html.",
)
@options_of(InferOptions, *_RECOGNISING)
@options.tracked_decoding
@options.device
@options.ray
@options.json_output
def run(
    more_videos: tuple[str, ...],
    output: str,
    address: str | None,
    no_ray: bool,
    device: Any,
    as_json: bool,
    **asked: Any,
) -> int:
    """Track the people in videos, recognise them, and write the report, one after the other.

    What parjob track, parjob infer and parjob report would write lies below OUT, and each step goes on where it was
    interrupted. For what this command has no option for, run the three one by one.

    \b
    Exit codes: 0 done; 1 could not; 2 wrong usage; 3 done, but more than --max-failure-rate failed; 130 interrupted.
    \b
    Example:
      parjob run --videos archive --detector person.xml --weights w.safetensors --output out
    """
    from par_model import storage
    from par_model.cli.track import track_options
    from par_model.errors import ManifestError

    weights = asked.pop("weights")
    recognising = {name: asked.pop(name) for name in _RECOGNISING}
    place = storage.absolute(output)
    tracking = track_options(asked | {"output": storage.join(place, "manifest")}, more_videos)
    recognised = InferOptions(
        manifest=storage.join(place, "manifest", "tracklets.parquet"),
        weights=weights,
        output=storage.join(place, "table"),
        decode=tracking.decode,
        max_failure_rate=tracking.max_failure_rate,
        **recognising,
    )
    tell = partial(click.echo, err=as_json)  # JSON has the standard output to itself
    with resumable(), _session(address, no_ray=no_ray):
        tracked = _track(tracking, device, address, no_ray=no_ray, tell=tell)
        if not tracked["counts"]["tracklets"]:
            raise ManifestError(f"{tracked['manifest']} has no tracklet: nobody was found in the videos, see above")
        found = _infer(recognised, device, address, no_ray=no_ray, tell=tell)
    page = storage.join(place, "report.html")
    _report(recognised.output, page)
    if as_json:
        click.echo(json.dumps({"track": tracked, "infer": found, "report": page}))
    else:
        click.echo(page)
    return max(int(tracked["exit_code"]), int(found["exit_code"]))


def _session(address: str | None, *, no_ray: bool) -> AbstractContextManager[Any]:
    """One Ray for both jobs."""
    if no_ray:
        return nullcontext()
    from par_model.cluster.session import ray_session

    return ray_session(address)


def _track(
    wanted: TrackOptions, device: Any, address: str | None, *, no_ray: bool, tell: Callable[[str], None]
) -> dict[str, Any]:
    from par_model.cli.track import report_of, track_runner
    from par_model.tracking.job import run_tracking

    worked = False

    def runner() -> AbstractContextManager[TrackRunner]:
        nonlocal worked
        worked = True
        return track_runner(device, None, None, address=address, no_ray=no_ray)

    record = run_tracking(wanted, runner)
    tell(report_of(record, worked=worked, in_one_process=no_ray))
    return record


def _infer(
    wanted: InferOptions, device: Any, address: str | None, *, no_ray: bool, tell: Callable[[str], None]
) -> dict[str, Any]:
    from par_model.cli.infer import infer_runner, report_of
    from par_model.inference.job import run_inference

    worked = False

    def runner() -> AbstractContextManager[Runner]:
        nonlocal worked
        worked = True
        return infer_runner(device, None, None, address=address, no_ray=no_ray)

    record = run_inference(wanted, runner)
    tell(report_of(wanted.output, record, worked=worked, in_one_process=no_ray))
    return record


def _report(table: str, page: str) -> None:
    from par_model.progress import counting
    from par_model.report.job import run_report
    from par_model.report.options import ReportOptions

    with counting("tracklets") as start:
        run_report(ReportOptions(predictions=table, output=page), start)
