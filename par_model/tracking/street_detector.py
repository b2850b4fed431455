"""The small detector that ships: it knows the rendered street, and nothing else.

``python -m benchmarks.street_detector --train`` makes its weights anew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import nms

from par_model.errors import UsageError
from par_model.model.device import Device
from par_model.tracking.detections import Detections
from par_model.tracking.street_network import HEIGHT, Cells, StreetNetwork, filled_up, taken_size
from par_model.tracking.torch_detector import TorchDetector

# Of cells that speak for a person, two whose boxes overlap by this mean the same one.
_SAME = 0.7
_SURELY = 0.3  # how sure a cell is that it speaks
_MOST_CELLS = 4000  # that are looked at
_MOST = 100  # persons in a picture
_SURER = 1.0  # added to logits: the loss leaves scores low, and trackers begin tracks at 0.7
_LEAST = 0.5
_SURELY_LOGIT = math.log(_SURELY / (1 - _SURELY))
_LEAST_LOGIT = math.log(_LEAST / (1 - _LEAST)) - _SURER


class StreetDetector(TorchDetector):
    """See ``Detector``. Raises UsageError for options that are about files of others."""

    def __init__(
        self,
        *,
        person_class: str | None = None,
        input_style: str | None = None,
        device: Device = "auto",
        threads: int | None = None,
    ) -> None:
        if person_class is not None or input_style is not None:
            raise UsageError(
                "--detector demo finds persons and nothing else: leave out --person-class and --detector-input"
            )
        super().__init__(device, threads)
        self.scale = scaled_picture
        content = weights_file().read_bytes()
        self._sha256 = hashlib.sha256(content).hexdigest()
        network = StreetNetwork().fused()
        network.load_state_dict({name: tensor.float() for name, tensor in safetensors.torch.load(content).items()})
        self._network = network.to(self.device).to(memory_format=torch.channels_last)

    def describe(self) -> dict[str, Any]:
        told = {"kind": "demo", "sha256": self._sha256, "person_class": "person", "precision": "float32"}
        return told | {"batch_size": self.batch_size}

    def _detect(self, pictures: Sequence[NDArray[np.uint8]], height: int, width: int) -> list[Detections]:
        scaled = scaled_down(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))
        rows, columns = scaled.shape[-2:]
        features = self._network.finest_features(filled_up(scaled.to(self.device).float() / 255))
        back = torch.tensor([width / columns, height / rows] * 2, device=self.device)
        return [
            Detections.in_picture(
                *(found.cpu().numpy() for found in persons(self._speakers(one), back)),
                height=height,
                width=width,
            )
            for one in features
        ]

    def _speakers(self, features: Tensor) -> Cells:
        return self._network.speakers(features, _LEAST_LOGIT, _SURELY_LOGIT, _MOST_CELLS)


def weights_file() -> Any:
    """Where the weights lie, wherever this package lies."""
    return resources.files("par_model").joinpath("tracking", "street_detector.safetensors")


def scaled_down(pictures: Tensor) -> Tensor:
    """uint8 pictures [M, 3, H, W] in the size that the network takes."""
    size = taken_size(*pictures.shape[-2:])
    if size == pictures.shape[-2:]:
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", antialias=True)


def scaled_picture(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture uint8 [H, W, 3] in memory of its own, as ``scaled_down`` makes it; one that it would make larger, as it
    is."""
    if picture.shape[0] <= HEIGHT:
        return picture.copy()
    own = picture if picture.flags.writeable else picture.copy()  # torch warns of memory that it may not change
    pixels: NDArray[np.uint8] = scaled_down(torch.from_numpy(own)[None].permute(0, 3, 1, 2))[0].numpy()
    return pixels.transpose(1, 2, 0).copy()


def persons(cells: Cells, back: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes [n, 4] in pixels of the video's picture and scores [n], of one picture's k cells that speak for a person:
    of two that speak for the same one the surer. back: what a pixel of the network's picture is in the video's, for x,
    y, x, y."""
    found = cells.boxes * back
    kept = nms(found, cells.speaking, _SAME)[:_MOST]
    return found[kept], (cells.logits[kept] + _SURER).sigmoid()
