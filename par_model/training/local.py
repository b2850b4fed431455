"""Training in this one process, without Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from par_model.model.device import Device, local_device
from par_model.training.cache import Shard
from par_model.training.inputs import TrainPlan
from par_model.training.loop import train
from par_model.training.pace import Say
from par_model.training.workers import Worker


class LocalTrainer:
    """One worker. Device ``auto`` is CUDA where there is a GPU."""

    def __init__(self, device: Device = "auto") -> None:
        self._device = torch.device(local_device(device))

    def write_shards(self, shards: Sequence[Shard]) -> Iterator[int]:
        """Write one after the other; yields the tracklets of each."""
        for shard in shards:
            yield shard.write()

    def train(self, plan: TrainPlan, say: Say) -> None:
        """All epochs that are missing."""
        train(plan, Worker(device=self._device), say)
