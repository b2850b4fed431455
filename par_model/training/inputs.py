"""All that a training process needs to know; the same for every worker, and small enough to send.

Dimension letters: B tracklets, T frames, H and W pixels, C classes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from par_model import storage
from par_model.runs.output import Output
from par_model.sampling import positions
from par_model.training.batches import Indices
from par_model.training.options import TrainOptions
from par_model.training.store import CropStore


@dataclass(frozen=True, eq=False)
class Examples:
    """B tracklets with crops: ids, and labels int8 [B, C] in the order of the weights' schema."""

    ids: tuple[str, ...]
    labels: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class TrainPlan:
    """weights: an absolute URI. output: by an absolute URI. frames: T.

    trained: bool [C], False for a class without any training label. shards: URIs of the cached crops. run_id: names
    the crops' local copy on each machine. before: asked before each write below the output, as in
    ``storage.atomic_writer``.
    """

    options: TrainOptions
    weights: str
    output: Output
    frames: int
    train: Examples
    val: Examples
    trained: tuple[bool, ...]
    shards: tuple[str, ...]
    run_id: str
    fingerprint: dict[str, Any]
    before: storage.Before | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """B tracklets: indices among the examples, pixels uint8 [B, T, H, W, 3], labels int8 [B, C]. B may be 0."""

    indices: Indices
    ids: tuple[str, ...]
    pixels: NDArray[np.uint8] | None
    labels: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads batches of crops ahead of the network: one for each of ``threads``.

    sampling: random draws anew each epoch, by (seed, epoch, tracklet), among the cached frames, in their order.
    threads: decoders at work beside the network. What is read, and in which order, does not depend on them.
    """

    store: CropStore
    examples: Examples
    frames: int
    sampling: str
    seed: int
    threads: int = 1

    def batches(self, parts: list[Indices], epoch: int) -> Iterator[Batch]:
        """One batch for each part, in order."""
        ahead: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(self.threads) as pool:
            for part in parts:
                ahead.append(pool.submit(self.read, part, epoch))
                if len(ahead) > self.threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def read(self, indices: Indices, epoch: int) -> Batch:
        """The crops of the examples at these indices."""
        ids = tuple(self.examples.ids[index] for index in indices)
        pixels = np.stack([self._pixels(tracklet_id, epoch) for tracklet_id in ids]) if ids else None
        return Batch(indices, ids, pixels, self.examples.labels[indices])

    def _pixels(self, tracklet_id: str, epoch: int) -> NDArray[np.uint8]:
        n = self.store.num_frames(tracklet_id)
        key = f"{epoch}\0{tracklet_id}"
        chosen = positions(n, self.frames, self.sampling, seed=self.seed, key=key)  # type: ignore[arg-type]
        return self.store.pixels(tracklet_id, chosen)
