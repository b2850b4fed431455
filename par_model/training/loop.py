"""The training loop: one process, alone or among several, in plain torch.

Dimension letters: B tracklets, T frames, H and W pixels, C classes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from par_model.errors import TrainingError
from par_model.evaluation.calibration import calibrate_thresholds
from par_model.evaluation.measures import answer, measure
from par_model.evaluation.paper import paper_metrics
from par_model.model.device import choose_precision
from par_model.model.recogniser import Recogniser
from par_model.model.weights import WeightsHeader, load_weights, save_weights
from par_model.scratch import scratch_folder, scratch_path
from par_model.training.augment import Draw, draw, flip_labels, mirrored_classes, pad_crop_flip
from par_model.training.batches import epoch_order, micro_steps, share, steps
from par_model.training.checkpoint import NAME, History, load_checkpoint, save_checkpoint
from par_model.training.inputs import Batch, Examples, Reader, TrainPlan
from par_model.training.loss import positive_ratios, weighted_bce
from par_model.training.metrics import write_events, write_metrics
from par_model.training.optimiser import make_optimisers
from par_model.training.options import TrainSampling
from par_model.training.pace import Pace, Say, epoch_line
from par_model.training.schedule import learning_rate, smooth_rate
from par_model.training.store import CropStore, gather_shards
from par_model.training.workers import OverallBatchNorm, Worker

_MOST_READERS = 8  # threads that decode crops for one GPU

Report = Callable[[dict[str, Any]], None]


@dataclass
class Learner:
    """The network in training and all that its steps need. ratios: [C], of the training split."""

    plan: TrainPlan
    worker: Worker
    recogniser: Recogniser
    header: WeightsHeader
    parameters: list[nn.Parameter]
    optimisers: list[torch.optim.Optimizer]
    ratios: Tensor
    store: CropStore

    @classmethod
    def start(cls, plan: TrainPlan, worker: Worker) -> Learner:
        recogniser, header = load_weights(plan.weights)
        recogniser.float()  # files may be of half precision, in which small steps would be lost
        if plan.options.tune == "head":
            torch.manual_seed(_torch_seed(plan.options.seed, 0, 0))  # every worker starts from the same Linear
            recogniser = recogniser.without_sides()
        if plan.options.tune == "full":
            recogniser = recogniser.without_zero_shot()  # the tower leaves the space of CLIP's texts
        recogniser.config = replace(recogniser.config, frames=plan.frames)
        recogniser.bn = OverallBatchNorm.of(recogniser.bn)
        recogniser.to(worker.device)
        parameters = recogniser.tune(plan.options.tune, frames=plan.frames)
        ratios = positive_ratios(torch.from_numpy(plan.train.labels)).to(worker.device)
        optimisers = make_optimisers(plan.options.optimizer, recogniser, parameters, plan.options.lr)
        return cls(plan, worker, recogniser, header, parameters, optimisers, ratios, _local_store(plan, worker))


def train(plan: TrainPlan, worker: Worker, say: Say, report: Report = lambda row: None) -> None:
    """Go on from the last whole epoch, or begin, and end after the last epoch with everything written below OUT.

    say: takes progress lines; called on rank 0 only. report: takes each epoch's row of metrics, on every worker.
    Every worker must call this with the same plan.
    Raises TrainingError, on every worker at once, if the loss is not a number; StorageError.
    """
    learner = Learner.start(plan, worker)
    history = load_checkpoint(plan.output.place(NAME), learner.recogniser, learner.optimisers, plan.fingerprint)
    if history.epochs and worker.rank == 0:
        publish(learner, history)
        say(f"going on after epoch {len(history.epochs)} of {plan.options.epochs}")
    pace = Pace(plan, worker, say)
    for epoch in range(history.next_epoch, plan.options.epochs + 1):
        started = time.perf_counter()
        torch.manual_seed(_torch_seed(plan.options.seed, epoch, worker.rank))
        losses, rate = train_epoch(learner, epoch, pace)
        checked = validate(learner)
        seconds = time.perf_counter() - started
        row = {
            "epoch": epoch,
            "steps": len(losses),
            "learning_rate": rate,
            "train_loss": float(np.mean(losses)),
            "val_loss": checked.loss,
            **checked.measures,
            "seconds": seconds,
            "tracklets_per_second": len(plan.train) / seconds,
            "workers": worker.count,
        }
        if not isfinite(checked.loss):
            raise TrainingError(f"validation loss is {checked.loss} after epoch {epoch}; {_advice(learner, epoch)}")
        _follow(history, row, checked.thresholds)
        if worker.rank == 0:
            keep(learner, history, losses)
            say(epoch_line(row, plan.options.epochs))
        worker.wait_for_all()
        report(row)


def train_epoch(learner: Learner, epoch: int, pace: Pace) -> tuple[list[float], float]:
    """Every training tracklet once; the loss of each step, and the last step's learning rate."""
    plan, worker = learner.plan, learner.worker
    options = plan.options
    batches = steps(epoch_order(len(plan.train), options.seed, epoch), options.batch_size)
    parts = [micro_steps(batch, worker.count, options.micro_batch) for batch in batches]
    mine = [share(part, worker.rank, worker.count) for step in parts for part in step]
    reader = crops_reader(learner, plan.train, options.sampling).batches(mine, epoch)
    losses = []
    for number, (batch, step) in enumerate(zip(batches, parts, strict=True), start=1):
        rate = _set_rate(learner, epoch, number, len(batches))
        loss = train_step(learner, epoch, reader, len(step), len(batch))
        if not isfinite(loss):
            ids = ", ".join(plan.train.ids[index] for index in batch)
            raise TrainingError(
                f"loss is {loss} at epoch {epoch}, step {number}; its tracklets: {ids}; {_advice(learner, epoch)}"
            )
        losses.append(loss)
        pace.step(epoch, number, len(batches), loss, rate)
    return losses, rate


