"""The released learning-rate schedule: a linear warm-up, then a cosine that began at epoch 0, set once an epoch."""

from __future__ import annotations

from math import cos, pi

WARM_UP_EPOCHS = 5
WARM_UP_START = 1e-5
FLOOR = 2e-6


def learning_rate(epoch: int, *, epochs: int = 30, peak: float = 1e-3) -> float:
    """The rate for ``epoch``, counted from 1 to ``epochs``.

    Before epoch 5: 1e-5 + epoch (peak - 1e-5) / 5. Then: floor + (peak - floor) (1 + cos(pi epoch / epochs)) / 2, with
    floor 2e-6, which the last epoch reaches; the peak itself is never reached. Raises ValueError for other epochs.
    """
    if not 1 <= epoch <= epochs:
        raise ValueError(f"epoch {epoch} is not among 1 to {epochs}")
    if epoch == epochs:
        return FLOOR
    if epoch < WARM_UP_EPOCHS:
        return WARM_UP_START + epoch * ((peak - WARM_UP_START) / WARM_UP_EPOCHS)
    return FLOOR + 0.5 * (peak - FLOOR) * (1 + cos(pi * epoch / epochs))
