"""What detectors that run by torch have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from par_model.model.device import Device, local_device
from par_model.tracking.detections import Detections
from par_model.tracking.detector import BATCH, Scale


class TorchDetector(ABC):
    """See ``Detector``. On the CPU pictures go one by one, so that those beside them cannot change an answer."""

    batch_size = BATCH
    scale: Scale | None = None

    def __init__(self, device: Device, threads: int | None) -> None:
        self.device = torch.device(local_device(device))
        if threads is not None:
            torch.set_num_threads(threads)

    @torch.inference_mode()
    def detect(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None = None) -> list[Detections]:
        if not pictures:
            return []
        height, width, _ = pictures[0].shape
        width, height = size or (width, height)
        if self.device.type == "cpu":
            return [self._detect([picture], height, width)[0] for picture in pictures]
        return self._detect(pictures, height, width)

    @abstractmethod
    def _detect(self, pictures: Sequence[NDArray[np.uint8]], height: int, width: int) -> list[Detections]:
        """The persons of each picture, of which there is one at least. height, width: that boxes refer to."""
