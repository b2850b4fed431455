"""Learning rates: the released schedule, a linear warm-up, then a cosine that began at epoch 0, set once an epoch; and
one that is set at every step, for runs of a few long epochs, of which the released one would waste the last."""

from __future__ import annotations

from math import cos, pi

WARM_UP_EPOCHS = 5
WARM_UP_START = 1e-5
FLOOR = 2e-6
SMOOTH_WARM_UP = 0.05  # of the run


def learning_rate(epoch: int, *, epochs: int = 30, peak: float = 1e-3) -> float:
    """The rate for ``epoch``, counted from 1 to ``epochs``.

    Before epoch 5: 1e-5 + epoch (peak - 1e-5) / 5. Then: floor + (peak - floor) (1 + cos(pi epoch / epochs)) / 2, with
    floor 2e-6, which the last epoch reaches; the peak itself is never reached. A peak below these two is used
    instead, and a single epoch warms up, since at the floor it would learn nothing. Raises ValueError for other epochs.
    """
    if not 1 <= epoch <= epochs:
        raise ValueError(f"epoch {epoch} is not among 1 to {epochs}")
    start, floor = min(WARM_UP_START, peak), min(FLOOR, peak)
    if epoch == epochs > 1:
        return floor
    if epoch < WARM_UP_EPOCHS:
        return start + epoch * ((peak - start) / WARM_UP_EPOCHS)
    return floor + 0.5 * (peak - floor) * (1 + cos(pi * epoch / epochs))


def smooth_rate(done: float, *, peak: float) -> float:
    """The rate where ``done``, 0 to 1, of all steps are done: up to ``peak`` over the first 5 %, then half a cosine,
    which ends at 0."""
    if done < SMOOTH_WARM_UP:
        return peak * done / SMOOTH_WARM_UP
    return 0.5 * peak * (1 + cos(pi * (done - SMOOTH_WARM_UP) / (1 - SMOOTH_WARM_UP)))
