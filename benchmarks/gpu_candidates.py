"""What the network and the model stage might do otherwise on a GPU, each beside what they do now, on the same numbers.

None of it is in par_model: what pays here goes there, what does not is dropped, and LOG.md says which and why. Errors
are the largest difference from float32, as a share of the largest number in it; of scores, the difference itself.

Dimension letters: B tracklets, T frames, M images, L tokens, P patches, D the tower's width.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.gpu_clock import measure
from benchmarks.gpu_forward import give_memory_back
from benchmarks.gpu_networks import (
    SCORE_LIMIT,
    Check,
    apart,
    float32_scores,
    inference,
    network,
    normalised,
    random_crops,
    random_recogniser,
)
from benchmarks.results import table
from par_model.model.blocks import QUICK_GELU, Block
from par_model.model.config import RecogniserConfig, side_heads
from par_model.model.recogniser import Recogniser
from par_model.types import Preprocess

Run = Callable[[], Tensor]
_EXACT_LIMIT = 2e-2  # of a part in bf16, as a share of the largest number


@dataclass(frozen=True)
class Candidate:
    """Two ways to compute the same. exact: in float32, or None where the two are not of the same numbers."""

    what: str
    now: Run
    other: Run
    exact: Run | None
    scores: bool = False

    def off(self, run: Run) -> float:
        assert self.exact is not None
        exact = self.exact()
        return apart(run(), exact) / (1.0 if self.scores else float(exact.abs().max()))


@dataclass(frozen=True)
class Compared:
    what: str
    now: float
    other: float
    now_off: float | None
    other_off: float | None


def measure_candidates(
    config: RecogniserConfig, device: torch.device, *, batch: int, seconds: float = 1.0
) -> tuple[list[Compared], list[Check]]:
    """Each candidate at one batch size, eager: what the compiler does of itself, modes of the forward part show."""
    recogniser = random_recogniser(config, device)
    pixels = random_crops(config, batch)
    found, checks = [], []
    for one in _candidates(recogniser, pixels, device):
        off = [None, None] if one.exact is None else [one.off(one.now), one.off(one.other)]
        times = [measure(run, device, seconds=seconds).seconds for run in (one.now, one.other)]
        found.append(Compared(one.what, times[0], times[1], *off))
        if off[1] is not None:
            limit = SCORE_LIMIT if one.scores else _EXACT_LIMIT
            checks.append(Check(f"{config.backbone.name}, {one.what}: error", off[1], limit))
        print(f"{one.what}: {times[0] / times[1]:.2f}x", file=sys.stderr, flush=True)
        give_memory_back()
    return found, checks


def _candidates(recogniser: Recogniser, pixels: NDArray[np.uint8], device: torch.device) -> Iterator[Candidate]:
    there = torch.from_numpy(pixels).to(device)
    frames = normalised(pixels, device)
    yield pixels_to_patches(recogniser, there, frames)
    yield quickgelu_as_silu(recogniser, device, len(pixels))
    yield temporal_taps_at_once(recogniser, device, len(pixels))
    yield friendly_width(recogniser, device, len(pixels))
    yield from whole_networks(recogniser, frames)
    yield overlapped_uploads(recogniser, pixels, device)


def pixels_to_patches(recogniser: Recogniser, there: Tensor, frames: Tensor) -> Candidate:
    """Normalising, casting and both patch projections as one matrix product of uint8 less 128, which bf16 holds
    exactly; mean and std go into its weights, and little is left for the bias."""
    size = recogniser.config.backbone.patch
    sides = [recogniser.backbone.conv1] + ([recogniser.spatial.patch_embed] if recogniser.config.has_spatial else [])
    preprocess, device = Preprocess(), there.device
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (preprocess.mean, preprocess.std))
    weights = torch.cat([conv.weight.detach() / (255 * std) for conv in sides])
    shift = torch.cat([(conv.weight.detach() * ((128 / 255 - mean) / std)).sum(dim=(1, 2, 3)) for conv in sides])
    biases = [conv.bias if conv.bias is not None else torch.zeros(len(conv.weight), device=device) for conv in sides]
    weight = rearrange(weights, "d c p q -> d (p q c)").bfloat16()
    bias = (shift + torch.cat(biases).detach()).bfloat16()

    def convolutions(images: Tensor) -> Tensor:
        return torch.cat([rearrange(conv(images), "m d r c -> m (r c) d") for conv in sides], dim=-1)

    def now() -> Tensor:
        with inference(device, bf16=True):
            again = there.permute(0, 1, 4, 2, 3) * (1 / (255 * std)) - mean / std
            return convolutions(again.flatten(0, 1))

    def other() -> Tensor:
        with torch.inference_mode():
            rows = rearrange(there, "b t (r p) (c q) ch -> (b t) (r c) (p q ch)", p=size, q=size)
            return F.linear(rows.to(torch.bfloat16).sub_(128), weight, bias)

    def exact() -> Tensor:
        with inference(device, bf16=False):
            return convolutions(frames.flatten(0, 1))

    return Candidate("uint8 pixels to patches as one matrix product", now, other, exact)


def quickgelu_as_silu(recogniser: Recogniser, device: torch.device, batch: int) -> Candidate:
    """x sigmoid(1.702 x) is silu(1.702 x) / 1.702, both factors folded into the Linears: one pass in place of three."""
    config = recogniser.config
    mlp: Any = recogniser.backbone.blocks[0].mlp
    tokens = torch.randn(batch * config.frames, 1 + config.backbone.num_patches, config.backbone.width, device=device)
    folded = copy.deepcopy(mlp).requires_grad_(False)
    folded.fc1.weight.mul_(QUICK_GELU)
    folded.fc1.bias.mul_(QUICK_GELU)
    folded.fc2.weight.div_(QUICK_GELU)

    def now() -> Tensor:
        with inference(device, bf16=True):
            out: Tensor = mlp(tokens)
            return out

    def other() -> Tensor:
        with inference(device, bf16=True):
            out: Tensor = folded.fc2(F.silu(folded.fc1(tokens), inplace=True))
            return out

    def exact() -> Tensor:
        with inference(device, bf16=False):
            return torch.cat([mlp(part) for part in torch.split(tokens, 64)])

    return Candidate("the tower's MLP, QuickGELU as a SiLU", now, other, exact)


def temporal_taps_at_once(recogniser: Recogniser, device: torch.device, batch: int) -> Candidate:
    """What later frames add to the temporal state does not depend on it: one call for all frames in place of T - 1."""
    config, streams = recogniser.config, recogniser.temporal.streams
    assert streams is not None
    size = (len(config.temporal_map), batch, config.frames - 1, config.backbone.num_patches, config.backbone.width)
    maps_SBTPD = torch.randn(size, device=device)

    def one_by_one(bf16: bool) -> Tensor:
        with inference(device, bf16=bf16):
            parts = [streams(torch.stack([m[:, t] for m in maps_SBTPD])) for t in range(size[2])]
            return torch.stack(parts, dim=2)

    def other() -> Tensor:
        with inference(device, bf16=True):
            out: Tensor = streams(rearrange(maps_SBTPD, "s b t p d -> s (b t) p d"))
            return rearrange(out, "s (b t) p e -> s b t p e", b=batch)

    return Candidate(
        "temporal projections of all frames at once", partial(one_by_one, True), other, partial(one_by_one, False)
    )


def friendly_width(recogniser: Recogniser, device: torch.device, batch: int) -> Candidate:
    """A side block of width 240, six heads of 40, against 256, eight of 32: other weights, so only what it costs."""
    config = recogniser.config
    blocks = [Block(width=width, heads=side_heads(width)).to(device).eval() for width in (config.spatial_width, 256)]
    tokens = [
        torch.randn(batch * config.frames, 1 + config.backbone.num_patches, block.norm1.normalized_shape[0]).to(device)
        for block in blocks
    ]

    def run(which: int) -> Tensor:
        with inference(device, bf16=True):
            out: Tensor = blocks[which](tokens[which])
            return out

    return Candidate(f"a side block, {config.spatial_width} wide / 256 wide", partial(run, 0), partial(run, 1), None)


def whole_networks(recogniser: Recogniser, frames: Tensor) -> Iterator[Candidate]:
    """Networks that hold or compute in other types, eager, against autocast over float32 weights."""
    exact = partial(float32_scores, recogniser, frames)
    now = partial(network(recogniser, "eager", frames.device), frames)

    held = copy.deepcopy(recogniser)
    for module in held.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.bfloat16()
    other = partial(network(held, "eager", frames.device), frames)
    yield Candidate("weights of Linears and convolutions held in bf16", now, other, exact, scores=True)

    exact_fusion = copy.deepcopy(recogniser)
    exact_fusion.fusion.forward = _without_autocast(exact_fusion.fusion.forward)  # type: ignore[method-assign]
    other = partial(network(exact_fusion, "eager", frames.device), frames)
    yield Candidate("fusion in float32", now, other, exact, scores=True)

    through = copy.deepcopy(held).bfloat16()
    for part in (through.fusion, through.heads, through.bn):
        part.float()
    through.text_features = through.text_features.float()
    cast = frames.bfloat16()

    def all_bf16() -> Tensor:
        with torch.inference_mode():
            return torch.sigmoid(through.recognise(cast)[0])

    yield Candidate("bf16 between blocks too, fusion in float32", now, all_bf16, exact, scores=True)


def _without_autocast(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(visual: Tensor, text: Tensor) -> Tensor:
        with torch.autocast(visual.device.type, enabled=False):
            return forward(visual.float(), text.float())

    return run


def overlapped_uploads(recogniser: Recogniser, pixels: NDArray[np.uint8], device: torch.device) -> Candidate:
    """Four batches from separate crops in host memory to scores there: one thing after the other, or batches stacked
    into two pinned buffers and uploaded on a stream of their own while the network runs the one before."""
    batches, crops = 4, list(pixels)
    run = network(recogniser, "eager", device)
    scale = 1 / (255 * torch.tensor(Preprocess().std, device=device).view(3, 1, 1))
    shift = -torch.tensor(Preprocess().mean, device=device).view(3, 1, 1) * 255 * scale
    gpu = device.type == "cuda"
    buffers = [torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=gpu) for _ in range(2)]
    uploads = torch.cuda.Stream(device) if gpu else None  # type: ignore[no-untyped-call]

    def recognise(there: Tensor) -> Tensor:
        return run(there.permute(0, 1, 4, 2, 3) * scale + shift)

    def now() -> Tensor:
        return torch.cat([recognise(torch.from_numpy(np.stack(crops)).to(device)).cpu() for _ in range(batches)])

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

    def exact() -> Tensor:
        return float32_scores(recogniser, normalised(pixels, device)).cpu().repeat(batches, 1)

    return Candidate("pinned uploads beside the network, 4 batches", now, other, exact, scores=True)


def candidates_table(found: Sequence[Compared], batch: int) -> str:
    def error(off: float | None) -> str:
        return "" if off is None else f"{off:.1e}"

    rows = [
        [
            one.what,
            f"{one.now * 1e3:.2f} ms",
            f"{one.other * 1e3:.2f} ms",
            f"{one.now / one.other:.2f}x",
            error(one.now_off),
            error(one.other_off),
        ]
        for one in found
    ]
    return table([f"eager, batch {batch}", "now", "otherwise", "faster", "error now", "error otherwise"], rows)
