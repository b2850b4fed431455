"""CLIP's image tower, run only as far as somebody reads it.

Dimension letters: M images, H and W pixels, P patches (row-major), N = 1 + P tokens, D the tower's width,
E the embedding's width.

It computes what open_clip's ``VisionTransformer`` does (a test compares them), from tensors renamed by backbone.py,
so that inference needs torch alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from par_model.model.blocks import Block, PatchEmbed
from par_model.model.config import BackboneConfig


class ImageTower(nn.Module):
    """A ViT with a class token. Images [M, 3, H, W], normalised, to the patch tokens of chosen feature maps."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = PatchEmbed(width, config.patch, bias=False)
        self.class_embedding = _start(width, width)
        self.positional_embedding = _start(width, 1 + config.num_patches, width)
        self.ln_pre = nn.LayerNorm(width, eps=config.norm_eps) if config.pre_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                width=width,
                heads=config.heads,
                hidden=config.mlp_width,
                activation=config.activation,
                eps=config.norm_eps,
            )
            for _ in range(config.layers)
        )
        self.ln_post = nn.LayerNorm(width, eps=config.norm_eps)
        self.proj = _start(width, width, config.embed_dim)

    def forward(
        self, images: Tensor, read: Sequence[int], *, embed: bool = False
    ) -> tuple[dict[int, Tensor], Tensor | None]:
        """Feature maps ``read`` of the images, and with ``embed`` their CLIP embeddings.

        Returns {k: [M, P, D]}, the patch tokens after block k (0: before the first block), and [M, E] or None.
        Blocks after the highest k run only for the embedding.
        """
        patches_MPD = self.conv1(images)
        class_M1D = self.class_embedding.to(patches_MPD.dtype).expand(len(images), 1, -1)
        x_MND = torch.cat([class_M1D, patches_MPD], dim=1) + self.positional_embedding
        x_MND = self.ln_pre(x_MND)
        maps = {0: x_MND[:, 1:]} if 0 in read else {}
        last = len(self.blocks) if embed else max(read)
        for k, block in enumerate(self.blocks[:last], start=1):
            x_MND = block(x_MND)
            if k in read:
                maps[k] = x_MND[:, 1:]
        return maps, self._embed(x_MND) if embed else None

    def _embed(self, x_MND: Tensor) -> Tensor:
        x_MND = x_MND if self.config.norm_after_pool else self.ln_post(x_MND)
        pooled_MD = x_MND[:, 0] if self.config.pool == "token" else x_MND[:, 1:].mean(dim=1)
        pooled_MD = self.ln_post(pooled_MD) if self.config.norm_after_pool else pooled_MD
        return pooled_MD @ self.proj

    def parameters_run(self, last: int) -> list[nn.Parameter]:
        """The parameters behind feature map ``last``: what full fine-tuning trains."""
        parts: list[nn.Module] = [self.conv1, self.ln_pre, *self.blocks[:last]]
        return [self.class_embedding, self.positional_embedding, *(p for part in parts for p in part.parameters())]


def _start(width: int, *shape: int) -> nn.Parameter:
    """Normal, with a standard deviation of 1 / sqrt(width). Nothing on the meta device, where weights take its place:
    random numbers there would load torch's compiler (torch 2.14), more than a second of each start."""
    values = torch.empty(shape)
    return nn.Parameter(values if values.is_meta else width**-0.5 * values.normal_())
