"""The job, top-down: look, refuse or claim the output, plan, run, write the table, check it, write ``run.json``.

    OUT/_job.json       what changes results, written before the first result
    OUT/_lock           who is at it
    OUT/_parts/         outcomes so far
    OUT/attributes/     the table, written when nothing is missing
    OUT/run.json        written last

The invariant: every selected tracklet of the manifest is in the table once, and nothing else is.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage
from par_model.errors import ManifestError, OutputError
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.plan import Selection, UnitSize, plan_units
from par_model.inference.progress import Progress
from par_model.inference.wire import Work
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.weights import WeightsHeader, read_header
from par_model.sampling import Sampling
from par_model.table.lock import OutputLock
from par_model.table.parts import PartStore
from par_model.table.rows import Reading, table_rows
from par_model.table.schema import check_partition_columns, table_schema
from par_model.table.summary import read_summary, versions, write_summary
from par_model.table.writer import TableWriter

_MERGE_ROWS = 20_000
_BATCH_SIZE = {"cpu": 8, "cuda": 64}


class Runner(Protocol):
    """Where the stages run. ``outcomes`` yields every row of every unit once."""

    @property
    def decode_workers(self) -> int: ...

    def device(self) -> Literal["cpu", "cuda"]: ...

    def outcomes(self, units: Iterator[pa.Table], settings: StageSettings) -> Iterator[pa.Table]: ...


@dataclass(frozen=True)
class Job:
    """What was looked at before anything is written."""

    options: InferOptions
    manifest: Manifest
    header: WeightsHeader
    selection: Selection
    sampling: Sampling
    tracklets: int
    table_schema: pa.Schema
    fingerprint: dict[str, Any]

    @classmethod
    def look(cls, options: InferOptions) -> Job:
        """Read what there is to read and refuse what cannot be done. Writes nothing."""
        header = read_header(weights_uri(options.weights))
        frames = options.frames or header.config.frames
        if options.sampling != "all":
            header.config.check_frames(frames)
        manifest = Manifest.open(options.manifest)
        refuse_ambiguous(manifest, header.schema)
        passed_through = [manifest.schema.field(name) for name in manifest.pass_through]
        schema = table_schema(passed_through, header.schema, embedding=options.embedding)
        check_partition_columns(options.partition_by, schema)
        selection = Selection(options.split, options.limit)
        tracklets = selection.count(manifest)
        if tracklets == 0:
            raise ManifestError(f"{options.manifest} has no tracklet of split {options.split!r}: nothing to do")
        sampling = Sampling(policy=options.sampling, frames=frames, seed=options.seed)
        return cls(
            options=options,
            manifest=manifest,
            header=header,
            selection=selection,
            sampling=sampling,
            tracklets=tracklets,
            table_schema=schema,
            fingerprint={
                "manifest": manifest.content_fingerprint(),
                "weights": header.sha256,
                "schema": header.schema.name,
                "frames": frames,
                "sampling": options.sampling,
                "seed": options.seed,
                "precision": options.precision,
                "decoder": options.decode.decoder,
                "damaged": options.decode.damaged,
                "embedding": options.embedding,
                "partition_by": list(options.partition_by),
                "limit": options.limit,
                "split": options.split,
            },
        )

    def place(self, *parts: str) -> str:
        """A URI below the output folder."""
        return storage.join(storage.absolute(self.options.output), *parts)


def run_inference(options: InferOptions, make_runner: Any) -> dict[str, Any]:
    """Do what is missing of a job and return its summary, whose ``exit_code`` says how it ended.

    make_runner: called without arguments once there is work to do; its result is a context manager of a Runner.

    Raises ParError. KeyboardInterrupt passes through once what is done is on disk.
    """
    job = Job.look(options)
    finished = read_summary(job.place("run.json"))
    if finished is not None:
        _refuse_other(job, finished["fingerprint"])
        _say(f"{options.output} is complete: {finished['counts']['tracklets']} tracklets; nothing to do")
        return finished
    with OutputLock(job.place("_lock")):
        recorded = _recorded(job)
        if recorded is not None:
            _refuse_other(job, recorded)
        with make_runner() as runner:
            return _run(job, runner, recorded)


def _run(job: Job, runner: Runner, recorded: dict[str, Any] | None) -> dict[str, Any]:
    device = runner.device()
    settings = _settings(job, device)
    fingerprint = job.fingerprint | {"precision": settings.precision}
    if recorded is None:
        storage.write_bytes(job.place("_job.json"), json.dumps({"fingerprint": fingerprint}).encode())
    elif recorded != fingerprint:
        raise _different(job, recorded, fingerprint)

    run_id = uuid.uuid4().hex[:12]
    parts = PartStore(job.place("_parts"), run_id)
    done = parts.done()
    started, clock = datetime.now(UTC), time.perf_counter()
    if len(done):
        _say(f"{len(done)} of {job.tracklets} tracklets are done already; going on with the others")
    work = _recognise(job, runner, settings, parts, done)
    seconds = time.perf_counter() - clock

    counts, files = _write_table(job, parts)
    failed = counts["status"].get("failed", 0)
    summary = {
        "command": "infer",
        "exit_code": 3 if failed > job.options.max_failure_rate * job.tracklets else 0,
        "run_id": run_id,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "options": _described(job, settings),
        "versions": versions(),
        "manifest": {"uri": job.manifest.uri, "rows": job.manifest.num_rows},
        "weights": {"uri": job.options.weights, "sha256": job.header.sha256, "model_id": job.header.model_id},
        "schema": {
            "name": job.header.schema.name,
            "groups": {g.column: [c.value for c in g.classes] for g in job.header.schema.groups},
        },
        "counts": counts,
        "stages": _rates(job.tracklets - len(done), work, seconds),
        "partitions": {name: str(job.table_schema.field(name).type) for name in job.options.partition_by},
        "files": files,
        "fingerprint": fingerprint,
    }
    write_summary(job.place("run.json"), summary)
    parts.remove()
    storage.remove(job.place("_job.json"))
    return summary


def _recognise(job: Job, runner: Runner, settings: StageSettings, parts: PartStore, done: np.ndarray) -> Work:
    """Run what is missing into the parts, and keep what is done whatever happens."""
    work = Work()
    if len(done) >= job.tracklets:
        return work
    crop_bytes = settings.sampling.frames * settings.preprocess.crop_bytes
    size = UnitSize.choose(job.tracklets - len(done), crop_bytes, runner.decode_workers)
    units = plan_units(job.manifest, job.selection, done, settings.sampling.frames, size)
    progress = Progress(job.tracklets, "tracklets", already=len(done))
    try:
        for outcomes in runner.outcomes(units, settings):
            parts.append(outcomes)
            work.add(outcomes)
            progress.advance(len(outcomes))
    finally:
        parts.flush()
        progress.close()
    return work


def _write_table(job: Job, parts: PartStore) -> tuple[dict[str, Any], list[str]]:
    """Join manifest and outcomes, both in manifest order, into the table, and hold the invariant while doing so."""
    _say("writing the table")
    reading = Reading(job.header.schema, job.header.thresholds, job.header.trained, job.header.model_id)
    folder = job.place("attributes")
    writer = TableWriter(folder, job.table_schema, job.options.partition_by)
    errors: Counter[str] = Counter()
    outcomes = _Stream(parts.in_row_order(_MERGE_ROWS))
    for rows in job.selection.batches(job.manifest, job.manifest.pass_through):
        found = outcomes.take(len(rows))
        if len(found) != len(rows) or not (
            found["_row"].equals(rows["_row"]) and found["tracklet_id"].equals(rows["tracklet_id"])
        ):
            raise OutputError(f"{folder}: {_mismatch(rows, found)}; run the same command again")
        errors.update(e for e in found["error"].drop_null().to_pylist())
        writer.write(table_rows(rows, found, reading, job.table_schema))
    surplus = outcomes.take(1)
    if len(surplus):
        raise OutputError(f"{folder}: row {surplus['_row'][0]} was recognised but is not in the manifest")
    writer.close()
    on_disk = sum(_rows_in(uri) for uri in writer.files)
    if writer.rows != job.tracklets or on_disk != job.tracklets:
        raise OutputError(f"{folder} holds {on_disk} rows for {job.tracklets} tracklets: run the same command again")
    failed = sum(errors.values())
    counts = {
        "tracklets": job.tracklets,
        "status": {"ok": job.tracklets - failed, "failed": failed},
        "error": dict(sorted(errors.items())),
    }
    root = job.place()
    return counts, [uri.removeprefix(root).lstrip("/") for uri in writer.files]


class _Stream:
    """Takes any number of rows from a stream of tables."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rest: pa.Table | None = None

    def take(self, count: int) -> pa.Table:
        """The next ``count`` rows, fewer only at the end."""
        while self._rest is None or len(self._rest) < count:
            more = next(self._tables, None)
            if more is None:
                break
            self._rest = more if self._rest is None else pa.concat_tables([self._rest, more])
        if self._rest is None:
            return pa.table({"_row": pa.array([], pa.int64())})
        taken, self._rest = self._rest.slice(0, count), self._rest.slice(count)
        return taken.combine_chunks()


