"""``parjob infer``: the main job."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command, resumable
from par_model.cli.fields import options_of
from par_model.inference.options import InferOptions
from par_model.options import taken
from par_model.video.options import DecodeOptions
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.inference.runner import Runner


@click.command(cls=Command)
@options_of(InferOptions)
@options_of(DecodeOptions)
@click.option("--retry-failed", is_flag=True, help="Do the failed tracklets of a complete output again.")
@click.option("--add", is_flag=True, help="Do the new tracklets of a complete output whose manifest has grown.")
@options.device
@options.workers("model")
@options.ray
@options.json_output
def infer(
    address: str | None,
    no_ray: bool,
    device: Any,
    decode_workers: int | None,
    model_actors: str | None,
    as_json: bool,
    retry_failed: bool,
    add: bool,
    **asked: Any,
) -> int:
    """Recognise the tracklets of a manifest into a Parquet table.

    The command writes OUT/attributes/*.parquet, with one row for each tracklet, recognised or not, and OUT/run.json.
    After an interruption the same command goes on where it stopped.

    \b
    Exit codes: 0 done; 1 could not; 2 wrong usage; 3 done, but more than --max-failure-rate failed; 130 interrupted.
    \b
    Example:
      parjob infer --manifest tracklets.parquet --weights w.safetensors --output out
    """
    from par_model.cluster.sizing import check_decode_workers, parse_model_actors
    from par_model.errors import UsageError
    from par_model.inference.job import run_inference
    from par_model.inference.kinds import Add, FirstRun, Kind, Retry

    decode = taken(DecodeOptions, asked)
    if retry_failed and add:
        raise UsageError("--retry-failed and --add are two runs: give one, then the other")
    kind: Kind = Retry() if retry_failed else Add() if add else FirstRun()
    actors = parse_model_actors(model_actors)
    check_decode_workers(decode_workers)
    wanted = InferOptions(decode=decode, **asked)

    worked = False

    def runner() -> AbstractContextManager[Runner]:
        nonlocal worked
        worked = True
        return infer_runner(device, decode_workers, actors, address=address, no_ray=no_ray)

    with resumable():
        record = run_inference(wanted, runner, kind)
    report = report_of(wanted.output, record, worked=worked, in_one_process=no_ray)
    click.echo(json.dumps(record) if as_json else report)
    return int(record["exit_code"])


def infer_runner(
    device: Any,
    decode_workers: int | None,
    model_actors: tuple[int, int] | None,
    *,
    address: str | None,
    no_ray: bool,
) -> AbstractContextManager[Runner]:
    """Where the job runs."""
    if no_ray:
        from par_model.heap import keep_freed_memory
        from par_model.inference.local import LocalRunner

        keep_freed_memory()
        return nullcontext(LocalRunner(device))
    from par_model.cluster.inference import ray_runner

    return ray_runner(address, device, decode_workers, model_actors)


def report_of(output: str, record: dict[str, Any], *, worked: bool, in_one_process: bool) -> str:
    """What a job says at its end. worked: whether this command did anything, or found the output complete."""
    from par_model.inference.work import closing

    counts, options, stages = record["counts"], record["options"], record["stages"]
    failed = counts["status"]["failed"]
    lines = [f"{output.rstrip('/')}/attributes: {counted(counts['tracklets'], 'tracklet')}, {failed} of them failed"]
    lines += [f"  {code}: {number}" for code, number in counts["error"].items()]
    if worked:
        told = closing(stages, device=options["device"], in_one_process=in_one_process)
        lines += [f"  {line}" for line in told]
    several = stages["decode"].get("videos_with_several_tracks", 0)
    if several:
        lines.append(
            f"  {several} {'video has' if several == 1 else 'videos have'} several moving tracks: track "
            f"{options['video_stream']} was read where the manifest's video_stream does not say (--video-stream)"
        )
    if record["exit_code"] == 3:
        lines.append(f"  more than --max-failure-rate {options['max_failure_rate']:g} failed: exit code 3")
    return "\n".join(lines)
