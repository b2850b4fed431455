"""What training says while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from par_model.training.inputs import TrainPlan
from par_model.training.workers import Worker

_STEP_SECONDS = 1.0


class Step(NamedTuple):
    """How far training is. done: tracklets seen, over all epochs. note: epoch, step, loss, learning rate."""

    done: int
    note: str


Say = Callable[[str | Step], None]


class Pace:
    """Says once a second where training is."""

    def __init__(self, plan: TrainPlan, worker: Worker, say: Say) -> None:
        self._plan, self._say, self._speaks = plan, say, worker.rank == 0
        self._last = time.monotonic()

    def step(self, epoch: int, step: int, steps: int, loss: float, rate: float) -> None:
        """After each step of the network."""
        now = time.monotonic()
        if not self._speaks or now - self._last < _STEP_SECONDS:
            return
        self._last = now
        done = (epoch - 1 + step / steps) * len(self._plan.train)
        note = f"epoch {epoch}/{self._plan.options.epochs}, step {step}/{steps}, loss {loss:.4f}, rate {rate:.2e}"
        self._say(Step(round(done), note))


def epoch_line(row: Mapping[str, Any], epochs: int) -> str:
    """An epoch's row of metrics as a line."""
    f1 = "-" if row["val_macro_f1"] is None else f"{row['val_macro_f1']:.3f}"
    return (
        f"epoch {row['epoch']}/{epochs}: loss {row['train_loss']:.4f}, validation loss {row['val_loss']:.4f}, "
        f"macro F1 {f1}{' (best)' if row['best'] else ''}, {row['tracklets_per_second']:.1f} tracklets/s"
    )
