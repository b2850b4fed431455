"""Training on a GPU: the product's own step, its crops from memory and through the product's own reader.

A step is ``par_model.training.loop.train_step``: augmentation, upload, forward, loss, backward, Adam. "From memory" has
batches ready, so the GPU sets the pace; "through the reader" decodes JPEG crops of a cache on disk as ``train`` does.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
import torch

from benchmarks.gpu_clock import Measured, measure
from benchmarks.gpu_forward import give_memory_back
from benchmarks.gpu_networks import Check, random_crops, random_recogniser
from benchmarks.results import table
from par_model.attributes import load_schema
from par_model.model.config import RecogniserConfig
from par_model.model.weights import save_weights
from par_model.runs.output import Output
from par_model.training.cache import SHARD_SCHEMA
from par_model.training.inputs import Batch, Examples, TrainPlan
from par_model.training.loop import Learner, crops_reader, forward, train_step
from par_model.training.loss import weighted_bce
from par_model.training.options import TrainOptions, Tune
from par_model.training.workers import Worker
from par_model.types import Preprocess

GRADIENT_LIMIT = 2e-2  # 1 - cosine of all gradients, bf16 against float32
LOSS_LIMIT = 1e-2  # share of the loss
# Calls to measure what a reader's threads give: they read one batch each ahead, which must not count for their rate.
_BURSTS = {"warm": 18, "least": 45}


@dataclass(frozen=True)
class Training:
    """One way to train. measured: steps from memory; fed: steps through the reader; both of ``batch`` tracklets."""

    tune: Tune
    precision: str
    compiled: bool
    batch: int
    measured: Measured
    fed: Measured


def measure_training(
    config: RecogniserConfig,
    device: torch.device,
    *,
    schema: str,
    batch: int,
    ways: Sequence[tuple[Tune, str, bool]],
    seconds: float = 1.0,
) -> tuple[list[Training], float, list[Check]]:
    """Each of ``ways`` (what is tuned, precision, compiled); what the reader alone gives, in tracklets a second."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for tune, precision, compiled in ways:
            learner = _learner(config, device, Path(folder), schema, batch, tune, precision)
            if compiled:
                torch._dynamo.reset()
                learner.recogniser.compile()
            found.append(_measure(learner, compiled, batch, seconds))
            print(f"{tune}, {precision}: {1 / found[-1].measured.seconds:.2f} steps/s", file=sys.stderr, flush=True)
            del learner
            give_memory_back()
        learner = _learner(config, device, Path(folder), schema, batch, "side", "fp32")
        reader = _through_the_reader(learner)
        alone = batch / measure(lambda: next(reader), torch.device("cpu"), seconds=seconds, **_BURSTS).mean
        checks = _checks(config, device, Path(folder), schema, batch)
    return found, alone, checks


def _measure(learner: Learner, compiled: bool, batch: int, seconds: float) -> Training:
    options, device = learner.plan.options, learner.worker.device

    def step(reader: Iterator[Batch]) -> Callable[[], float]:
        return lambda: train_step(learner, 1, reader, 1, batch)

    ready = next(_through_the_reader(learner))
    memory = measure(step(itertools.repeat(ready)), device, seconds=seconds)
    fed = measure(step(_through_the_reader(learner)), device, seconds=seconds, **_BURSTS)
    return Training(options.tune, options.precision, compiled, batch, memory, fed)


def _through_the_reader(learner: Learner) -> Iterator[Batch]:
    plan = learner.plan
    reader = crops_reader(learner, plan.train, plan.options.sampling)
    indices = np.arange(len(plan.train), dtype=np.int64)
    for epoch in itertools.count(1):
        yield from reader.batches([indices] * 16, epoch)


