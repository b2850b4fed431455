"""A small recogniser for tests: a few hundred kilobytes to a few megabytes, made in well under a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from par_model.attributes import AttributeSchema, load_schema
from par_model.model.config import BackboneConfig, RecogniserConfig, default_map
from par_model.model.recogniser import Recogniser
from par_model.model.weights import save_weights
from par_model.types import Preprocess

TINY_BACKBONE = BackboneConfig(
    name="tiny",
    image_height=64,
    image_width=32,
    patch=16,
    width=32,
    layers=4,
    heads=4,
    mlp_width=64,
    embed_dim=16,
    activation="quickgelu",
)


def tiny_config(num_classes: int = 5, backbone: BackboneConfig = TINY_BACKBONE, **options: Any) -> RecogniserConfig:
    """``options`` are RecogniserConfig's; what they leave out is small."""
    frames = options.get("frames", 3)
    small: dict[str, Any] = {
        "frames": frames,
        "temporal_depth": min(frames, 8),
        "spatial_map": default_map(backbone.layers),
        "temporal_map": default_map(backbone.layers),
        "spatial_width": 24,
        "temporal_width": 24,
        "fusion_width": 24,
    }
    return RecogniserConfig(backbone=backbone, num_classes=num_classes, **(small | options))


def tiny_recogniser(config: RecogniserConfig | None = None, seed: int = 0) -> Recogniser:
    """In evaluation mode, with weights so large that its scores differ from crop to crop."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        recogniser = Recogniser(config or tiny_config())
        with torch.no_grad():
            for parameter in recogniser.parameters():
                if parameter.ndim >= 2:
                    parameter.normal_(std=parameter[0].numel() ** -0.5)
            recogniser.text_features.normal_()
    return recogniser.eval()


def write_tiny_weights(
    path: Path | str, schema: str | AttributeSchema = "street", *, seed: int = 0, fit: Any = "stretch", **options: Any
) -> str:
    """Write a small weights file, 64x32 pixels (height x width), T = 3 unless ``frames`` says otherwise.

    ``backbone_size=(height, width)`` gives another input size; further options are RecogniserConfig's, and
    ``thresholds`` and ``trained`` those of ``save_weights``. Returns the path as text.
    """
    known = load_schema(schema) if isinstance(schema, str) else schema
    height, width = options.pop("backbone_size", (64, 32))
    kept = {name: options.pop(name) for name in ("thresholds", "trained") if name in options}
    backbone = replace(TINY_BACKBONE, image_height=height, image_width=width)
    recogniser = tiny_recogniser(tiny_config(known.num_classes, backbone, **options), seed)
    preprocess = Preprocess(height=height, width=width, fit=fit)
    save_weights(str(path), recogniser, schema=known, preprocess=preprocess, training={"state": "test"}, **kept)
    return str(path)