def crops_reader(learner: Learner, examples: Examples, sampling: TrainSampling) -> Reader:
    """Crops of the examples. A GPU takes them faster than one thread decodes; on a CPU the network needs the cores."""
    plan = learner.plan
    threads = min(_MOST_READERS, torch.get_num_threads()) if learner.worker.device.type == "cuda" else 1
    return Reader(learner.store, examples, plan.frames, sampling, plan.options.seed, threads)


def _set_rate(learner: Learner, epoch: int, step: int, steps: int) -> float:
    """Give the optimisers the rate of a step, counted from 1 to ``steps`` in its epoch, and return it."""
    options = learner.plan.options
    if options.schedule == "step":
        rate = smooth_rate((epoch - 1 + (step - 0.5) / steps) / options.epochs, peak=options.lr)
    else:
        rate = learning_rate(epoch, epochs=options.epochs, peak=options.lr)
    for optimiser in learner.optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
    return rate


def train_step(learner: Learner, epoch: int, reader: Iterator[Batch], micro: int, tracklets: int) -> float:
    """One update from ``micro`` micro-steps, ``tracklets`` in all over the workers. The loss over all of them.

    The loss is a sum over tracklets divided by their number over all workers, so summed gradients are its gradient.
    """
    recogniser = learner.recogniser.train()
    recogniser.zero_grad(set_to_none=True)
    total = torch.zeros(1, device=learner.worker.device)
    for _ in range(micro):
        batch = next(reader)
        if batch.pixels is None:
            # No share of this micro-step: take part in what the others add up, with nothing.
            empty = torch.zeros(0, recogniser.config.num_classes, device=total.device, requires_grad=True)
            torch.autograd.backward(recogniser.bn(empty).sum())
            continue
        logits = forward(learner, batch, epoch)
        labels = torch.from_numpy(_labels(learner, batch, epoch)).to(total.device)
        loss = weighted_bce(logits, labels, learner.ratios) * len(batch.ids) / tracklets
        torch.autograd.backward(loss)
        total += loss.detach()
    learner.worker.add_up_gradients(learner.parameters)
    learner.worker.add_up(total)
    if learner.plan.options.clip_norm is not None:
        nn.utils.clip_grad_norm_(learner.parameters, learner.plan.options.clip_norm)
    loss_of_all = float(total)  # read before the update, so that the next step's work follows it without a wait
    if isfinite(loss_of_all):
        for optimiser in learner.optimisers:
            optimiser.step()
    return loss_of_all