def _learner(
    config: RecogniserConfig, device: torch.device, folder: Path, schema: str, batch: int, tune: Tune, precision: str
) -> Learner:
    """As a run of ``train`` starts, from random weights and one shard of random crops."""
    uri, shard = str(folder / "random.safetensors"), str(folder / "shard-00000.parquet")
    backbone = config.backbone
    known = load_schema(schema)
    if not Path(uri).exists():
        recogniser = random_recogniser(config, torch.device("cpu"))
        save_weights(uri, recogniser, schema=known, preprocess=Preprocess(backbone.image_height, backbone.image_width))
        _write_shard(config, shard, batch)
    labels = np.random.default_rng(0).integers(0, 2, (batch, config.num_classes), dtype=np.int8)
    examples = Examples(tuple(map(str, range(batch))), labels)
    options = TrainOptions(
        manifest="",
        weights=uri,
        output=str(folder),
        batch_size=batch,
        tune=tune,
        precision=precision,  # type: ignore[arg-type]
        lr=1e-6,  # random labels teach nothing: the network stays what it is
    )
    plan = TrainPlan(
        options=options,
        weights=uri,
        output=Output(str(folder)),
        frames=config.frames,
        train=examples,
        val=examples,
        trained=(True,) * config.num_classes,
        shards=(shard,),
        run_id=f"benchmark-{folder.name}",
        fingerprint={},
    )
    return Learner.start(plan, Worker(device=device))


def _write_shard(config: RecogniserConfig, uri: str, tracklets: int) -> None:
    """As many crops a tracklet as ``train`` keeps by default, and as it keeps them."""
    kept = TrainOptions.cache_frames
    each = [random_crops(config, 1, frames=kept, seed=seed)[0] for seed in range(tracklets)]
    encoded = [[simplejpeg.encode_jpeg(crop, quality=95, colorsubsampling="444") for crop in crops] for crops in each]
    rows = {
        "tracklet_id": [str(row) for row in range(tracklets)],
        "error": [None] * tracklets,
        "message": [None] * tracklets,
        "frames": [list(range(kept))] * tracklets,
        "crops": encoded,
    }
    pq.write_table(pa.table(rows, schema=SHARD_SCHEMA), uri)


def _checks(config: RecogniserConfig, device: torch.device, folder: Path, schema: str, batch: int) -> list[Check]:
    """Loss and gradients of one batch, bf16 against float32, the network in evaluation mode: no drop-path."""
    losses, gradients = [], []
    for precision in ("fp32", "bf16"):
        learner = _learner(config, device, folder, schema, batch, "full", precision)
        one = next(_through_the_reader(learner))
        labels = torch.from_numpy(one.labels).to(device)
        loss = weighted_bce(forward(learner, one, None), labels, learner.ratios)
        torch.autograd.backward(loss)
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in learner.parameters if p.grad is not None]).double())
        del learner
    cosine = torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0).item()
    name = config.backbone.name
    return [
        Check(f"{name}, loss in bf16: share that it is off", abs(losses[1] / losses[0] - 1), LOSS_LIMIT),
        Check(f"{name}, gradients in bf16: 1 - cosine with those of float32", 1 - cosine, GRADIENT_LIMIT),
    ]


def training_table(found: Sequence[Training], reader_rate: float) -> str:
    rows = [
        [
            one.tune,
            one.precision,
            "yes" if one.compiled else "no",
            f"{1 / one.measured.seconds:.2f}",
            f"{one.batch / one.measured.seconds:.0f}",
            one.measured.peak,
            f"{1 / one.fed.mean:.2f}",
        ]
        for one in found
    ]
    header = ["tuned", "precision", "compiled", "steps/s", "tracklets/s", "peak memory", "steps/s, fed by the reader"]
    plain = {one.tune: one for one in found if one.precision == "bf16" and not one.compiled}
    lines = [table(header, rows), f"The reader alone: {reader_rate:.0f} tracklets/s."]
    if {"side", "full"} <= plain.keys() and plain["full"].measured.peak_bytes:
        side, full = plain["side"].measured, plain["full"].measured
        lines.append(
            f"Side against full, bf16: {side.seconds / full.seconds:.2f} of the time of a step, "
            f"{side.peak_bytes / full.peak_bytes:.2f} of the memory."
        )
    return "\n\n".join(lines)
