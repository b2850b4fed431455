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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model import storage, times
from par_model.errors import ManifestError, NodesLostError, OutputError, UsageError
from par_model.inference.fingerprint import (
    Fingerprint,
    fingerprint_of,
    refuse_other,
    refuse_unless_grown,
    rows_digest,
)
from par_model.inference.finish import Table
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.plan import Selection, UnitSize, plan_units
from par_model.inference.work import TotalWork
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.weights import WeightsHeader, read_header
from par_model.progress import Progress
from par_model.sampling import Sampling
from par_model.table.lock import OutputLock
from par_model.table.parts import PartStore
from par_model.table.rows import Reading
from par_model.table.schema import check_partition_columns, table_schema
from par_model.table.summary import read_record, read_summary, versions, write_summary
from par_model.table.writer import check_folder_value

# What to do with an output that is complete: leave it, do its failed rows again, or add the manifest's new tracklets.
Again = Literal["no", "retry", "add"]

_BATCH_SIZE = {"cpu": 8, "cuda": 64}
_ID_ROWS = 65_536


class Runner(Protocol):
    """Where the stages run. ``outcomes`` yields every row of every unit once, or raises NodesLostError: then it may be
    called again with the units that are missing."""

    @property
    def decode_workers(self) -> int: ...

    def device(self) -> Literal["cpu", "cuda"]: ...

    def outcomes(self, units: Iterator[pa.Table], settings: StageSettings) -> Iterator[pa.Table]: ...


@dataclass(frozen=True)
class Job:
    """What was looked at before anything is written. table: as it was found, if it is complete."""

    options: InferOptions
    manifest: Manifest
    header: WeightsHeader
    selection: Selection
    sampling: Sampling
    tracklets: int
    table: Table
    fingerprint: Fingerprint

    @classmethod
    def look(cls, options: InferOptions) -> Job:
        """Read what there is to read and refuse what cannot be done. Writes nothing."""
        header = read_header(weights_uri(options.weights))
        frames = options.frames or header.config.frames
        if options.zero_shot:
            header.check_zero_shot()
        elif options.sampling != "all":
            header.config.check_frames(frames)
        manifest = Manifest.open(options.manifest)
        refuse_ambiguous(manifest, header.schema)
        selection = Selection(options.split, options.limit)
        if options.sampling == "all" and header.config.max_frames is not None and not options.zero_shot:
            header.config.check_frames(selection.longest(manifest))
        passed_through = [manifest.schema.field(name) for name in manifest.pass_through]
        schema = table_schema(passed_through, header.schema, embedding=options.embedding)
        check_partition_columns(options.partition_by, schema)
        _check_partition_values(options.partition_by, manifest, selection)
        tracklets = selection.count(manifest)
        if tracklets == 0:
            raise ManifestError(f"{options.manifest} has no tracklet of split {options.split!r}: nothing to do")
        folder = storage.join(storage.absolute(options.output), "attributes")
        return cls(
            options=options,
            manifest=manifest,
            header=header,
            selection=selection,
            sampling=Sampling(policy=options.sampling, frames=frames, seed=options.seed),
            tracklets=tracklets,
            table=Table(folder, schema, options.partition_by),
            fingerprint=fingerprint_of(options, header, manifest, frames),
        )

    def reading(self) -> Reading:
        """How scores become answers. Zero-shot, nothing is trained, and thresholds that were found for the trained
        network do not count."""
        header = self.header
        thresholds, trained = header.thresholds, header.trained
        if self.options.zero_shot:
            thresholds, trained = (0.5,) * len(thresholds), (True,) * len(trained)
        return Reading(header.schema, thresholds, trained, header.model_id)

    def place(self, *parts: str) -> str:
        """A URI below the output folder."""
        return storage.join(storage.absolute(self.options.output), *parts)


def run_inference(
    options: InferOptions, make_runner: Callable[[], AbstractContextManager[Runner]], again: Again = "no"
) -> dict[str, Any]:
    """Do what is missing of a job and return its summary, whose ``exit_code`` says how it ended.

    make_runner: called once there is work to do.

    Raises ParError. KeyboardInterrupt passes through once what is done is on disk.
    """
    job = Job.look(options)
    finished = read_summary(job.place("run.json"))
    if finished is None and again == "retry":
        raise OutputError(f"{options.output} is not complete: run the same command without --retry-failed first")
    if finished is not None:
        _sweep(job, finished)
        if not _work_left(job, finished, again):
            return finished
    with OutputLock(job.place("_lock")), make_runner() as runner:
        return _run(job, runner, finished, again if finished is not None else "no")


