"""A run of ``train``, top-down: look, refuse or claim the output, decode once, train, sum up, write ``run.json``.

OUT/_job.json                what changes results, written first
OUT/_lock                    who is at it
OUT/_crops/                  decoded crops, unless --crops says where
OUT/_checkpoint.safetensors  what an interrupted run goes on from
OUT/_tensorboard/            event files, one an epoch
OUT/_curves.png              learning curves
OUT/best.safetensors, OUT/last.safetensors, OUT/metrics.parquet
OUT/run.json                 written last
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from par_model import storage
from par_model.attributes import load_schema
from par_model.choices import Policy
from par_model.errors import ManifestError, OutputError
from par_model.manifest.labels import Labels, read_labels
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.weights import WeightsHeader, read_header
from par_model.progress import Progress
from par_model.runs.differences import differing, refuse_differing
from par_model.runs.lock import Held
from par_model.runs.output import CLAIM, Found, Output
from par_model.runs.record import Fingerprinted, record_head
from par_model.sampling import Sampling
from par_model.training.cache import Shard, failures, missing_shards, plan_shards
from par_model.training.checkpoint import NAME, load_history
from par_model.training.inputs import Examples, TrainPlan
from par_model.training.metrics import write_curves, write_metrics
from par_model.training.options import TrainOptions
from par_model.training.pace import Say, Step
from par_model.training.split import Split, split_labels
from par_model.video.options import BEFORE_RECORDED
from par_model.wording import listed

_log = logging.getLogger(__name__)

_NAMED = 8  # classes that a warning lists


class Trainer(Protocol):
    """Where the work is done."""

    def write_shards(self, shards: Sequence[Shard]) -> Iterator[int]: ...

    def train(self, plan: TrainPlan, say: Say) -> None: ...


@dataclass(frozen=True, eq=False)
class TrainJob:
    """What was looked at before anything is written."""

    options: TrainOptions
    manifest: Manifest
    header: WeightsHeader
    split: Split
    frames: int
    content: str
    fingerprint: dict[str, Any]

    @classmethod
    def look(cls, options: TrainOptions) -> TrainJob:
        """Read what there is to read and refuse what cannot be done. Writes nothing."""
        header = read_header(weights_uri(options.weights))
        frames = options.frames or header.config.frames
        header.config.check_frames(frames)
        manifest = Manifest.open(options.manifest)
        refuse_ambiguous(manifest, None)
        labelled_by = load_schema(options.schema) if options.schema is not None else None
        labels = read_labels(manifest, header.schema, labelled_by=labelled_by)
        split = split_labels(labels, val_fraction=options.val_fraction, seed=options.seed, uri=options.manifest)
        content = manifest.content_fingerprint()
        # Of the labels as they are read: another --schema gives the same file's labels another meaning.
        meaning = hashlib.sha256(labels.values.tobytes()).hexdigest()
        fingerprint = {
            "manifest": content,
            "labels": meaning,
            "weights": header.sha256,
            "frames": frames,
            **options.results(),
        }
        return cls(options, manifest, header, split, frames, content, fingerprint)

    @property
    def output(self) -> Output:
        """The folder that the run writes."""
        return Output(self.options.output)

    def shards(self, before: storage.Before | None = None) -> list[Shard]:
        """The crops to decode: of training tracklets up to --cache-frames, of validation ones what infer would see;
        with --sampling cheap, of all what infer would see with it.

        before: asked before one is written.
        """
        options = self.options
        is_cheap = options.sampling == "cheap"
        of_training = self.frames if is_cheap else max(options.cache_frames, self.frames)
        policy: Policy = "cheap" if is_cheap else "uniform"
        folder = storage.absolute(options.crops) if options.crops is not None else self.output.place("_crops")
        return [
            replace(shard, before=before)
            for part, kept in (
                (self.split.train, of_training),
                (self.split.val, self.frames),
            )
            for shard in plan_shards(
                self.manifest,
                part.rows,
                folder,
                content=self.content,
                preprocess=self.header.preprocess,
                sampling=Sampling(policy, kept, decode_budget=options.decode_budget),
                decode=options.decode,
            )
        ]


def run_training(options: TrainOptions, make_trainer: Callable[[], AbstractContextManager[Trainer]]) -> dict[str, Any]:
    """Do what is missing of a run and return its record.

    make_trainer: called once there is work to do. Raises ParError; KeyboardInterrupt passes through, and what is lost
    is the epoch that was under way.
    """
    job = TrainJob.look(options)
    if (finished := _finished(job)) is not None:
        return finished
    with job.output.lock() as held:
        if (finished := _finished(job)) is not None:  # since the first look another job may have ended
            return finished
        _claim(job, held)
        with make_trainer() as trainer:
            return _run(job, held, trainer)


def _claim(job: TrainJob, held: Held) -> None:
    """Record what is being done, or find that an interrupted run was doing the same. Raises OutputError."""

    def goes_on(found: Found) -> bool:
        return not differing(BEFORE_RECORDED | found["fingerprint"], job.fingerprint)

    def refuse_unclaimed() -> None:
        if storage.exists(job.output.place(NAME)):
            raise OutputError(f"{job.options.output} holds a checkpoint of an unknown run: give another --output")

    job.output.claim_or_resume(
        held,
        {"fingerprint": job.fingerprint},
        finished=None,
        kind=Fingerprinted,
        goes_on=goes_on,
        refuse=lambda found: _refuse_other(job, found["fingerprint"]),
        refuse_unclaimed=refuse_unclaimed,
    )


def _finished(job: TrainJob) -> dict[str, Any] | None:
    """The record of this run if it is complete. Raises OutputError if another one is."""
    finished = job.output.record()
    if finished is not None:
        _refuse_more_epochs(job, finished)
        _refuse_other(job, finished["fingerprint"])
        _log.info(f"{job.options.output} is complete: {finished['epochs']} epochs; nothing to do")
    return finished


def _run(job: TrainJob, held: Held, trainer: Trainer) -> dict[str, Any]:
    started, clock = datetime.now(UTC), time.perf_counter()
    shards = job.shards(held.verify)
    _decode(trainer, shards)
    bad = failures(shards)
    plan = _plan(job, shards, bad, held.verify)
    _warn(job, plan)
    _train(trainer, plan)

    history = load_history(plan.output.place(NAME), plan.fingerprint)
    if len(history.epochs) < job.options.epochs:
        raise OutputError(
            f"{job.options.output} has {len(history.epochs)} of {job.options.epochs} epochs where this process looks: "
            "the workers must write to the same storage, so give an --output that all machines share, such as s3://"
        )
    write_metrics(job.output.place("metrics.parquet"), history.epochs, held.verify)
    write_curves(job.output.place("_curves.png"), history.epochs, held.verify)
    best = history.epochs[history.best_epoch - 1]
    record = {
        **record_head("train", exit_code=0, run_id=plan.run_id, started=started, seconds=time.perf_counter() - clock),
        "epochs": len(history.epochs),
        "options": job.options.results() | {"frames": job.frames, "workers": job.options.workers},
        "manifest": {"uri": job.manifest.uri, "rows": job.manifest.num_rows},
        "weights": {"uri": job.options.weights, "sha256": job.header.sha256, "model_id": job.header.model_id},
        "schema": {"name": job.header.schema.name},
        "counts": {"train": len(plan.train), "val": len(plan.val), "failed": len(bad)},
        "failed": dict(sorted(bad.items())),
        "held_out": list(job.split.held_out),
        "untrained": _untrained(job, plan),
        "without_a_positive": _without_a_positive(job, plan),
        "best": best,
        "last": history.epochs[-1],
        "fingerprint": job.fingerprint,
    }
    job.output.write_record(held, record)
    job.output.clear(held, CLAIM)
    return record


def _decode(trainer: Trainer, shards: Sequence[Shard]) -> None:
    todo = missing_shards(shards)
    wanted, left = (sum(len(shard.rows) for shard in some) for some in (shards, todo))
    if not todo:
        _log.info(f"the crops of {wanted} tracklets are decoded already")
        return
    _log.info(f"decoding the crops of {left} of {wanted} tracklets, once for all epochs")
    progress = Progress(left, "tracklets")
    try:
        for count in trainer.write_shards(todo):
            progress.advance(count)
    finally:
        progress.close()


def _train(trainer: Trainer, plan: TrainPlan) -> None:
    each = len(plan.train)
    done = len(load_history(plan.output.place(NAME), plan.fingerprint).epochs)
    progress = Progress(plan.options.epochs * each, "tracklets", already=done * each)

    def say(said: str | Step) -> None:
        if isinstance(said, Step):
            progress.reach(said.done, said.note)
        else:
            progress.say(f"parjob: {said}")

    try:
        trainer.train(plan, say)
    finally:
        progress.close()


def _plan(
    job: TrainJob, shards: Sequence[Shard], bad: dict[str, str], before: storage.Before | None = None
) -> TrainPlan:
    """Raises ManifestError if too many tracklets, or all of a part, could not be decoded."""
    options, split = job.options, job.split
    wanted = len(split.train) + len(split.val)
    if len(bad) > options.max_failure_rate * wanted:
        first = next(iter(sorted(bad)))
        raise ManifestError(
            f"{len(bad)} of {wanted} labelled tracklets could not be read, more than --max-failure-rate "
            f"{options.max_failure_rate:g}; the first is {first!r}: {bad[first]}"
        )
    train, val = _examples(split.train, bad), _examples(split.val, bad)
    for name, part in (("train", train), ("val", val)):
        if len(part) < (2 if name == "train" else 1):
            raise ManifestError(f"{options.manifest}: no tracklet to {name} on could be read")
    return TrainPlan(
        options=options,
        weights=weights_uri(DEMO) if options.weights == DEMO else storage.absolute(options.weights),
        output=Output(job.output.place()),
        frames=job.frames,
        train=train,
        val=val,
        trained=tuple(bool(known) for known in np.count_nonzero(train.labels >= 0, axis=0)),
        shards=tuple(shard.uri for shard in shards),
        run_id=uuid.uuid4().hex[:12],
        fingerprint=job.fingerprint,
        before=before,
    )


def _examples(labels: Labels, bad: dict[str, str]) -> Examples:
    good = labels.where(np.array([tracklet_id not in bad for tracklet_id in labels.ids], bool))
    return Examples(tuple(good.ids), good.values)


def _untrained(job: TrainJob, plan: TrainPlan) -> list[str]:
    return [name for name, trained in zip(job.header.schema.score_fields, plan.trained, strict=True) if not trained]


def _without_a_positive(job: TrainJob, plan: TrainPlan) -> list[str]:
    positives = np.count_nonzero(plan.train.labels > 0, axis=0)
    names = zip(job.header.schema.score_fields, positives, plan.trained, strict=True)
    return [name for name, count, trained in names if trained and not count]


def _warn(job: TrainJob, plan: TrainPlan) -> None:
    held = f", {len(job.split.held_out)} people held out" if job.split.held_out else ""
    _log.info(f"training on {len(plan.train)} tracklets, validating on {len(plan.val)}{held}")
    failed = len(job.split.train) + len(job.split.val) - len(plan.train) - len(plan.val)
    if failed:
        _log.warning(f"{failed} labelled tracklets could not be read and are left out; run.json says why")
    if names := _untrained(job, plan):
        _log.warning(
            f"never annotated in the training split, so left out of the loss and untrained: {listed(names, _NAMED)}"
        )
    if names := _without_a_positive(job, plan):
        _log.warning(f"annotated, but never positive in the training split: {listed(names, _NAMED)}")


def _refuse_more_epochs(job: TrainJob, finished: dict[str, Any]) -> None:
    """Raise OutputError, with the command that goes on, where a finished run is only to be longer."""
    done, wanted = finished["epochs"], job.options.epochs
    longer = BEFORE_RECORDED | finished["fingerprint"] | {"epochs": wanted}
    if wanted <= done or differing(longer, job.fingerprint):
        return
    more = replace(
        job.options,
        weights=storage.join(job.options.output, "best.safetensors"),
        output=f"{job.options.output.rstrip('/')}-more",
        epochs=wanted - done,
    )
    raise OutputError(
        f"{job.options.output} is complete: its schedule ended with epoch {done}. To train its best weights further: "
        f"{more.command()}"
    )


def _refuse_other(job: TrainJob, recorded: dict[str, Any]) -> None:
    refuse_differing(job.options.output, BEFORE_RECORDED | recorded, job.fingerprint)
