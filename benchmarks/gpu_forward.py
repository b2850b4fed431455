"""The network alone on a GPU, frames there and normalised: rate, share of the ceiling, memory, and equality."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.gpu_clock import Measured, measure
from benchmarks.gpu_networks import (
    ONE_BATCH,
    SCORE_LIMIT,
    Check,
    apart,
    float32_scores,
    network,
    normalised,
    random_crops,
    random_recogniser,
)
from benchmarks.results import table
from par_model.model.config import RecogniserConfig
from par_model.model.cost import flops
from par_model.model.recogniser import Recogniser

AIM_BATCH = 64
AIMS = {"ViT-B-16": 0.5, "ViT-L-14": 0.6}


@dataclass(frozen=True)
class Forward:
    """One way to run one batch size. measured: None if the GPU's memory is too small for it."""

    mode: str
    batch: int
    measured: Measured | None
    apart: float

    @property
    def rate(self) -> float:
        """Tracklets a second."""
        return self.batch / self.measured.seconds if self.measured else 0.0


def measure_forward(
    config: RecogniserConfig,
    device: torch.device,
    *,
    batches: Sequence[int],
    modes: Sequence[str],
    one_batch: int = AIM_BATCH,
    seconds: float = 1.0,
) -> tuple[list[Forward], list[Check]]:
    """Every mode with every batch size; those that compile for one batch size, with ``one_batch`` alone.

    Checks: every score against float32 in the same run, and that scores differ between tracklets at all.
    """
    recogniser = random_recogniser(config, device)
    frames = normalised(random_crops(config, max(batches)), device)
    reference = float32_scores(recogniser, frames)
    recogniser.for_inference(torch.bfloat16)
    give_memory_back()
    found: list[Forward] = []
    for mode in modes:
        found += _run_mode(recogniser, frames, reference, mode, _sizes(mode, batches, one_batch), seconds)
    checks = [
        Check(f"{config.backbone.name}, {mode}: furthest score from float32", max(values), SCORE_LIMIT)
        for mode in modes
        if (values := [one.apart for one in found if one.mode == mode and one.measured])
    ]
    spread = float(reference.std(dim=0).max())
    checks.append(Check("limit of a score's difference / spread of scores between tracklets", SCORE_LIMIT / spread, 1))
    return found, checks


def _sizes(mode: str, batches: Sequence[int], one_batch: int) -> list[int]:
    return [batch for batch in batches if mode not in ONE_BATCH or batch == one_batch]


def _run_mode(
    recogniser: Recogniser, frames: Tensor, reference: Tensor, mode: str, batches: Sequence[int], seconds: float
) -> list[Forward]:
    if not batches:
        return []
    found = []
    run = network(recogniser, mode)
    for batch in batches:
        part = frames[:batch]
        try:
            difference = apart(run(part), reference)
            measured = measure(partial(run, part), frames.device, seconds=seconds)
            found.append(Forward(mode, batch, measured, difference))
            print(f"{mode}, batch {batch}: {found[-1].rate:.0f} tracklets/s", file=sys.stderr, flush=True)
        except torch.cuda.OutOfMemoryError:
            found.append(Forward(mode, batch, None, 0.0))
        give_memory_back()
    return found


def give_memory_back() -> None:
    """So that what one measurement leaves behind is not the next one's peak."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def forward_table(config: RecogniserConfig, found: Sequence[Forward], ceiling: float) -> str:
    """ceiling: bf16 FLOP/s of this chip."""
    work = flops(config)
    rows = []
    for one in found:
        if one.measured is None:
            rows.append([str(one.batch), one.mode, "out of memory", "", "", "", "", ""])
            continue
        rate = one.rate * work
        rows.append(
            [
                str(one.batch),
                one.mode,
                f"{one.rate:.0f}",
                f"{rate / 1e12:.1f}",
                f"{100 * rate / ceiling:.1f} %",
                one.measured.peak,
                f"{one.apart:.1e}",
                f"{100 * one.measured.spread:.1f} %",
            ]
        )
    header = ["batch", "bf16", "tracklets/s", "TFLOP/s", "of the ceiling", "peak memory", "from float32", "spread"]
    return table(header, rows)


def aim_line(config: RecogniserConfig, found: Sequence[Forward], ceiling: float, batch: int = AIM_BATCH) -> str:
    """What the best of the modes reached at the batch size of the aim."""
    shares = {one.mode: one.rate * flops(config) / ceiling for one in found if one.batch == batch and one.measured}
    aim = AIMS.get(config.backbone.name)
    if not shares or aim is None:
        return ""
    mode = max(shares, key=shares.__getitem__)
    met = "met" if shares[mode] >= aim else "MISSED"
    return f"Batch {batch}: {100 * shares[mode]:.1f} % of the ceiling ({mode}); aim {100 * aim:.0f} %: {met}."