def _check_partition_values(columns: tuple[str, ...], manifest: Manifest, selection: Selection) -> None:
    """Before any work: no folder may have a name that file systems or readers do not take."""
    for name in columns:
        if name in manifest.pass_through:
            for rows in selection.batches(manifest, [name]):
                for value in times.to_pylist(rows[name].unique()):
                    check_folder_value(name, value)


def _sweep(job: Job, finished: dict[str, Any]) -> None:
    """Remove what a run left that was killed after ``run.json``, when only its own remains were still there."""
    claim = _read_claim(job)
    if claim is not None and claim["job_id"] == finished["job_id"]:
        storage.remove(job.place("_parts"))
        storage.remove(job.place("_job.json"))
    OutputLock(job.place("_lock")).sweep()


def _work_left(job: Job, finished: dict[str, Any], again: Again) -> bool:
    """Whether a complete output is to be worked on again. Raises OutputError where it may not be."""
    output, recorded = job.options.output, finished["fingerprint"]
    tracklets = finished["counts"]["tracklets"]
    meant = {name: job.fingerprint[name] for name in ("manifest", "split", "limit")}
    if again == "add" and any(recorded[name] != value for name, value in meant.items()):
        # Whether these rows contain the table's is looked at row by row.
        refuse_other(output, recorded | meant, job.fingerprint)
        return True
    refuse_other(output, recorded, job.fingerprint)
    if again == "retry" and finished["counts"]["status"]["failed"]:
        moving = [n for n in job.options.partition_by if n not in job.manifest.pass_through]
        if moving:
            raise UsageError(
                f"--retry-failed: {output} has folders by {moving[0]}, so that a row would have to move, and a reader "
                f"could see it twice or not at all; run the job into another --output"
            )
        return True
    what = "none of them failed" if again == "retry" else "nothing to do"
    _say(f"{output} is complete: {tracklets} tracklets; {what}")
    return False


def _run(job: Job, runner: Runner, finished: dict[str, Any] | None, again: Again) -> dict[str, Any]:
    settings = _settings(job, runner.device())
    fingerprint = job.fingerprint | {"precision": settings.precision}
    run_id = uuid.uuid4().hex[:12]
    parts = PartStore(job.place("_parts"), run_id)
    job_id = _claim(job, fingerprint, again, parts)
    table, left_out, wanted = _begin(job, finished, again, parts)

    done = np.unique(parts.done())
    already = len(done)
    started, clock = datetime.now(UTC), time.perf_counter()
    if already:
        _say(f"{already} of {wanted} tracklets are done already; going on with the others")
    work = TotalWork()
    while True:
        left_out[done] = True
        lost: NodesLostError | None = None
        try:
            _recognise(job, runner, settings, parts, left_out, wanted, len(done), work)
        except NodesLostError as error:
            lost = error
        before, done = len(done), np.unique(parts.done())
        if len(done) >= wanted or (len(done) == before and lost is None):
            break
        _say(f"{lost or 'a worker was lost'}; {wanted - len(done)} tracklets are missing: once more")
    left_out[done] = False
    seconds = time.perf_counter() - clock

    _say("writing the table")
    reading = job.reading()
    if again == "retry":
        table = table.with_replaced(parts, reading)
    else:
        table = table.with_rows(job.manifest, job.selection, left_out, parts, reading)
    counts = table.counts(job.tracklets)
    summary = {
        "command": "infer",
        "exit_code": 3 if counts["status"]["failed"] > job.options.max_failure_rate * job.tracklets else 0,
        "job_id": job_id,
        "run_id": run_id,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "options": _described(job, settings),
        "versions": versions(),
        "manifest": {"uri": job.manifest.uri} | rows_digest(job.manifest, job.selection),
        "weights": {"uri": job.options.weights, "sha256": job.header.sha256, "model_id": job.header.model_id},
        "schema": {
            "name": job.header.schema.name,
            "untrained": [] if job.options.zero_shot else list(job.header.untrained),
            "groups": {g.column: [c.value for c in g.classes] for g in job.header.schema.groups},
        },
        "counts": counts,
        "stages": work.rates(wanted - already, seconds),
        "partitions": {name: str(table.schema.field(name).type) for name in job.options.partition_by},
        "files": [uri.removeprefix(job.place()).lstrip("/") for uri in table.files],
        "fingerprint": fingerprint,
    }
    write_summary(job.place("run.json"), summary)
    parts.remove()
    storage.remove(job.place("_job.json"))
    return summary


