"""The image tower gives the feature maps that are read, and the embedding of all of its blocks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from par_model.model.tower import ImageTower
from tests.tiny import TINY_BACKBONE


@torch.no_grad()
def test_map_k_is_what_block_k_gives_without_the_class_token() -> None:
    torch.manual_seed(0)
    tower = ImageTower(TINY_BACKBONE).eval()
    images = torch.randn(2, 3, 64, 32)
    maps, nothing = tower(images, [0, 2])
    assert nothing is None
    x = torch.cat([tower.class_embedding.expand(2, 1, -1), tower.conv1(images)], dim=1) + tower.positional_embedding
    x = tower.ln_pre(x)
    torch.testing.assert_close(maps[0], x[:, 1:])
    for block in tower.blocks[:2]:
        x = block(x)
    torch.testing.assert_close(maps[2], x[:, 1:])
    assert sorted(maps) == [0, 2]


@torch.no_grad()
@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize("norm_after_pool", [False, True])
def test_the_embedding_is_of_the_class_token_or_of_all_patches(pool: str, norm_after_pool: bool) -> None:
    torch.manual_seed(0)
    kind = "token" if pool == "token" else "mean"
    tower = ImageTower(replace(TINY_BACKBONE, pool=kind, norm_after_pool=norm_after_pool)).eval()
    images = torch.randn(2, 3, 64, 32)
    maps, embedding = tower(images, [4], embed=True)
    assert embedding is not None
    assert embedding.shape == (2, TINY_BACKBONE.embed_dim)
    if pool == "avg":
        expected = tower.ln_post(maps[4].mean(dim=1)) if norm_after_pool else tower.ln_post(maps[4]).mean(dim=1)
        torch.testing.assert_close(embedding, expected @ tower.proj)
    else:
        assert not torch.allclose(embedding, tower.ln_post(maps[4].mean(dim=1)) @ tower.proj, atol=1e-4)


def test_what_is_read_is_what_trains() -> None:
    tower = ImageTower(TINY_BACKBONE)
    run = {id(parameter) for parameter in tower.parameters_run(2)}
    idle = [*tower.blocks[2].parameters(), *tower.blocks[3].parameters(), *tower.ln_post.parameters(), tower.proj]
    assert {id(parameter) for parameter in tower.parameters()} - run == {id(parameter) for parameter in idle}
