"""What a recogniser costs: parameters from a file's header, floating-point operations from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from par_model.model.config import RecogniserConfig
from par_model.model.weights import UNUSED

_BUFFERS = (
    "text_features",
    "negative_features",
    "logit_scale",
    "bn.running_mean",
    "bn.running_var",
    "bn.num_batches_tracked",
)


@dataclass(frozen=True)
class ParameterCounts:
    """trained: what ``train --tune side`` optimises; frozen: the image tower; unused: carried from a checkpoint."""

    trained: int
    frozen: int
    unused: int

    @property
    def total(self) -> int:
        return self.trained + self.frozen + self.unused


def count_parameters(config: RecogniserConfig, shapes: Mapping[str, tuple[int, ...]]) -> ParameterCounts:
    """Parameters among a weights file's tensors. What K frames never use counts as unused."""
    idle = _idle(config)
    trained = frozen = unused = 0
    for name, shape in shapes.items():
        if name in _BUFFERS:
            continue
        if name.startswith((UNUSED, *idle)):
            unused += prod(shape)
        elif name.startswith("backbone."):
            frozen += prod(shape)
        else:
            trained += prod(shape)
    return ParameterCounts(trained, frozen, unused)


def _idle(config: RecogniserConfig) -> list[str]:
    """How the names start of what ``Recogniser.tune`` leaves out of the side networks."""
    idle = [f"temporal.blocks.{block}." for block in range(config.frames, config.temporal_depth)]
    if config.frames == 1:
        idle += ["temporal.streams.", "spatial_aggregation.recurrent.weight_hh_"]
    if len(config.temporal_map) == 1:
        idle.append("temporal_aggregation.recurrent.weight_hh_")
    return idle


def flops(config: RecogniserConfig, frames: int | None = None) -> int:
    """Floating-point operations of one tracklet's forward pass: two for each multiply-add of a matrix product,
    convolution or attention; norms and activations are not counted."""
    k = config.frames if frames is None else frames
    tower = config.backbone
    patches, tokens = tower.num_patches, tower.num_patches + 1
    pixels = 3 * tower.patch**2
    total = k * (_linear(patches, pixels, tower.width))
    total += k * max(config.layers_read) * _block(tokens, tower.width, tower.mlp_width)
    visual = tokens
    if config.has_spatial:
        width = config.spatial_width
        total += k * (_linear(patches, pixels, width) + (config.depth - 1) * _block(tokens, width, 4 * width))
        total += k * len(config.spatial_map) * _linear(patches, tower.width, width)
        total += _aggregation(config.spatial_aggregation, k, tokens, width)
        total += _adapter(tokens, width, config.fusion_width)
    if config.has_temporal:
        width, streams = config.temporal_width, len(config.temporal_map)
        total += k * streams * (_linear(patches, tower.width, width) + _block(tokens, width, 4 * width))
        total += _aggregation(config.temporal_aggregation, streams, tokens, width)
        total += _adapter(tokens, width, config.fusion_width)
    if config.sides == "none":
        visual = patches
        total += _linear(patches, tower.width, config.fusion_width)
    classes, width = config.num_classes, config.fusion_width
    total += _linear(classes, tower.embed_dim, width)
    return total + _block(classes + visual, width, 4 * width) + 2 * classes * width


def _linear(tokens: int, inputs: int, outputs: int) -> int:
    return 2 * tokens * inputs * outputs


def _block(tokens: int, width: int, hidden: int) -> int:
    attention = 2 * 2 * tokens * tokens * width
    return _linear(tokens, width, 4 * width) + attention + _linear(tokens, width, 2 * hidden)


def _adapter(tokens: int, width: int, fusion_width: int) -> int:
    return 0 if width == fusion_width else _linear(tokens, width, fusion_width)


def _aggregation(kind: str, count: int, tokens: int, width: int) -> int:
    gates = {"mean": 0, "mlp": 0, "lstm": 4, "gru": 3}[kind]
    weights = 2 * count * tokens * width if kind == "mlp" else 0
    return weights + count * gates * _linear(tokens, 2 * width, width)
