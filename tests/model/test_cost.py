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


def test_flops_of_a_network_worked_out_by_hand() -> None:
    """Matrix products of T tokens: T x inputs x outputs multiply-adds; a block has 12 width^2 of them a token (query,
    key, value and output 4, the MLP 8) and attention 2 T^2 width."""
    config = tiny_config(sides="none")
    tower = config.backbone
    patches, tokens, k = tower.num_patches, tower.num_patches + 1, config.frames

    def block(tokens: int, width: int, mlp_width: int) -> int:
        return tokens * (4 * width**2 + 2 * width * mlp_width) + 2 * tokens**2 * width

    image_tower = patches * 3 * tower.patch**2 * tower.width
    image_tower += max(config.layers_read) * block(tokens, tower.width, tower.mlp_width)
    classes, width = config.num_classes, config.fusion_width
    fusion = patches * tower.width * width + classes * tower.embed_dim * width
    fusion += block(classes + patches, width, 4 * width) + classes * width
    assert abs(flops(config) / (2 * (k * image_tower + fusion)) - 1) < 1e-3


# With data, recurrent aggregation runs in kernels of its own, which torch does not count.
@pytest.mark.parametrize("variant", [v for v in VARIANTS if "lstm" not in v and "gru" not in v])
def test_flops_without_data_are_those_of_a_pass_with_data(variant: str) -> None:
    config = tiny_config(**VARIANTS[variant])
    recogniser = tiny_recogniser(config)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        recogniser(frames_for(config, tracklets=1))
    assert flops(config) == counter.get_total_flops()


def test_flops_grow_with_the_frames() -> None:
    config = tiny_config()
    assert flops(config, config.frames) == flops(config)
    assert 1.2 < flops(config, config.frames) / flops(config, config.frames - 1) < 2


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
