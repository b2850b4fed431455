"""What the network and the model stage might do otherwise on a GPU, each beside what they do now, on the same numbers.

None of it is in par_model: what pays here goes there, what does not is dropped, and LOG.md says which and why. Errors
are the largest difference from float32, as a share of the largest number in it; of scores, the difference itself.

Dimension letters: B tracklets, T frames.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.gpu_clock import measure
from benchmarks.gpu_forward import give_memory_back
from benchmarks.gpu_networks import (
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
from par_model.model.recogniser import Recogniser
from par_model.types import Preprocess

Run = Callable[[], Tensor]
_EXACT_LIMIT = 2e-2  # of a part in bf16, as a share of the largest number


@dataclass(frozen=True)
class Candidate:
    """Two ways to compute the same. exact: in float32."""

    what: str
    now: Run
    other: Run
    exact: Run
    scores: bool = False

    def off(self, run: Run) -> float:
        exact = self.exact()
        return apart(run(), exact) / (1.0 if self.scores else float(exact.abs().max()))


@dataclass(frozen=True)
class Compared:
    what: str
    now: float
    other: float
    now_off: float
    other_off: float


def measure_candidates(
    config: RecogniserConfig, device: torch.device, *, batch: int, seconds: float = 1.0
) -> tuple[list[Compared], list[Check]]:
    """Each candidate at one batch size, eager: what the compiler does of itself, modes of the forward part show."""
    recogniser = random_recogniser(config, device)
    pixels = random_crops(config, batch)
    found, checks = [], []
    for one in _candidates(recogniser, pixels, device):
        now_off, other_off = one.off(one.now), one.off(one.other)
        times = [measure(run, device, seconds=seconds).seconds for run in (one.now, one.other)]
        found.append(Compared(one.what, times[0], times[1], now_off, other_off))
        limit = SCORE_LIMIT if one.scores else _EXACT_LIMIT
        checks.append(Check(f"{config.backbone.name}, {one.what}: error", other_off, limit))
        print(f"{one.what}: {times[0] / times[1]:.2f}x", file=sys.stderr, flush=True)
        give_memory_back()
    return found, checks


def _candidates(recogniser: Recogniser, pixels: NDArray[np.uint8], device: torch.device) -> Iterator[Candidate]:
    there = torch.from_numpy(pixels).to(device)
    frames = normalised(pixels, device)
    yield pixels_to_patches(recogniser, there, frames)
    yield overlapped_uploads(recogniser, pixels, device)


def pixels_to_patches(recogniser: Recogniser, there: Tensor, frames: Tensor) -> Candidate:
    """Normalising, casting and both patch projections as one matrix product of uint8 less 128, which bf16 holds
    exactly; mean and std go into its weights, and little is left for the bias."""
    size = recogniser.config.backbone.patch
    sides = [recogniser.backbone.conv1] + ([recogniser.spatial.patch_embed] if recogniser.config.has_spatial else [])
    halves = [copy.deepcopy(side).bfloat16() for side in sides]
    preprocess, device = Preprocess(), there.device
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (preprocess.mean, preprocess.std))
    weights = torch.cat([side.weight.detach() / (255 * std) for side in sides])
    shift = torch.cat([(side.weight.detach() * ((128 / 255 - mean) / std)).sum(dim=(1, 2, 3)) for side in sides])
    biases = [side.bias if side.bias is not None else torch.zeros(len(side.weight), device=device) for side in sides]
    weight = rearrange(weights, "d c p q -> d (p q c)").bfloat16()
    bias = (shift + torch.cat(biases).detach()).bfloat16()

    @torch.inference_mode()
    def now() -> Tensor:
        again = (there.permute(0, 1, 4, 2, 3) * (1 / (255 * std)) - mean / std).bfloat16().flatten(0, 1)
        return torch.cat([half(again) for half in halves], dim=-1)

    @torch.inference_mode()
    def other() -> Tensor:
        rows = rearrange(there, "b t (r p) (c q) ch -> (b t) (r c) (p q ch)", p=size, q=size)
        return F.linear(rows.to(torch.bfloat16).sub_(128), weight, bias)

    @torch.inference_mode()
    def exact() -> Tensor:
        return torch.cat([side(frames.flatten(0, 1)) for side in sides], dim=-1)

    return Candidate("normalising folded into the patches' matrix product", now, other, exact)


def overlapped_uploads(recogniser: Recogniser, pixels: NDArray[np.uint8], device: torch.device) -> Candidate:
    """Four batches from separate crops in host memory to scores there: one thing after the other through one pinned
    buffer, or through two and on a stream of their own, while the network runs the batch before."""
    batches, crops = 4, list(pixels)
    frames = normalised(pixels, device)
    reference = float32_scores(recogniser, frames).cpu().repeat(batches, 1)
    run = network(copy.deepcopy(recogniser).for_inference(torch.bfloat16), "eager")
    scale = 1 / (255 * torch.tensor(Preprocess().std, device=device).view(3, 1, 1))
    shift = -torch.tensor(Preprocess().mean, device=device).view(3, 1, 1) * 255 * scale
    gpu = device.type == "cuda"
    buffers = [torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=gpu) for _ in range(2)]
    uploads = torch.cuda.Stream(device) if gpu else None  # type: ignore[no-untyped-call]

    def recognise(there: Tensor) -> Tensor:
        return run(there.permute(0, 1, 4, 2, 3) * scale + shift)

    def now() -> Tensor:
        scores = []
        for _ in range(batches):
            np.stack(crops, out=buffers[0].numpy())
            scores.append(recognise(buffers[0].to(device)).cpu())
        return torch.cat(scores)

    def uploaded(buffer: Tensor) -> Tensor:
        np.stack(crops, out=buffer.numpy())
        if uploads is None:
            return buffer.clone()
        with torch.cuda.stream(uploads):
            there = buffer.to(device, non_blocking=True)
        there.record_stream(torch.cuda.current_stream(device))
        return there

    def other() -> Tensor:
        running: list[Tensor] = []
        ready = uploaded(buffers[0])
        for number in range(batches):
            if uploads is not None:
                torch.cuda.current_stream(device).wait_stream(uploads)
            running.append(recognise(ready))
            if number + 1 < batches:
                if uploads is not None:
                    uploads.synchronize()  # the buffer of the batch before last is free: its upload is done
                ready = uploaded(buffers[(number + 1) % 2])
        return torch.cat([scores.cpu() for scores in running])

    return Candidate("uploads beside the network, 4 batches", now, other, lambda: reference, scores=True)


def candidates_table(found: Sequence[Compared], batch: int) -> str:
    rows = [
        [
            one.what,
            f"{one.now * 1e3:.2f} ms",
            f"{one.other * 1e3:.2f} ms",
            f"{one.now / one.other:.2f}x",
            f"{one.now_off:.1e}",
            f"{one.other_off:.1e}",
        ]
        for one in found
    ]
    return table([f"eager, batch {batch}", "now", "otherwise", "faster", "error now", "error otherwise"], rows)
