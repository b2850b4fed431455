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
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from par_model.errors import ManifestError, OutputError, UsageError
from par_model.inference.kinds import FirstRun, Kind
from par_model.inference.look import Job
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.output import REMAINS, claim, sweep, withdraw
from par_model.inference.planning import Desk, survey_here
from par_model.inference.runner import Runner
from par_model.inference.steps import plan_job, recognise_all
from par_model.inference.survey import Surveyed
from par_model.inference.work import TotalWork
from par_model.runs.lock import Held
from par_model.runs.record import record_head
from par_model.runs.stripes import stripe_rows
from par_model.table.unread import unread_columns

_log = logging.getLogger(__name__)


def run_inference(
    options: InferOptions, make_runner: Callable[[], AbstractContextManager[Runner]], kind: Kind | None = None
) -> dict[str, Any]:
    """Do what is missing of a job and return its record, whose ``exit_code`` says how it ended.

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
        planned = plan_job(
            job, runner, settings, Desk(job.output, held, job_id), begun, partial(kind.accept, job, finished), surveyed
        )
        begun.table = begun.table.with_times(planned.finer, job.options.output)
    except (ManifestError, UsageError, OutputError):
        withdraw(job.output, held, parts)
        raise
    if not begun.table.files:
        for line in unread_columns(begun.table.schema):
            _log.warning(line)
    work = TotalWork()
    already = recognise_all(job, held, runner, settings, parts, planned, work)
    seconds = time.perf_counter() - clock

    job.manifest.refuse_if_changed(fingerprint["manifest"])
    _log.info("writing the table")
    is_shared = runner.shares(job.output.place()) and runner.shares(job.manifest.folder)
    has_workers = is_shared and runner.workshop() is not None
    table = kind.write(job, begun, parts, held, runner.spread if has_workers else None)
    job.manifest.refuse_if_changed(fingerprint["manifest"])
    counts = table.counts(planned.selected)
    record = {
        **record_head(
            "infer",
            exit_code=3 if counts["status"]["failed"] > job.options.max_failure_rate * planned.selected else 0,
            job_id=job_id,
            run_id=run_id,
            started=started,
            seconds=seconds,
        ),
        "options": _described(job, settings),
        "manifest": {"uri": job.manifest.uri, "rows": planned.selected, "digest": planned.digest},
        "weights": {"uri": job.options.weights, "sha256": job.header.sha256, "model_id": job.header.model_id},
        "schema": _schema(job),
        "counts": counts,
        "stages": work.rates(planned.rows - already, seconds),
        "partitions": {name: str(table.schema.field(name).type) for name in job.options.partition_by},
        "files": [uri.removeprefix(job.output.place()).lstrip("/") for uri in table.files],
        "fingerprint": fingerprint,
    }
    job.output.write_record(held, record)
    job.output.clear(held, *REMAINS)
    return record


def _schema(job: Job) -> dict[str, Any]:
    schema = job.header.schema
    return {
        "name": schema.name,
        "untrained": [] if job.options.zero_shot else list(job.header.untrained),
        "groups": {group.column: [one.value for one in group.classes] for group in schema.groups},
        "toml": schema.to_toml(),
        "thresholds": dict(zip(schema.score_fields, job.reading().thresholds, strict=True)),
    }


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
