"""The released augmentation, pad, crop, flip, on uint8 crops: drawn once for a tracklet, so that its frames agree.

Dimension letters: B tracklets, K frames, H and W pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_PAD_SHARE = 10 / 224  # the released code pads 10 pixels of 224


@dataclass(frozen=True)
class Draw:
    """dy, dx: where the crop starts in the padded picture, 0 to 1 of twice the padding. flip: left and right change."""

    dy: float
    dx: float
    flip: bool


def draw(seed: int, epoch: int, tracklet_id: str) -> Draw:
    """The draw of one tracklet in one epoch; neither its place in a batch nor the worker matters."""
    digest = hashlib.sha256(f"{seed}\0{epoch}\0{tracklet_id}".encode("utf-8", "surrogatepass")).digest()
    dy, dx, flip = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big"))).random(3).tolist()
    return Draw(dy, dx, flip < 0.5)


def pad_crop_flip(pixels_BKHWC: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Zero padding of 10 pixels in 224, a crop of the old size, and a flip in half of the draws; any device."""
    height, width = pixels_BKHWC.shape[2:4]
    pad_y, pad_x = round(height * _PAD_SHARE), round(width * _PAD_SHARE)
    padded = F.pad(pixels_BKHWC, (0, 0, pad_x, pad_x, pad_y, pad_y))
    cropped = []
    for one_KHWC, d in zip(padded, draws, strict=True):
        y, x = (min(2 * pad, int(share * (2 * pad + 1))) for pad, share in ((pad_y, d.dy), (pad_x, d.dx)))
        window = one_KHWC[:, y : y + height, x : x + width]
        cropped.append(window.flip(2) if d.flip else window)
    return torch.stack(cropped)
