"""A new recogniser: a CLIP image tower, side networks with a random start, and the schema's text features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from par_model.attributes import AttributeSchema
from par_model.choices import Fit
from par_model.model.backbone import load_clip
from par_model.model.config import RecogniserConfig
from par_model.model.options import ModelOptions
from par_model.model.recogniser import Recogniser
from par_model.model.weights import save_weights
from par_model.types import Preprocess


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