def _draws(learner: Learner, batch: Batch, epoch: int) -> list[Draw]:
    options = learner.plan.options
    return [draw(options.seed, epoch, tracklet_id, shift=options.augment == "all") for tracklet_id in batch.ids]


def _labels(learner: Learner, batch: Batch, epoch: int) -> NDArray[np.int8]:
    if learner.plan.options.augment == "none":
        return batch.labels
    return flip_labels(batch.labels, _draws(learner, batch, epoch), mirrored_classes(learner.header.schema))


def forward(learner: Learner, batch: Batch, epoch: int | None) -> Tensor:
    """Logits [B, C] of uint8 crops; with an epoch, augmented by its draws."""
    assert batch.pixels is not None
    pixels = torch.from_numpy(batch.pixels).to(learner.worker.device, non_blocking=True)
    if epoch is not None and learner.plan.options.augment != "none":
        pixels = pad_crop_flip(pixels, _draws(learner, batch, epoch))
    preprocess = learner.header.preprocess
    mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (preprocess.mean, preprocess.std))
    with _autocast(learner):
        frames = pixels.permute(0, 1, 4, 2, 3) * (1 / (255 * std)) - mean / std
        logits: Tensor = learner.recogniser(frames)
    return logits.float()


@dataclass(frozen=True)
class Checked:
    """What validation found: columns of metrics.parquet, and the best threshold of each class."""

    loss: float
    measures: dict[str, float | None]
    thresholds: list[float]