def _claim(job: Job, fingerprint: Fingerprint, again: Again, parts: PartStore) -> str:
    """Record what is being done, or find that an interrupted run was doing the same; return the job's id.

    Raises OutputError if it was doing something else.
    """
    found = _read_claim(job)
    if found is None or (not parts.holds_any and found["again"] == "no" == again):
        if found is None and again == "no" and storage.list_files(job.table.folder):
            raise OutputError(
                f"{job.options.output} holds a table without run.json that this job did not begin: "
                f"give another --output"
            )
        claim = {"job_id": uuid.uuid4().hex, "again": again, "fingerprint": fingerprint}
        storage.write_bytes(job.place("_job.json"), json.dumps(claim).encode())
        return str(claim["job_id"])
    if found["again"] != again:
        option = {"no": "without --retry-failed or --add", "retry": "with --retry-failed", "add": "with --add"}
        raise OutputError(
            f"{job.options.output} has an interrupted run: run the same command {option[found['again']]} first"
        )
    refuse_other(job.options.output, found["fingerprint"], fingerprint)
    return str(found["job_id"])


def _read_claim(job: Job) -> dict[str, Any] | None:
    return read_record(job.place("_job.json"), ("job_id", "again", "fingerprint"))


def _begin(
    job: Job, finished: dict[str, Any] | None, again: Again, parts: PartStore
) -> tuple[Table, NDArray[np.bool_], int]:
    """The table as it is; for each row of the manifest, whether it is not to be recognised; how many are."""
    left_out = np.zeros(job.manifest.num_rows, bool)
    if finished is None:
        return job.table, left_out, job.tracklets
    files = tuple(job.place(name) for name in finished["files"])
    table = Table(job.table.folder, job.table.schema, job.table.partition_by, files)
    if again == "retry":
        # Rows of an interrupted retry count too: some files may have been replaced already.
        ids = pc.unique(pa.concat_arrays([table.ids(failed_only=True), parts.ids()]))
        wanted = len(ids)
    else:
        table.refuse_other_types(job.options.output)
        ids = table.ids()
        refuse_unless_grown(job.options.output, finished["manifest"], job.manifest, job.selection, ids)
        wanted = job.tracklets - len(ids)
    for batch in job.manifest.iter_batches(["tracklet_id"], _ID_ROWS):
        inside = pc.is_in(batch["tracklet_id"], ids).to_numpy(zero_copy_only=False)
        left_out[batch["_row"].to_numpy()] = ~inside if again == "retry" else inside
    return table, left_out, wanted


def _recognise(
    job: Job,
    runner: Runner,
    settings: StageSettings,
    parts: PartStore,
    left_out: NDArray[np.bool_],
    wanted: int,
    done: int,
    work: TotalWork,
) -> None:
    """Run what is missing into the parts, and keep what is done whatever happens."""
    if done >= wanted:
        return
    crop_bytes = settings.sampling.frames * settings.preprocess.crop_bytes
    size = UnitSize.choose(wanted - done, crop_bytes, runner.decode_workers)
    units = plan_units(job.manifest, job.selection, left_out, settings.sampling.frames, size)
    progress = Progress(wanted, "tracklets", already=done)
    try:
        for outcomes in runner.outcomes(units, settings):
            parts.append(outcomes)
            work.add(outcomes)
            progress.advance(len(outcomes))
    finally:
        parts.flush()
        progress.close()


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
        compile=options.compile,
        embedding=options.embedding,
        zero_shot=options.zero_shot,
    )


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


def _say(line: str) -> None:
    sys.stderr.write(f"parjob: {line}\n")
