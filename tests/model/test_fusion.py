"""Text tokens see the tracklet, and each class has a Linear of its own."""

from __future__ import annotations

import torch

from par_model.model.fusion import ClassHeads, Fusion
from tests.tiny import tiny_config


def test_heads_are_one_linear_for_each_class() -> None:
    torch.manual_seed(0)
    heads, text_BCD = ClassHeads(3, 8), torch.randn(2, 3, 8)
    each = [text_BCD[:, c] @ heads.weight[c] + heads.bias[c] for c in range(3)]
    torch.testing.assert_close(heads(text_BCD), torch.stack(each, dim=1))


def test_a_class_follows_its_own_text_and_the_tracklet_and_no_order() -> None:
    torch.manual_seed(0)
    config = tiny_config()
    fusion = Fusion(config).eval()
    visual, text = torch.randn(2, 7, config.fusion_width), torch.randn(5, config.backbone.embed_dim)
    with torch.no_grad():
        for parameter in fusion.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
        found = fusion(visual, text)
        assert found.shape == (2, 5, config.fusion_width)
        turned = torch.tensor([3, 0, 4, 1, 2])
        torch.testing.assert_close(fusion(visual[:, [2, 0, 1, 3, 4, 5, 6]], text[turned]), found[:, turned])
        assert not torch.allclose(fusion(visual[[1, 0]], text), found, atol=1e-3)
        torch.testing.assert_close(fusion(visual[1:], text), found[1:])
