"""The job, top-down: look, refuse or claim the output, plan, run, write the table, check it, write ``run.json``.

    OUT/_job.json       what changes results, written before the first result
    OUT/_lock           who is at it
    OUT/_plan/          units, the same until the table is written
    OUT/_parts/         outcomes so far
    OUT/attributes/     the table, written when nothing is missing
    OUT/run.json        written last

The invariant: every selected tracklet of the manifest is in the table once, and nothing else is.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import ManifestError, NodesLostError, OutputError, UsageError
from par_model.inference.keep import Elsewhere, Keeper, Workshop, is_worth_workers
from par_model.inference.kinds import Begun, FirstRun, Kind
from par_model.inference.look import Job
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.output import REMAINS, claim, sweep, withdraw
from par_model.inference.planned import Planned, Units
from par_model.inference.planning import Cutting, Desk, plan_by_tasks, plan_here, survey_here
from par_model.inference.spread import Item, Result, one_by_one
from par_model.inference.survey import Surveyed
from par_model.inference.units import UnitSize
from par_model.inference.work import TotalWork
from par_model.manifest.refuse import Complaint
from par_model.model.device import RealDevice
from par_model.progress import Progress
from par_model.runs.lock import Held
from par_model.runs.parts import PartStore
from par_model.runs.record import versions
from par_model.runs.stripes import stripe_rows

_log = logging.getLogger(__name__)


class Runner(Protocol):
    """Where the stages run. ``outcomes`` yields every row of every unit once, or raises NodesLostError: then it may be
    called again with the units that are missing. ``spread`` gives what ``work`` makes of each item, in no order, maybe
    in other processes; ``workshop``, if there is one, writes parts in them; ``shares`` says whether they see a place as
    this process does."""

    @property
    def decode_workers(self) -> int: ...

    def device(self) -> RealDevice: ...

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[pa.Table | Elsewhere]: ...

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]: ...

    def workshop(self) -> Workshop | None: ...

    def shares(self, uri: str) -> bool: ...


def run_inference(
    options: InferOptions, make_runner: Callable[[], AbstractContextManager[Runner]], kind: Kind | None = None
) -> dict[str, Any]:
    """Do what is missing of a job and return its summary, whose ``exit_code`` says how it ended.

    make_runner: called once there is work to do. kind: what to do with an output that is complete; nothing by default.

    Raises ParError. KeyboardInterrupt passes through once what is done is on disk.
    """
    job = Job.look(options)
    asked = kind or FirstRun()
    finished, is_over = _look_at(job, asked)
    if finished is not None and is_over:
        sweep(job.output)
        return finished
    surveyed = _survey_if_small(job)
    was_there = job.output.is_there()
    try:
        with job.output.lock() as held:
            finished, is_over = _look_at(job, asked)  # since the first look another job may have ended
            if finished is not None and is_over:
                return finished
            if finished is None:
                asked = asked.where_none_is_complete(options.output)
            with make_runner() as runner:
                return _run(job, held, runner, finished, asked, surveyed)
    finally:
        if not was_there:
            job.output.remove_if_empty()


def _look_at(job: Job, kind: Kind) -> tuple[dict[str, Any] | None, bool]:
    """The record of a complete output, and whether nothing is to be done to it. Raises OutputError."""
    finished = job.output.record()
    if finished is None:
        kind.where_none_is_complete(job.options.output)
        return None, False
    return finished, not kind.is_work_left(job, finished)


def _survey_if_small(job: Job) -> Surveyed | None:
    """What is found of a manifest that this process surveys by itself, so that one that is refused leaves no trace."""
    if not job.is_small:
        return None
    surveyed, twice = survey_here(job.manifest, job.question)
    job.accept(surveyed, twice)
    return surveyed


def _run(
    job: Job,
    held: Held,
    runner: Runner,
    finished: dict[str, Any] | None,
    kind: Kind,
    surveyed: Surveyed | None,
) -> dict[str, Any]:
    settings = job.settings(runner.device())
    fingerprint = job.fingerprint | {"precision": settings.precision}
    run_id = uuid.uuid4().hex[:12]
    stripe = stripe_rows(job.manifest.num_rows)
    job_id, parts = claim(job.output, held, finished, fingerprint, kind, run_id, stripe)
    started, clock = datetime.now(UTC), time.perf_counter()
    try:
        begun = kind.begin(job, finished, parts)
        planned = _plan(
            job, runner, settings, Desk(job.output, held, job_id), begun, partial(kind.accept, job, finished), surveyed
        )
    except (ManifestError, UsageError, OutputError):
        withdraw(job.output, held, parts)
        raise
    work = TotalWork()
    already = _recognise_all(job, held, runner, settings, parts, planned, work)
    seconds = time.perf_counter() - clock

    _log.info("writing the table")
    is_shared = runner.shares(job.output.place()) and runner.shares(job.manifest.folder)
    has_workers = is_shared and runner.workshop() is not None
    table = kind.write(job, begun, parts, held, runner.spread if has_workers else None)
    counts = table.counts(planned.selected)
    summary = {
        "command": "infer",
        "exit_code": 3 if counts["status"]["failed"] > job.options.max_failure_rate * planned.selected else 0,
        "job_id": job_id,
        "run_id": run_id,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "options": _described(job, settings),
        "versions": versions(),
        "manifest": {"uri": job.manifest.uri} | {"rows": planned.selected, "digest": planned.digest},
        "weights": {"uri": job.options.weights, "sha256": job.header.sha256, "model_id": job.header.model_id},
        "schema": {
            "name": job.header.schema.name,
            "untrained": [] if job.options.zero_shot else list(job.header.untrained),
            "groups": {g.column: [c.value for c in g.classes] for g in job.header.schema.groups},
            "toml": job.header.schema.to_toml(),
        },
        "counts": counts,
        "stages": work.rates(planned.rows - already, seconds),
        "partitions": {name: str(table.schema.field(name).type) for name in job.options.partition_by},
        "files": [uri.removeprefix(job.output.place()).lstrip("/") for uri in table.files],
        "fingerprint": fingerprint,
    }
    job.output.write_record(held, summary)
    job.output.clear(held, *REMAINS)
    return summary


def _plan(
    job: Job,
    runner: Runner,
    settings: StageSettings,
    desk: Desk,
    begun: Begun,
    accept: Callable[[Surveyed], None],
    surveyed: Surveyed | None,
) -> Planned:
    """The job's units: those that an earlier run has planned, or new ones. surveyed: what is known of all rows."""
    found = desk.planned()
    if found is not None:
        return found
    left_out = begun.left_out if begun.left_out.any() else None

    def cutting(surveyed: Surveyed, twice: Complaint | None) -> Cutting:
        job.accept(surveyed, twice)
        accept(surveyed)
        crop_bytes = settings.sampling.frames * settings.preprocess.crop_bytes
        size = UnitSize.choose(surveyed.selected - surveyed.left_out, crop_bytes, runner.decode_workers)
        return Cutting(settings.sampling.frames, size)

    if surveyed is None:
        plan = partial(plan_by_tasks, desk, job.manifest, job.question, left_out, cutting)
        if runner.shares(job.manifest.uri) and runner.shares(desk.folder):
            try:
                return plan(runner.spread)
            except storage.PlaceError as error:
                if error.reason is not storage.Reason.ACCESS_DENIED:
                    raise
                _log.warning(f"workers may not do what this process may, so it plans by itself: {error}")
        return plan(one_by_one)
    twice = None
    if left_out is not None:
        surveyed, twice = survey_here(job.manifest, job.question, left_out)
    return plan_here(desk, job.manifest, job.question, left_out, surveyed, cutting(surveyed, twice))


