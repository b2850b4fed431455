"""What a recogniser costs: parameters from a file's header, floating-point operations from its configuration.

This module imports torch only to count operations, so that the command line can count parameters quickly.
"""

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
    """Parameters among a weights file's tensors. What T frames never use counts as unused."""
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
    """Floating-point operations of one tracklet's forward pass, as torch counts them on tensors without data: two for
    each multiply-add of a matrix product, convolution or attention; norms and activations are not counted."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from par_model.model.recogniser import Recogniser

    tower = config.backbone
    with torch.device("meta"):
        recogniser = Recogniser(config).eval()
        pixels = torch.empty(1, frames or config.frames, 3, tower.image_height, tower.image_width)
    # Plain matrix products: some versions of torch do not count fused attention.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        recogniser(pixels)
    return int(counter.get_total_flops())