def validate(learner: Learner) -> Checked:
    """Each worker takes every so manieth tracklet; all know the result."""
    plan, worker = learner.plan, learner.worker
    options = plan.options
    learner.recogniser.eval()
    logits = torch.zeros(len(plan.val), learner.recogniser.config.num_classes, device=worker.device)
    mine = np.arange(len(plan.val), dtype=np.int64)[worker.rank :: worker.count]
    size = options.micro_batch or -(-options.batch_size // worker.count)
    parts = [mine[start : start + size] for start in range(0, len(mine), size)]
    reader = crops_reader(learner, plan.val, "uniform")
    with torch.inference_mode():
        for batch in reader.batches(parts, 0):
            logits[torch.from_numpy(batch.indices)] = forward(learner, batch, None)
    with torch.no_grad():
        worker.add_up(logits)
        labels = torch.from_numpy(_known_labels(plan)).to(worker.device)
        loss = weighted_bce(logits, labels, learner.ratios)
    return _checked(learner, float(loss), torch.sigmoid(logits).cpu().numpy())


def _known_labels(plan: TrainPlan) -> NDArray[np.int8]:
    """The validation labels [B, C], -1 for classes that are not trained: nothing is learnt of those."""
    return np.where(np.asarray(plan.trained), plan.val.labels, -1).astype(np.int8)


def _checked(learner: Learner, loss: float, scores_BC: Any) -> Checked:
    plan, schema = learner.plan, learner.header.schema
    labels = _known_labels(plan)
    if not isfinite(loss):
        return Checked(loss, {}, [0.5] * schema.num_classes)
    thresholds = calibrate_thresholds(labels, scores_BC)
    means = measure(labels, answer(scores_BC, schema, thresholds), schema)["means"]
    measures = {
        "val_macro_f1": means["macro_f1"],
        "val_mA": means["mA"],
        "val_group_accuracy": means["group_accuracy"],
        "val_paper_f1": paper_metrics(labels, scores_BC, schema).mean.f1,
    }
    return Checked(loss, measures, thresholds)


def _follow(history: History, row: dict[str, Any], thresholds: list[float]) -> None:
    """Add an epoch. The best has the highest macro F1 in validation; of equals that with the lowest loss."""
    best = history.epochs[history.best_epoch - 1] if history.best_epoch else None
    row["best"] = best is None or _merit(row) > _merit(best)
    history.epochs.append(row)
    history.last_thresholds = thresholds
    if row["best"]:
        history.best_epoch, history.thresholds = row["epoch"], thresholds


def _merit(row: dict[str, Any]) -> tuple[float, float]:
    return row["val_macro_f1"] or 0.0, -row["val_loss"]


def keep(learner: Learner, history: History, losses: list[float]) -> None:
    """Write what the epoch made. The checkpoint decides whether an epoch is done; what can be made of it comes after,
    so that weights and metrics are never of an epoch that is done again."""
    by_step = dict(enumerate(losses, start=sum(r["steps"] for r in history.epochs[:-1]) + 1))
    output, before = learner.plan.output, learner.plan.before
    write_events(output.place("_tensorboard"), history.epochs[-1], by_step, before)
    save_checkpoint(output.place(NAME), learner.recogniser, learner.optimisers, history, before)
    publish(learner, history)


def publish(learner: Learner, history: History) -> None:
    """Write metrics and weights as of the last checkpoint. Repeated after an interruption, it changes nothing."""
    plan, row = learner.plan, history.epochs[-1]
    trained = learner.recogniser.for_frames(plan.frames)
    for name in ["last", *(["best"] if row["best"] else [])]:
        save_weights(
            plan.output.place(f"{name}.safetensors"),
            trained,
            schema=learner.header.schema,
            preprocess=learner.header.preprocess,
            thresholds=history.last_thresholds,
            trained=plan.trained,
            training=_origin(learner, row),
            before=plan.before,
        )
    write_metrics(plan.output.place("metrics.parquet"), history.epochs, plan.before)


def _origin(learner: Learner, row: dict[str, Any]) -> dict[str, Any]:
    """What the weights say of how they came to be."""
    plan = learner.plan
    return {
        "state": "trained",
        "from": learner.header.model_id,
        "epoch": row["epoch"],
        "tracklets": len(plan.train),
        "validation": {name: value for name, value in row.items() if name.startswith("val_")},
        "options": plan.options.results() | {"frames": plan.frames},
    }


def _advice(learner: Learner, epoch: int) -> str:
    kept = f"the weights of epoch {epoch - 1} are kept" if epoch > 1 else "no epoch is complete, so no weights are kept"
    # Muon's steps of matrices are as long as the rate says, however long the gradient.
    clip = ", or set --clip-norm 1," if learner.plan.options.optimizer == "adam" else ""
    return f"{kept}; lower --lr{clip} with another --output"


def _autocast(learner: Learner) -> AbstractContextManager[Any]:
    device = learner.worker.device.type
    if choose_precision(learner.plan.options.precision, "cuda" if device == "cuda" else "cpu") == "bf16":
        return torch.autocast(device, torch.bfloat16)
    return nullcontext()


def _torch_seed(seed: int, epoch: int, rank: int) -> int:
    """For drop-path: every worker and epoch draws its own."""
    return int(np.random.SeedSequence([seed % 2**32, epoch, rank]).generate_state(1)[0])


def _local_store(plan: TrainPlan, worker: Worker) -> CropStore:
    """This machine's copy of the crops, made by its first worker; its name is gone as soon as all have it open."""
    path = os.path.join(scratch_path("crops", plan.run_id), "crops.arrow")
    with scratch_folder("crops", plan.run_id) if worker.local_rank == 0 else nullcontext():
        if worker.local_rank == 0:
            gather_shards(plan.shards, path)
        worker.wait_for_all()
        store = CropStore(path)
        worker.wait_for_all()
    return store
