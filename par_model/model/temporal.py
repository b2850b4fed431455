"""The temporal side network of VTFPAR++: a state that runs from frame to frame, one stream a feature map.

Dimension letters: S streams (the entries of the temporal map), B tracklets, T frames, P patches, N = 1 + P tokens,
D the side's width, E the tower's width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from par_model.model.blocks import Block, start_side_weights
from par_model.model.config import RecogniserConfig, side_heads

STREAM_EPS = 1e-5
_TAPPED_AT_ONCE = 16  # frames


class TemporalSide(nn.Module):
    """The tower's feature maps of T frames to [S, B, N, D].

    Frame 0 starts the state: a Linear shared by all streams, class token, positions, block 0. Frame f sends the state
    through block f, then adds its own feature map to the patch tokens through the stream's LayerNorm and Linear. The
    streams share the blocks and never meet here, so all S x B of them are one batch.

    More frames than blocks: with ``beyond_depth="last"`` every further frame runs through the last block again.
    """

    def __init__(self, config: RecogniserConfig) -> None:
        super().__init__()
        backbone, width = config.backbone, config.temporal_width
        self.sources = tuple(source for source, _ in config.temporal_map)
        self.first = nn.Linear(backbone.width, width)
        self.class_token = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(1 + backbone.num_patches, width))
        self.blocks = nn.ModuleList(Block(width=width, heads=side_heads(width)) for _ in range(config.temporal_depth))
        self.streams = StreamTaps(len(self.sources), backbone.width, width) if config.fuses_later_frames else None
        start_side_weights(self)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, maps: Mapping[int, Tensor], num_tracklets: int) -> Tensor:
        """``maps`` holds [(B T), P, E], tracklet-major. The caller has checked T against the configuration."""
        maps_BTPE = [rearrange(maps[source], "(b t) p e -> b t p e", b=num_tracklets) for source in self.sources]
        state = self._start(torch.stack([m[:, 0] for m in maps_BTPE]))
        for first in range(1, maps_BTPE[0].shape[1], _TAPPED_AT_ONCE):
            for frame, added in enumerate(self._added(maps_BTPE, first), start=first):
                state = self.blocks[min(frame, len(self.blocks) - 1)](state)
                state = torch.cat([state[:, :1], state[:, 1:] + added], dim=1)
        return rearrange(state, "(s b) n d -> s b n d", b=num_tracklets)

    def parameters_run(self, frames: int) -> list[nn.Parameter]:
        """The parameters that ``frames`` frames a tracklet run through."""
        parts: list[nn.Module] = [self.first, *self.blocks[:frames]]
        if frames > 1 and self.streams is not None:
            parts.append(self.streams)
        return [self.class_token, self.positions, *(p for part in parts for p in part.parameters())]

    def _added(self, maps_BTPE: list[Tensor], first: int) -> Tensor:
        """What the frames from ``first`` on add, [T, (S B), P, D]. It does not depend on the state, so that one call
        taps several frames; not all of them, since a tracklet may have thousands."""
        assert self.streams is not None
        some = torch.stack([m[:, first : first + _TAPPED_AT_ONCE] for m in maps_BTPE])
        added: Tensor = rearrange(self.streams(some), "s b t p d -> t (s b) p d")
        return added

    def _start(self, map_SBPE: Tensor) -> Tensor:
        patches = rearrange(self.first(map_SBPE), "s b p d -> (s b) p d")
        class_token = self.class_token.to(patches.dtype).expand(len(patches), 1, -1)
        state: Tensor = self.blocks[0](torch.cat([class_token, patches], dim=1) + self.positions)
        return state


class StreamTaps(nn.Module):
    """A LayerNorm and a Linear for each stream, all streams and frames at once: [S, B, T, P, E] to [S, B, T, P, D].

    The norm's scale and shift are folded into the Linear: (n * g + h) W + b = n (g W) + (h W + b).
    """

    def __init__(self, streams: int, tower_width: int, width: int) -> None:
        super().__init__()
        self.norm_weight = nn.Parameter(torch.ones(streams, tower_width))
        self.norm_bias = nn.Parameter(torch.zeros(streams, tower_width))
        self.proj_weight = nn.Parameter(torch.empty(streams, width, tower_width))
        self.proj_bias = nn.Parameter(torch.zeros(streams, width))
        nn.init.trunc_normal_(self.proj_weight, std=0.02)

    def forward(self, maps_SBTPE: Tensor) -> Tensor:
        normed = F.layer_norm(maps_SBTPE, maps_SBTPE.shape[-1:], eps=STREAM_EPS)
        weight_SED = (self.proj_weight * self.norm_weight[:, None]).transpose(1, 2)
        bias_S1D = torch.einsum("sde,se->sd", self.proj_weight, self.norm_bias)[:, None] + self.proj_bias[:, None]
        added = torch.baddbmm(bias_S1D, rearrange(normed, "s b t p e -> s (b t p) e"), weight_SED)
        _, _, T, P, _ = maps_SBTPE.shape
        return rearrange(added, "s (b t p) d -> s b t p d", t=T, p=P)
