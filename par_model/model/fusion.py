"""The fusion of VTFPAR++: text and visual tokens in one transformer block; every class reads its own text token.

Dimension letters: B tracklets, A classes, L visual tokens, F the fusion's width, E the text features' width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from par_model.model.blocks import SIDE_EPS, Block, start_side_weights
from par_model.model.config import RecogniserConfig, side_heads


class Fusion(nn.Module):
    """[B, L, F] visual tokens and [A, E] text features to [B, A, F], the text tokens after they saw the tracklet.

    Text tokens come first; there is no positional or type embedding.
    """

    def __init__(self, config: RecogniserConfig) -> None:
        super().__init__()
        width = config.fusion_width
        self.word_embed = nn.Linear(config.backbone.embed_dim, width)
        self.block = Block(width=width, heads=side_heads(width), drop_path=config.drop_path)
        self.norm = nn.LayerNorm(width, eps=SIDE_EPS)
        start_side_weights(self.block)

    def forward(self, visual_BLF: Tensor, text_AE: Tensor) -> Tensor:
        words_BAF = self.word_embed(text_AE).expand(len(visual_BLF), -1, -1)
        fused = self.norm(self.block(torch.cat([words_BAF, visual_BLF.to(words_BAF.dtype)], dim=1)))
        text_BAF: Tensor = fused[:, : len(text_AE)]
        return text_BAF


class ClassHeads(nn.Module):
    """One Linear for each class, as one operation: [B, A, F] to [B, A]."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        bound = width**-0.5  # torch's own start for a Linear with `width` inputs
        self.weight = nn.Parameter(torch.empty(num_classes, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_classes).uniform_(-bound, bound))

    def forward(self, text_BAF: Tensor) -> Tensor:
        return (text_BAF * self.weight).sum(dim=-1) + self.bias
