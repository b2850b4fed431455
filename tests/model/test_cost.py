"""What `weights show` says of a network's cost, against torch's own counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from par_model.model.cost import count_parameters, flops
from tests.model.test_recogniser import VARIANTS, frames_for
from tests.tiny import tiny_config, tiny_recogniser


@pytest.mark.parametrize("variant", [v for v in VARIANTS if "lstm" not in v and "gru" not in v])
def test_flops_are_torchs(variant: str) -> None:
    config = tiny_config(**VARIANTS[variant])
    recogniser = tiny_recogniser(config)
    # Plain matrix products: some versions of torch do not count the CPU's fused attention.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        recogniser(frames_for(config, tracklets=1))
    counted = counter.get_total_flops()
    assert abs(flops(config) / counted - 1) < 0.01


def test_flops_of_a_recurrent_aggregation() -> None:
    """Each step of each token: gates x (input and hidden) matrix products."""
    plain, gru = (flops(tiny_config(frames=3, spatial_aggregation=kind)) for kind in ("mean", "gru"))
    tokens, width = 9, 24
    assert gru - plain == 3 * tokens * 3 * 2 * 2 * width * width


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_are_what_tune_side_trains(variant: str) -> None:
    recogniser = tiny_recogniser(tiny_config(**VARIANTS[variant]))
    shapes: dict[str, Any] = {name: tuple(tensor.shape) for name, tensor in recogniser.state_dict().items()}
    counts = count_parameters(recogniser.config, shapes | {"unused.x": (3, 4)})
    assert counts.trained == sum(p.numel() for p in recogniser.tune("side"))
    assert counts.frozen == sum(p.numel() for p in recogniser.backbone.parameters())
    idle = [
        name for name, p in recogniser.named_parameters() if not p.requires_grad and not name.startswith("backbone.")
    ]
    assert all(name.endswith("recurrent.weight_hh_l0") for name in idle)
    assert bool(idle) == (variant.startswith("one ") and variant != "one frame")
    assert counts.unused == 12 + sum(recogniser.get_parameter(name).numel() for name in idle)
    assert counts.total == sum(p.numel() for p in recogniser.parameters()) + 12


def test_blocks_of_an_import_that_its_frames_never_run_are_unused() -> None:
    recogniser = tiny_recogniser(tiny_config(frames=3, temporal_depth=5))
    shapes = {name: tuple(tensor.shape) for name, tensor in recogniser.state_dict().items()}
    counts = count_parameters(recogniser.config, shapes)
    assert counts.trained == sum(p.numel() for p in recogniser.tune("side"))
    assert counts.unused == sum(p.numel() for block in recogniser.temporal.blocks[3:] for p in block.parameters())
