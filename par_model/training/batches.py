"""The order of an epoch, cut into steps, micro-steps and workers' shares. Pure functions of numbers.

A step is one batch over all workers and one update of the weights. With gradient accumulation it is made of several
micro-steps, each over all workers again. The order is the same whatever the number of workers.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from par_model.sampling import keyed_uniform

Indices = NDArray[np.int64]


def epoch_order(tracklets: int, seed: int, epoch: int) -> Indices:
    """Every tracklet once, shuffled; keyed by seed and epoch."""
    uniform = keyed_uniform(tracklets, "order", seed, epoch)
    return np.argsort(uniform, kind="stable")


def steps(order: Indices, batch_size: int) -> list[Indices]:
    """Batches in order. A last one of a single tracklet is merged into the one before: BatchNorm needs two."""
    return _in_parts(order, batch_size)


def micro_steps(batch: Indices, workers: int, micro_batch: int | None) -> list[Indices]:
    """A batch in parts of at most ``micro_batch`` tracklets a worker, as equal as can be; None: in one part.

    Where that would leave a part of a single tracklet, it is merged into the one before.
    """
    if micro_batch is None:
        return [batch]
    most = max(2, micro_batch * workers)
    return _in_parts(batch, ceil(len(batch) / ceil(len(batch) / most)))


def share(micro_step: Indices, rank: int, workers: int) -> Indices:
    """The part of one worker; parts differ by one tracklet at most, and may be empty at the end of an epoch."""
    return np.array_split(micro_step, workers)[rank]


def _in_parts(indices: Indices, size: int) -> list[Indices]:
    parts = [indices[start : start + size] for start in range(0, len(indices), size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts
