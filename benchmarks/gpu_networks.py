"""The networks that run on the GPU here, their inputs, the ways to run them, and what must be equal.

Dimension letters: B tracklets, T frames, H and W pixels, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from par_model.model.config import BackboneConfig, RecogniserConfig, default_map
from par_model.model.recogniser import Recogniser
from par_model.types import Preprocess

CLASSES, FRAMES = 43, 6
SCORE_LIMIT = 5e-3  # how far any score may be from that of float32

_SIZES = {  # patch, width, layers, heads, embedding
    "ViT-B-16": (16, 768, 12, 12, 512),
    "ViT-L-14": (14, 1024, 24, 16, 768),
}
NETWORKS = tuple(_SIZES)
TEXT_TOWERS = {"ViT-B-16": (512, 12)}  # width, layers: the released code runs no other

# What torch.compile is told. compiled: as `parjob infer --compile`, so that one set of kernels serves every batch size;
# static: kernels for one batch size alone; graphs: the same, replayed as a CUDA graph.
MODES: dict[str, dict[str, Any]] = {
    "compiled": {},
    "static": {"dynamic": False},
    "graphs": {"dynamic": False, "mode": "reduce-overhead"},
    "autotuned": {"dynamic": False, "mode": "max-autotune-no-cudagraphs"},
}
ONE_BATCH = ("static", "graphs", "autotuned")


def network_config(name: str) -> RecogniserConfig:
    """VTFPAR++ as ``parjob weights init`` makes it: both sides, map 2 scaled to the depth, 43 classes, 6 frames."""
    patch, width, layers, heads, embed_dim = _SIZES[name]
    backbone = BackboneConfig(
        name=name,
        image_height=224,
        image_width=224,
        patch=patch,
        width=width,
        layers=layers,
        heads=heads,
        mlp_width=4 * width,
        embed_dim=embed_dim,
        activation="quickgelu",
    )
    pairs = default_map(layers)
    return RecogniserConfig(
        backbone=backbone, num_classes=CLASSES, frames=FRAMES, spatial_map=pairs, temporal_map=pairs
    )


def random_recogniser(config: RecogniserConfig, device: torch.device) -> Recogniser:
    """In evaluation mode. Matrices keep the size of what passes through them, so that scores differ from tracklet to
    tracklet and a wrong number anywhere shows in them."""
    torch.manual_seed(0)
    with torch.device(device):
        recogniser = Recogniser(config)
    with torch.no_grad():
        for parameter in recogniser.parameters():
            if parameter.ndim >= 2:
                inputs = parameter.shape[-1] if parameter.ndim == 3 else parameter[0].numel()
                parameter.normal_(std=inputs**-0.5)
        recogniser.text_features.normal_()
    return recogniser.eval()


def random_crops(
    config: RecogniserConfig, tracklets: int, *, frames: int | None = None, seed: int = 0
) -> NDArray[np.uint8]:
    """uint8 [B, T, H, W, 3]: coarse patches of colour that differ from tracklet to tracklet, under noise."""
    rng = np.random.default_rng(seed)
    height, width = config.backbone.image_height, config.backbone.image_width
    coarse = rng.integers(0, 256, (tracklets, frames or config.frames, 8, 8, 3), dtype=np.uint8)
    fine = coarse.repeat(-(-height // 8), axis=2)[:, :, :height].repeat(-(-width // 8), axis=3)[:, :, :, :width]
    return fine // 2 + rng.integers(0, 128, fine.shape, dtype=np.uint8)


def normalised(crops: NDArray[np.uint8], device: torch.device) -> Tensor:
    """float32 [B, T, 3, H, W], strides as the model stage leaves them."""
    preprocess = Preprocess()
    pixels = torch.from_numpy(crops).to(device)
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (preprocess.mean, preprocess.std))
    return pixels.permute(0, 1, 4, 2, 3) * (1 / (255 * std)) - mean / std


Scores = Callable[[Tensor], Tensor]


def network(recogniser: Recogniser, mode: str) -> Scores:
    """Normalised float32 frames to scores [B, C], as the model stage computes them, in one of MODES or "eager". Runs in
    the type that ``Recogniser.for_inference`` gave it."""
    run: Any = recogniser.recognise
    dtype, device = recogniser.backbone.conv1.weight.dtype, recogniser.text_features.device
    if mode != "eager":
        torch._dynamo.reset()
        run = torch.compile(run, **MODES[mode])

    def scores(frames: Tensor) -> Tensor:
        if mode == "graphs":
            torch.compiler.cudagraph_mark_step_begin()
        with torch.inference_mode():
            logits, _ = run(frames.to(dtype))
            return torch.sigmoid(logits.float())

    if mode == "compiled":
        # Two sizes, the first as small as the model stage's, or the compiler would take the first for the only one.
        backbone = recogniser.config.backbone
        size = (2, recogniser.config.frames, 3, backbone.image_height, backbone.image_width)
        scores(torch.zeros(size, device=device))
    return scores


def float32_scores(recogniser: Recogniser, frames: Tensor, chunk: int = 16) -> Tensor:
    """The reference: eager, float32, few tracklets at a time."""
    run = network(recogniser, "eager")
    return torch.cat([run(part) for part in frames.split(chunk)])


@dataclass(frozen=True)
class Check:
    """A number that must not exceed its limit."""

    what: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        return self.value <= self.limit  # False for what is not a number

    @property
    def row(self) -> list[str]:
        return [self.what, f"{self.value:.1e}", f"<= {self.limit:.0e}: {'holds' if self.holds else 'BROKEN'}"]


def apart(scores: Tensor, reference: Tensor) -> float:
    """Largest difference from as many of the reference's first rows; not a number if any score is not."""
    wanted = reference[: len(scores)]
    if scores.shape != wanted.shape:
        raise ValueError(f"shapes {list(scores.shape)} and {list(wanted.shape)} are not of the same numbers")
    return float((scores.float() - wanted.float()).abs().max())