def _recognise_all(
    job: Job, held: Held, runner: Runner, settings: StageSettings, parts: PartStore, planned: Planned, work: TotalWork
) -> int:
    """Run what is wanted into the parts, once more where nodes were lost; how many were there already."""
    done = parts.done()
    already = len(done)
    if already:
        _log.info(f"{already} of {planned.rows} tracklets are done already; going on with the others")
    is_worth_it = is_worth_workers(planned.rows - already) and runner.shares(job.output.place())
    workshop = runner.workshop() if is_worth_it else None
    while True:
        lost: NodesLostError | None = None
        try:
            _recognise(runner, settings, Keeper(parts, held, work, workshop), planned, done)
        except NodesLostError as error:
            lost = error
        before, done = len(done), parts.done()
        if len(done) >= planned.rows or (len(done) == before and lost is None):
            return already
        _log.info(f"{lost or 'a worker was lost'}; {planned.rows - len(done)} tracklets are missing: once more")


def _recognise(
    runner: Runner, settings: StageSettings, keeper: Keeper, planned: Planned, done: NDArray[np.int64]
) -> None:
    """Run what is missing into parts, and keep what is done whatever happens."""
    if len(done) >= planned.rows:
        return
    progress = Progress(planned.rows, "tracklets", already=len(done))
    try:
        with keeper:
            for outcomes in runner.outcomes(planned.units.without(done), settings):
                keeper.add(outcomes)
                progress.advance(outcomes.num_rows)
    finally:
        progress.close()


def _described(job: Job, settings: StageSettings) -> dict[str, Any]:
    described = {k: v for k, v in job.fingerprint.items() if k not in ("manifest", "weights", "schema")}
    return described | {
        "precision": settings.precision,
        "device": settings.device,
        "batch_size": settings.batch_size,
        "compile": settings.compile,
        "video_timeout": settings.decode.video_timeout,
        "max_failure_rate": job.options.max_failure_rate,
    }
