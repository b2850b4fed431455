"""Parts that compute in another way what their names promise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from par_model.model.blocks import Mlp, PatchEmbed


@pytest.mark.parametrize("bias", [True, False])
def test_patches_are_a_convolution_without_overlap(bias: bool) -> None:
    torch.manual_seed(0)
    embed = PatchEmbed(5, 4, bias=bias)
    images = torch.randn(2, 3, 12, 8)
    tokens = embed(images)
    convolved = F.conv2d(images, embed.weight, embed.bias, stride=4)
    assert tokens.shape == (2, 6, 5)
    assert torch.allclose(tokens, rearrange(convolved, "m d r c -> m (r c) d"), atol=1e-6)
    assert (embed.bias is not None) == bias


def test_quickgelu_folded_into_the_linears_changes_nothing() -> None:
    torch.manual_seed(0)
    mlp, x = Mlp(6, 24, "quickgelu").requires_grad_(False), 3 * torch.randn(7, 6)
    before, weight = mlp(x), mlp.fc1.weight.clone()
    mlp.fold_quickgelu()
    assert mlp.activation == "silu"
    assert not torch.equal(mlp.fc1.weight, weight)
    assert torch.allclose(mlp(x), before, atol=1e-6)
    mlp.fold_quickgelu()
    assert torch.allclose(mlp(x), before, atol=1e-6), "folding twice is folding once"


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_other_activations_are_not_folded(activation: str) -> None:
    mlp = Mlp(6, 24, activation)  # type: ignore[arg-type]
    weight = mlp.fc1.weight.clone()
    mlp.fold_quickgelu()
    assert mlp.activation == activation
    assert torch.equal(mlp.fc1.weight, weight)
