"""VTFPAR++ ("Spatio-temporal side tuning pre-trained foundation models for video-based pedestrian attribute
recognition", arXiv 2404.17929), as one module that reads top-down.

Dimension letters: B tracklets, T frames, H and W pixels, P patches, N = 1 + P tokens, C classes, D the fusion's width,
E another width (the tower's, that of text features and image embedding).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Self

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from par_model.model.blocks import Aggregation, Mlp
from par_model.model.config import RecogniserConfig
from par_model.model.fusion import ClassHeads, Fusion
from par_model.model.spatial import SpatialSide
from par_model.model.temporal import TemporalSide
from par_model.model.tower import ImageTower

Tune = Literal["side", "full", "head"]


class Recogniser(nn.Module):
    """Frames [B, T, 3, H, W], normalised, to logits [B, C]; the sigmoid is the caller's.

    The image tower runs in evaluation mode and without gradient, only as far as the highest feature map that is read,
    unless ``tune("full")`` says otherwise. Text features are a buffer [C, E]: there is no text tower here. Zero-shot
    answers take the negative texts' features too, [C, E], zero where a class has none, and CLIP's ``logit_scale``,
    a logarithm.

    Raises UsageError if the network cannot take T frames (see ``RecogniserConfig.check_frames``).
    """

    text_features: Tensor
    negative_features: Tensor
    logit_scale: Tensor

    def __init__(self, config: RecogniserConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ImageTower(config.backbone)
        self.backbone_tuned = False
        streams = len(config.temporal_map)
        if config.has_spatial:
            self.spatial = SpatialSide(config)
            self.spatial_aggregation = Aggregation(
                config.spatial_aggregation, count=config.frames, width=config.spatial_width
            )
            self.spatial_adapter = _adapter(config.spatial_width, config.fusion_width)
        if config.has_temporal:
            self.temporal = TemporalSide(config)
            self.temporal_aggregation = Aggregation(
                config.temporal_aggregation, count=streams, width=config.temporal_width
            )
            self.temporal_adapter = _adapter(config.temporal_width, config.fusion_width)
        if config.sides == "none":
            self.visual_embed = nn.Linear(config.backbone.width, config.fusion_width)
        self.fusion = Fusion(config)
        self.heads = ClassHeads(config.num_classes, config.fusion_width)
        self.bn = nn.BatchNorm1d(config.num_classes)
        self.register_buffer("text_features", torch.zeros(config.num_classes, config.backbone.embed_dim))
        if config.zero_shot:
            self.register_buffer("negative_features", torch.zeros_like(self.text_features))
            self.register_buffer("logit_scale", torch.zeros(()))
        self.tune("side")

    def forward(self, frames: Tensor) -> Tensor:
        logits_BC, _ = self.recognise(frames)
        return logits_BC

    def recognise(self, frames: Tensor, *, embed: bool = False) -> tuple[Tensor, Tensor | None]:
        """Logits [B, C], and with ``embed`` the tracklets' embeddings [B, E] as ``embed`` gives them, else None."""
        images, B = _images(frames)
        self.config.check_frames(frames.shape[1])

        with torch.set_grad_enabled(torch.is_grad_enabled() and self.backbone_tuned):
            maps, image_embeddings = self.backbone(images, self.config.layers_read, embed=embed)

        visual_BND = self._visual_tokens(images, maps, B)
        text_BCD = self.fusion(visual_BND, self.text_features)
        logits_BC: Tensor = self.bn(self.heads(text_BCD))
        return logits_BC, None if image_embeddings is None else _tracklet_embedding(image_embeddings, B)

    def embed(self, frames: Tensor) -> Tensor:
        """Embeddings [B, E] of length 1: each frame's CLIP image embedding L2-normalised, averaged, normalised again.

        Only the image tower runs, which takes any number of frames.
        """
        images, B = _images(frames)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.backbone_tuned):
            _, image_embeddings = self.backbone(images, (), embed=True)
        return _tracklet_embedding(image_embeddings, B)

    def _visual_tokens(self, images: Tensor, maps: Mapping[int, Tensor], B: int) -> Tensor:
        """[B, N, D]: spatial plus temporal tokens, whichever exist; with neither, [B, P, D].

        From here on all is in the classifier's own type, float32 unless told, whatever ``for_inference`` made of the
        parts before: it costs little, and most of bf16's error would arise here.
        """
        dtype = self.heads.weight.dtype
        if self.config.sides == "none":
            mean_BPE = reduce(maps[self.config.backbone.layers].to(dtype), "(b t) p e -> b p e", "mean", b=B)
            baseline_BPD: Tensor = self.visual_embed(mean_BPE)
            return baseline_BPD
        tokens = []
        if self.config.has_spatial:
            spatial = rearrange(self.spatial(images, maps).to(dtype), "(b t) n d -> b t n d", b=B)
            tokens.append(self.spatial_adapter(self.spatial_aggregation(spatial)))
        if self.config.has_temporal:
            temporal = rearrange(self.temporal(maps, B).to(dtype), "s b n d -> b s n d")
            tokens.append(self.temporal_adapter(self.temporal_aggregation(temporal)))
        visual: Tensor = sum(tokens[1:], start=tokens[0])
        return visual

    def tune(self, mode: Tune, *, frames: int | None = None) -> list[nn.Parameter]:
        """Let ``mode``'s parameters require gradients, all others not; returns the former.

        side: everything but the image tower. head: only what follows the visual tokens, and the Linear that makes these
        where there are no side networks (see ``without_sides``).
        full: all of it, the tower as far as it is read. In every mode, what T = ``frames`` (by default the
        configuration's) never uses is left out: nothing is optimised that gets no gradient.
        """
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        head = [self.fusion, self.heads, self.bn, *([self.visual_embed] if self.config.sides == "none" else [])]
        chosen = [p for part in head for p in part.parameters()]
        if mode in ("side", "full"):
            k = self.config.frames if frames is None else frames
            if self.config.has_spatial:
                chosen += [*self.spatial.parameters(), *self.spatial_aggregation.parameters_run(k)]
                chosen += self.spatial_adapter.parameters()
            if self.config.has_temporal:
                chosen += self.temporal_aggregation.parameters_run(len(self.config.temporal_map))
                chosen += [*self.temporal_adapter.parameters(), *self.temporal.parameters_run(k)]
        if mode == "full":
            chosen += self.backbone.parameters_run(max(self.config.layers_read))
        for parameter in chosen:
            parameter.requires_grad_(True)
        self.backbone_tuned = mode == "full"
        self.train(self.training)
        return chosen

    def for_frames(self, frames: int) -> Recogniser:
        """The same network for T = ``frames`` by default, without the temporal blocks that T frames never run: those
        that training with T frames has not touched."""
        return self._smaller(
            replace(self.config, frames=frames, temporal_depth=min(self.config.temporal_depth, frames))
        )

    def without_sides(self) -> Recogniser:
        """The baseline of the same parts: no side networks, and a Linear, as torch starts it, that reads the tower."""
        return self._smaller(replace(self.config, sides="none"))

    def without_zero_shot(self) -> Recogniser:
        """The same network without what zero-shot answers take: for a tower that CLIP's texts no longer belong to."""
        return self._smaller(replace(self.config, zero_shot=False))

    def for_inference(self, dtype: torch.dtype = torch.float32) -> Self:
        """Changed itself, to answer and never to learn, with image tower and side networks in ``dtype``: frames
        are to come in it too. What follows them is float32, whatever type the weights have."""
        self.float()
        for part in self.modules():
            if isinstance(part, Mlp):
                part.fold_quickgelu()
        if self.config.backbone.activation == "quickgelu":  # so that smaller networks and files of this one agree
            self.config = replace(self.config, backbone=replace(self.config.backbone, activation="silu"))
        for name in ("backbone", "spatial", "temporal"):
            if hasattr(self, name):
                getattr(self, name).to(dtype)
        return self.eval().requires_grad_(False)

    def _smaller(self, config: RecogniserConfig) -> Recogniser:
        if config == self.config:
            return self
        smaller = Recogniser(config)
        there = self.state_dict()
        smaller.load_state_dict({name: there.get(name, tensor) for name, tensor in smaller.state_dict().items()})
        return smaller.eval()

    def train(self, mode: bool = True) -> Self:
        """As any module's, but a frozen image tower stays in evaluation mode."""
        super().train(mode)
        self.backbone.train(mode and self.backbone_tuned)
        return self


def _adapter(width: int, fusion_width: int) -> nn.Module:
    return nn.Identity() if width == fusion_width else nn.Linear(width, fusion_width)


def _images(frames: Tensor) -> tuple[Tensor, int]:
    """[B * T, 3, H, W], and B."""
    if frames.ndim != 5:
        raise ValueError(f"frames must be [tracklets, frames, 3, height, width], got shape {list(frames.shape)}")
    return rearrange(frames, "b t rgb h w -> (b t) rgb h w"), len(frames)


def _tracklet_embedding(image_embeddings: Tensor, B: int) -> Tensor:
    each = F.normalize(image_embeddings.float(), dim=-1)
    return F.normalize(reduce(each, "(b t) e -> b e", "mean", b=B), dim=-1)