def _mismatch(rows: pa.Table, found: pa.Table) -> str:
    wanted, got = Counter(rows["_row"].to_pylist()), Counter(found["_row"].to_pylist())
    if missing := wanted - got:
        return f"{missing.total()} tracklets were not recognised, row {min(missing)} of the manifest among them"
    return "the results' ids are not the manifest's: it changed while the job ran"


def _rows_in(uri: str) -> int:
    fs, path = storage.arrow_filesystem(uri)
    return int(pq.read_metadata(path, filesystem=fs).num_rows)


def _settings(job: Job, device: Literal["cpu", "cuda"]) -> StageSettings:
    options = job.options
    precision: Literal["fp32", "bf16"] = "bf16" if device == "cuda" else "fp32"
    return StageSettings(
        weights=options.weights if options.weights == DEMO else storage.absolute(options.weights),
        preprocess=job.header.preprocess,
        sampling=job.sampling,
        decode=options.decode,
        device=device,
        precision=precision if options.precision == "auto" else options.precision,
        batch_size=options.batch_size or _BATCH_SIZE[device],
        embedding=options.embedding,
    )


def _recorded(job: Job) -> dict[str, Any] | None:
    """The fingerprint that an interrupted run of this output left, None where the output is new."""
    try:
        document = json.loads(storage.read_bytes(job.place("_job.json")))
    except storage.PlaceError as error:
        if error.reason is not storage.Reason.NOT_FOUND:
            raise
        if storage.list_files(job.place("attributes")):
            raise OutputError(
                f"{job.options.output} holds a table without run.json that this job did not begin: "
                f"give another --output"
            ) from None
        return None
    except ValueError as error:
        raise OutputError(f"{job.place('_job.json')} is not valid JSON ({error}): give another --output") from error
    return dict(document["fingerprint"])


