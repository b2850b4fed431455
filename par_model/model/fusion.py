"""The fusion of VTFPAR++: text and visual tokens in one transformer block; every class reads its own text token.

Dimension letters: B tracklets, C classes, N visual tokens, D the fusion's width, E the text features' width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from par_model.model.blocks import SIDE_EPS, Block, start_side_weights
from par_model.model.config import RecogniserConfig, side_heads


class Fusion(nn.Module):
    """[B, N, D] visual tokens and [C, E] text features to [B, C, D], the text tokens after they saw the tracklet.

    Text tokens come first; there is no positional or type embedding.
    """

    def __init__(self, config: RecogniserConfig) -> None:
        super().__init__()
        width = config.fusion_width
        self.word_embed = nn.Linear(config.backbone.embed_dim, width)
        self.block = Block(width=width, heads=side_heads(width), drop_path=config.drop_path)
        self.norm = nn.LayerNorm(width, eps=SIDE_EPS)
        start_side_weights(self.block)

    def forward(self, visual_BND: Tensor, text_CE: Tensor) -> Tensor:
        words_BCD = self.word_embed(text_CE).expand(len(visual_BND), -1, -1)
        fused = self.norm(self.block(torch.cat([words_BCD, visual_BND.to(words_BCD.dtype)], dim=1)))
        text_BCD: Tensor = fused[:, : len(text_CE)]
        return text_BCD


class ClassHeads(nn.Module):
    """One Linear for each class, as one operation: [B, C, D] to [B, C]."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        bound = width**-0.5  # torch's own start for a Linear with `width` inputs
        self.weight = nn.Parameter(torch.empty(num_classes, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_classes).uniform_(-bound, bound))

    def forward(self, text_BCD: Tensor) -> Tensor:
        return (text_BCD * self.weight).sum(dim=-1) + self.bias
