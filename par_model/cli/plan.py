"""``parjob plan``: how long a job takes, on what, and at what price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from par_model.choices import DECODE_BUDGET
from par_model.cli import options
from par_model.cli.command import Command
from par_model.cli.fields import options_of
from par_model.inference.options import InferOptions
from par_model.inference.plan_options import Nodes, PlanOptions
from par_model.model.device import Device
from par_model.options import check_values, taken
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.inference.forecast import Archive, Forecast, Measured

_SIZES = tuple(10**power for power in range(4, 10))
_MANY_FAILED = 0.05


@click.command(cls=Command)
@options_of(PlanOptions, "manifest")
@options.selection
@options_of(PlanOptions, "run", "sample", "weights")
@options.device
@options_of(PlanOptions, "sampling", "decode_budget", "tracklets", "nodes", "hours")
@options_of(Nodes)
@options_of(PlanOptions, "efficiency")
@options.json_output
def plan(device: Device, as_json: bool, **asked: Any) -> int:
    """Say how long a job takes, on which nodes, and at what price.

    The plan counts the manifest's frames and scales what a sample of it measured. Give --run of a sample that ran on
    the machines that you mean to use (parjob infer --limit 1000), or --sample N for a quick one in this process. CPU
    nodes are added to GPU nodes until no GPU waits for decoding. The arithmetic is at the top of
    par_model/inference/forecast.py. Where parjob track made the manifest, what that takes is planned too.

    \b
    Example:
      parjob plan --manifest m.parquet --run sample --hours 24 --gpu-price 1.4 --cpu-price 0.8
    """
    from par_model.errors import ManifestError
    from par_model.inference.forecast import Archive, cpus_per_gpu, forecast
    from par_model.manifest.read import Manifest
    from par_model.manifest.selection import Selection

    split, limit = asked.pop("split"), asked.pop("limit")
    check_values(InferOptions, {"split": split, "limit": limit})
    kinds, wanted = taken(Nodes, asked), taken(PlanOptions, asked)
    opened = Manifest.open(wanted.manifest)
    archive = Archive.of_manifest(opened, Selection(split, limit))
    if archive.tracklets == 0:
        of_split = "" if split is None else f" of split {split!r}"
        raise ManifestError(f"{wanted.manifest} has no tracklet{of_split}: nothing to plan")
    measured, tracked = _measured(wanted, split, device), _tracked(opened.folder)
    numbers = sorted({*wanted.tracklets} or {archive.tracklets, *_SIZES})
    each = archive.frames / archive.tracklets

    def plans_of(stages: Measured) -> list[Forecast]:
        count, hours, efficiency = wanted.real_nodes, wanted.hours, wanted.efficiency
        return [
            forecast(number, each, stages, kinds, count=count, hours=hours, efficiency=efficiency) for number in numbers
        ]

    plans, tracking = plans_of(measured), [] if tracked is None else plans_of(tracked)
    if as_json:
        document = {
            "manifest": {"uri": wanted.manifest} | asdict(archive),
            "measured": asdict(measured) | {"cpus_per_gpu": cpus_per_gpu(measured)},
            "nodes": asdict(kinds) | {"efficiency": wanted.efficiency},
            "plans": [asdict(found) for found in plans],
            "tracking": None
            if tracked is None
            else {"measured": asdict(tracked), "plans": [asdict(found) for found in tracking]},
        }
        click.echo(json.dumps(document))
    else:
        for line in _lines(wanted.manifest, archive, measured, cpus_per_gpu(measured), plans):
            click.echo(line)
        for line in _lines_of_tracking(tracked, tracking) if tracked is not None else []:
            click.echo(line)
    return 0


def _measured(wanted: PlanOptions, split: str | None, device: Device) -> Measured:
    from par_model import storage
    from par_model.errors import OutputError, UsageError
    from par_model.inference.forecast import Measured
    from par_model.inference.sample import run_sample
    from par_model.runs.record import read_record

    run, sample = wanted.run, wanted.sample
    if (run is None) == (sample is None):
        raise UsageError("give either --run, the output of a sample's `parjob infer`, or --sample 200 with --weights")
    if sample is not None:
        if wanted.weights is None:
            raise UsageError("--sample runs the network: give --weights too")
        ways = {"sampling": wanted.sampling, "decode_budget": wanted.decode_budget}
        given = {name: value for name, value in ways.items() if value is not None}
        record = run_sample(wanted.manifest, wanted.weights, sample, split, device, **given)
        return Measured.of_run(record, f"the sample of {sample}")
    assert run is not None
    where = storage.join(storage.absolute(run), "run.json")
    try:
        found = read_record(where)
    except OutputError as error:  # whose advice is that of a command with --output
        raise OutputError(f"{where} is not the run.json of parjob infer: give another --run") from error
    if found is None:
        raise OutputError(
            f"{run} is not a finished run, it has no run.json: let `parjob infer` finish, or give another"
        )
    return _as_sampled(Measured.of_run(found, where), wanted.sampling, wanted.decode_budget)


def _tracked(folder: str) -> Measured | None:
    """What it took to make the manifest, where ``parjob track`` made it and its record says so."""
    from par_model import storage
    from par_model.errors import OutputError
    from par_model.inference.forecast import Measured
    from par_model.runs.record import read_record

    where = storage.join(folder, "_track", "run.json")
    try:
        found = read_record(where)
        return Measured.of_tracking(found, where) if found is not None else None
    except OutputError as error:
        click.echo(f"parjob: warning: {error}; so tracking is not planned", err=True)
        return None


def _lines_of_tracking(tracked: Measured, plans: list[Forecast]) -> Iterator[str]:
    on = "GPU" if tracked.device == "cuda" else "CPU"
    yield (
        f"tracking before that: for each tracklet {tracked.decode_seconds:.3g} s of a CPU to read "
        f"{tracked.frames_decoded:.3g} frames of {_bytes(tracked.bytes_read)}, and {tracked.model_seconds:.3g} s of a "
        f"{on} for the detector"
    )
    yield from _table(plans)


def _as_sampled(measured: Measured, sampling: str | None, decode_budget: float | None) -> Measured:
    """What a finished run measured, for the way of sampling that is asked for."""
    from par_model.errors import UsageError

    if sampling == "cheap" and measured.sampling != "cheap":
        return measured.by_cost(DECODE_BUDGET if decode_budget is None else decode_budget)
    if sampling not in (None, measured.sampling) or decode_budget not in (None, measured.decode_budget):
        asked = f"--sampling {sampling or measured.sampling}"
        asked += "" if decode_budget is None else f" --decode-budget {decode_budget:g}"
        raise UsageError(f"{asked}: the run of --run sampled otherwise; run a sample so and give that")
    return measured


def _lines(
    manifest: str, archive: Archive, measured: Measured, balance: float | None, plans: list[Forecast]
) -> Iterator[str]:
    per_video = f", {archive.tracklets / archive.videos:.1f} a video" if archive.videos else ""
    counts = [(archive.tracklets, "tracklet"), (archive.frames, "frame"), (archive.videos, "video")]
    yield f"{manifest}: {', '.join(counted(n, what, thousands=',') for n, what in counts)}{per_video}"
    on = "GPU" if measured.device == "cuda" else "CPU"
    yield (
        f"the sample has {counted(measured.tracklets, 'tracklet', thousands=',')}; each took "
        f"{measured.decode_seconds:.3g} s of a CPU to decode {measured.frames_decoded:.3g} frames of "
        f"{_bytes(measured.bytes_read)}, and {measured.model_seconds:.3g} s of a {on} for the model"
    )
    if measured.sampling == "cheap":
        estimated = "estimated for --sampling cheap from what the run's videos say of their packets"
        within = f"sampled by cost, with a --decode-budget of {measured.decode_budget:g}"
        yield within if measured.cheap_time_share is None else estimated
    if measured.failed > _MANY_FAILED:
        yield f"{measured.failed:.0%} of the sample failed, and may have taken less or more time than a tracklet does"
    if balance is not None:
        yield f"{balance:.1f} CPUs decode as fast as one GPU recognises"
    yield from _table(plans)
    if any(p.cost is None for p in plans):
        yield "for the cost, give --gpu-price and --cpu-price, each of one node's hour"


def _table(plans: list[Forecast]) -> Iterator[str]:
    header = ["tracklets", "frames", "read", "CPU hours", "GPU hours", "GPU nodes", "CPU nodes", "hours", "cost"]
    rows = [
        [
            f"{p.tracklets:,}",
            f"{p.frames:.3g}",
            _bytes(p.bytes_read),
            f"{p.cpu_hours:.3g}",
            f"{p.gpu_hours:.3g}",
            str(p.gpu_nodes),
            str(p.cpu_nodes),
            f"{p.hours:.3g}",
            "-" if p.cost is None else f"{p.cost:,.2f}",
        ]
        for p in plans
    ]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} PB"