def _refuse_other(job: Job, recorded: dict[str, Any]) -> None:
    """Raise OutputError if the output is that of another job. Precision ``auto`` is settled when devices are known."""
    wanted = dict(job.fingerprint)
    if wanted["precision"] == "auto":
        wanted["precision"] = recorded.get("precision")
    if wanted != recorded:
        raise _different(job, recorded, wanted)


def _different(job: Job, recorded: dict[str, Any], wanted: dict[str, Any]) -> OutputError:
    names = [name for name in wanted if wanted[name] != recorded.get(name)]
    said = ", ".join(
        name if name in ("manifest", "weights") else f"{name} ({recorded.get(name)!r} there, {wanted[name]!r} now)"
        for name in names
    )
    return OutputError(
        f"{job.options.output} holds results of another job; it differs in {said}: give another --output"
    )


def _described(job: Job, settings: StageSettings) -> dict[str, Any]:
    described = {k: v for k, v in job.fingerprint.items() if k not in ("manifest", "weights", "schema")}
    return described | {
        "precision": settings.precision,
        "device": settings.device,
        "batch_size": settings.batch_size,
        "video_timeout": settings.decode.video_timeout,
        "max_failure_rate": job.options.max_failure_rate,
    }


def _rates(tracklets: int, work: Work, seconds: float) -> dict[str, Any]:
    def stage(busy: float) -> dict[str, float | None]:
        return {
            "busy_seconds": round(busy, 3),
            "tracklets_per_busy_second": round(tracklets / busy, 3) if busy > 0 else None,
        }

    return {
        "tracklets": tracklets,
        "tracklets_per_second": round(tracklets / seconds, 3) if seconds > 0 else None,
        "decode": stage(work.decode_seconds)
        | {"frames_decoded": work.frames_decoded, "frames_needed": work.frames_needed},
        "model": stage(work.model_seconds),
    }


def _say(line: str) -> None:
    sys.stderr.write(f"parjob: {line}\n")
