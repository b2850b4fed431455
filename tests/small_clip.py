"""A small CLIP of open_clip's own classes, random, for what would need a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch

SETTINGS: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 4, "width": 32, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def small_clip(seed: int = 0) -> open_clip.CLIP:
    """In evaluation mode, with answers that differ from picture to picture and text to text."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = open_clip.CLIP(**SETTINGS)
        with torch.no_grad():
            for parameter in clip.parameters():
                if parameter.ndim >= 2:
                    parameter.normal_(std=parameter[0].numel() ** -0.5)
            clip.logit_scale.fill_(2.5)
    return clip.eval()


def write_small_clip(folder: Path) -> tuple[str, str]:
    """Paths of its configuration, for ``--backbone``, and of its weights, for ``--pretrained``."""
    config, weights = folder / "small.json", folder / "small.pt"
    config.write_text(json.dumps(SETTINGS))
    torch.save(small_clip().state_dict(), weights)
    return str(config), str(weights)
