"""The released augmentation, pad, crop, flip, on uint8 crops: drawn once for a tracklet, so that its frames agree. Or
the flip alone.

What a flip changes it changes in the labels too: who headed left now heads right.

Dimension letters: B tracklets, T frames, H and W pixels, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from par_model.attributes import AttributeSchema
from par_model.sampling import keyed_uniform

_PAD_SHARE = 10 / 224  # the released code pads 10 pixels of 224


@dataclass(frozen=True)
class Draw:
    """dy, dx: where the crop starts in the padded picture, 0 to 1 of twice the padding. flip: left and right change."""

    dy: float
    dx: float
    flip: bool


def draw(seed: int, epoch: int, tracklet_id: str, *, shift: bool = True) -> Draw:
    """The draw of one tracklet in one epoch; neither its batch nor the worker matters. Without ``shift``
    the crop is the picture itself."""
    dy, dx, flip = keyed_uniform(3, seed, epoch, tracklet_id).tolist()
    return Draw(dy, dx, flip < 0.5) if shift else Draw(0.5, 0.5, flip < 0.5)


def pad_crop_flip(pixels_BTHW3: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Zero padding of 10 pixels in 224, a crop of the old size, and a flip in half of the draws; any device."""
    height, width = pixels_BTHW3.shape[2:4]
    pad_y, pad_x = round(height * _PAD_SHARE), round(width * _PAD_SHARE)
    padded = F.pad(pixels_BTHW3, (0, 0, pad_x, pad_x, pad_y, pad_y))
    cropped = []
    for one_THW3, d in zip(padded, draws, strict=True):
        y, x = (min(2 * pad, int(share * (2 * pad + 1))) for pad, share in ((pad_y, d.dy), (pad_x, d.dx)))
        window = one_THW3[:, y : y + height, x : x + width]
        cropped.append(window.flip(2) if d.flip else window)
    return torch.stack(cropped)


def mirrored_classes(schema: AttributeSchema) -> list[int]:
    """For each class the one that a flip makes of it: of a group with values ``left`` and ``right`` the other of the
    two, else itself."""
    mirrored = list(range(schema.num_classes))
    for group, span in schema.spans():
        class_of = {c.value: span.start + i for i, c in enumerate(group.classes) if group.kind == "exclusive"}
        if {"left", "right"} <= class_of.keys():
            mirrored[class_of["left"]], mirrored[class_of["right"]] = class_of["right"], class_of["left"]
    return mirrored


def flip_labels(labels_BC: NDArray[np.int8], draws: Sequence[Draw], mirrored: Sequence[int]) -> NDArray[np.int8]:
    """Labels of what ``pad_crop_flip`` shows. mirrored: see ``mirrored_classes``."""
    flipped_B = np.array([d.flip for d in draws], bool)
    return np.where(flipped_B[:, None], labels_BC[:, list(mirrored)], labels_BC)
