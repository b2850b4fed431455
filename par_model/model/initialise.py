"""A new recogniser: a CLIP image tower, side networks with a random start, and the schema's text features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from par_model.attributes import AttributeSchema
from par_model.model.backbone import Clip, load_clip
from par_model.model.config import (
    Aggregate,
    BeyondDepth,
    InteractionMap,
    RecogniserConfig,
    Sides,
    default_map,
)
from par_model.model.recogniser import Recogniser
from par_model.model.weights import save_weights
from par_model.types import Fit, Preprocess


@dataclass(frozen=True)
class ModelOptions:
    """What a user may choose of a new recogniser; the fields are those of RecogniserConfig.

    A map that is None is map 2, its feature maps scaled to the backbone's depth.
    """

    frames: int = 6
    sides: Sides = "both"
    spatial_map: InteractionMap | None = None
    temporal_map: InteractionMap | None = None
    spatial_aggregation: Aggregate = "mean"
    temporal_aggregation: Aggregate = "mean"
    spatial_width: int = 240
    temporal_width: int = 240
    fusion_width: int = 240
    beyond_depth: BeyondDepth = "refuse"
    depth: int = 8

    def config(self, clip: Clip, num_classes: int) -> RecogniserConfig:
        """The numbers of a network on this CLIP. Raises UsageError.

        All ``depth`` temporal blocks exist, so that ``infer`` may take more frames than T; ``Recogniser.tune`` leaves
        out those that training does not run.
        """
        layers = clip.config.layers
        return RecogniserConfig(
            backbone=clip.config,
            num_classes=num_classes,
            frames=self.frames,
            sides=self.sides,
            spatial_map=self.spatial_map or default_map(layers),
            temporal_map=self.temporal_map or default_map(layers),
            spatial_aggregation=self.spatial_aggregation,
            temporal_aggregation=self.temporal_aggregation,
            spatial_width=self.spatial_width,
            temporal_width=self.temporal_width,
            fusion_width=self.fusion_width,
            depth=self.depth,
            temporal_depth=self.depth,
            beyond_depth=self.beyond_depth,
            zero_shot=clip.pretrained is not None,
        )


def initialise_weights(
    output: str,
    *,
    backbone: str,
    schema: AttributeSchema,
    pretrained: str | None = None,
    checkpoint_key: str | None = None,
    options: ModelOptions | None = None,
    image_size: tuple[int, int] | None = None,
    fit: Fit = "stretch",
    seed: int = 0,
) -> None:
    """Write a new weights file. ``backbone``, ``pretrained``, ``checkpoint_key``, ``image_size`` as in ``load_clip``.

    The same arguments give the same bytes. Raises WeightsError, UsageError, StorageError.
    """
    clip = load_clip(backbone, pretrained, checkpoint_key=checkpoint_key, image_size=image_size, seed=seed)
    config = (options or ModelOptions()).config(clip, schema.num_classes)
    features = clip.encode_texts([c.text for c in schema.classes])
    recogniser = new_recogniser(config, tower=clip.tower, text_features=features, seed=seed)
    if config.zero_shot:
        opposed = {i: c.negative_text for i, c in enumerate(schema.classes) if c.negative_text is not None}
        recogniser.negative_features[list(opposed)] = clip.encode_texts(list(opposed.values()))
        recogniser.logit_scale.copy_(clip.logit_scale)
    preprocess = Preprocess(
        height=config.backbone.image_height,
        width=config.backbone.image_width,
        fit=fit,
        mean=clip.mean,
        std=clip.std,
    )
    origin = {"state": "initialised", "pretrained": pretrained, "seed": seed}
    origin |= {} if checkpoint_key is None else {"checkpoint_key": checkpoint_key}
    save_weights(output, recogniser, schema=schema, preprocess=preprocess, training=origin)


def new_recogniser(
    config: RecogniserConfig, *, tower: Mapping[str, Tensor], text_features: Tensor, seed: int
) -> Recogniser:
    """A recogniser with this image tower and these text features; all else starts at random, from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        recogniser = Recogniser(config)
    recogniser.backbone.load_state_dict(dict(tower), strict=True)
    recogniser.text_features.copy_(text_features)
    return recogniser.eval()
