"""The spatial side reads a frame and, at its depths, what the tower says of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from par_model.model.spatial import SpatialSide, Tap
from tests.tiny import TINY_BACKBONE, tiny_config

CONFIG = tiny_config(spatial_map=((0, 0), (2, 3)), depth=5)


def test_a_tap_is_a_norm_and_a_linear() -> None:
    torch.manual_seed(0)
    tap, x = Tap(8, 4), torch.randn(2, 3, 8)
    expected = F.layer_norm(x, (8,), tap.norm.weight, tap.norm.bias, 1e-6) @ tap.proj.weight.T + tap.proj.bias
    torch.testing.assert_close(tap(x), expected)


@torch.no_grad()
def test_positions_are_added_again_between_blocks_and_the_class_token_takes_nothing_from_the_tower() -> None:
    torch.manual_seed(0)
    side = SpatialSide(CONFIG).eval()
    assert len(side.blocks) == 4
    images = torch.randn(2, 3, 64, 32)
    maps = {k: torch.randn(2, TINY_BACKBONE.num_patches, TINY_BACKBONE.width) for k in (0, 2)}
    x = torch.cat([side.class_token.expand(2, 1, -1), side.patch_embed(images)], dim=1) + side.positions
    x[:, 1:] += side.taps["0"](maps[0])
    for position, block in enumerate(side.blocks, start=1):
        x = block(x)
        if position == 3:
            x[:, 1:] += side.taps["3"](maps[2])
        if position < 4:
            x = x + side.positions
    torch.testing.assert_close(side(images, maps), x)


@torch.no_grad()
@pytest.mark.parametrize("read", [0, 2])
def test_each_map_that_is_read_matters(read: int) -> None:
    torch.manual_seed(0)
    side = SpatialSide(CONFIG).eval()
    images = torch.randn(1, 3, 64, 32)
    maps = {k: torch.randn(1, TINY_BACKBONE.num_patches, TINY_BACKBONE.width) for k in (0, 2)}
    other = maps | {read: maps[read].flip(1)}
    assert not torch.allclose(side(images, maps), side(images, other), atol=1e-4)
