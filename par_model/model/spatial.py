"""The spatial side network of VTFPAR++: a small ViT that reads one frame and, at chosen depths, the image tower.

Dimension letters: M images (tracklets x frames), H and W pixels, P patches, N = 1 + P tokens, D the side's width,
E the tower's width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from par_model.model.blocks import SIDE_EPS, Block, PatchEmbed, start_side_weights
from par_model.model.config import RecogniserConfig, side_heads


class Tap(nn.Module):
    """What one feature map of the tower adds to the patch tokens: LayerNorm over channels, then a Linear."""

    def __init__(self, tower_width: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(tower_width, eps=SIDE_EPS)
        self.proj = nn.Linear(tower_width, width)

    def forward(self, map_MPE: Tensor) -> Tensor:
        out: Tensor = self.proj(self.norm(map_MPE))
        return out


class SpatialSide(nn.Module):
    """[M, 3, H, W] and the tower's feature maps to [M, N, D].

    As the released code runs it: the position table is added before position 0 and again after every block but the
    last; the class token takes nothing from the tower; there is no final norm. Of its eight blocks the released code
    runs seven, and seven are what this has.
    """

    def __init__(self, config: RecogniserConfig) -> None:
        super().__init__()
        backbone, width = config.backbone, config.spatial_width
        self.sources = {target: source for source, target in config.spatial_map}
        self.patch_embed = PatchEmbed(width, backbone.patch)
        self.class_token = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(1 + backbone.num_patches, width))
        self.blocks = nn.ModuleList(Block(width=width, heads=side_heads(width)) for _ in range(config.depth - 1))
        self.taps = nn.ModuleDict({str(target): Tap(backbone.width, width) for target in sorted(self.sources)})
        start_side_weights(self)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, images: Tensor, maps: Mapping[int, Tensor]) -> Tensor:
        patches_MPD = self.patch_embed(images)
        class_M1D = self.class_token.to(patches_MPD.dtype).expand(len(images), 1, -1)
        x_MND = torch.cat([class_M1D, patches_MPD], dim=1) + self.positions
        x_MND = self._tap(0, x_MND, maps)
        for position, block in enumerate(self.blocks, start=1):
            x_MND = self._tap(position, block(x_MND), maps)
            if position < len(self.blocks):
                x_MND = x_MND + self.positions
        return x_MND

    def _tap(self, position: int, x_MND: Tensor, maps: Mapping[int, Tensor]) -> Tensor:
        if position not in self.sources:
            return x_MND
        added_MPD = self.taps[str(position)](maps[self.sources[position]])
        return torch.cat([x_MND[:, :1], x_MND[:, 1:] + added_MPD], dim=1)
