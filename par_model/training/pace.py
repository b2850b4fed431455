"""What training says while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from par_model.training.plan import TrainPlan
from par_model.training.workers import Worker

Say = Callable[[str], None]
_LINE_SECONDS = 10.0


class Pace:
    """A line of progress every ten seconds: where training is, its loss, its rate, the time left."""

    def __init__(self, plan: TrainPlan, worker: Worker, say: Say) -> None:
        self._plan, self._say, self._speaks = plan, say, worker.rank == 0
        self._started = self._last = time.monotonic()
        self._done = 0

    def step(self, epoch: int, step: int, steps: int, loss: float, rate: float, tracklets: int) -> None:
        self._done += tracklets
        now = time.monotonic()
        if not self._speaks or now - self._last < _LINE_SECONDS:
            return
        self._last = now
        per_second = self._done / (now - self._started)
        epochs = self._plan.options.epochs
        left = (epochs - epoch + 1 - step / steps) * len(self._plan.train) / per_second
        minutes, seconds = divmod(round(left), 60)
        self._say(
            f"epoch {epoch}/{epochs}, step {step}/{steps}: loss {loss:.4f}, rate {rate:.2e}, "
            f"{per_second:.1f} tracklets/s, {minutes // 60}:{minutes % 60:02d}:{seconds:02d} left"
        )


def epoch_line(row: Mapping[str, Any], epochs: int) -> str:
    """An epoch's row of metrics as a line."""
    f1 = "-" if row["val_macro_f1"] is None else f"{row['val_macro_f1']:.3f}"
    return (
        f"epoch {row['epoch']}/{epochs}: loss {row['train_loss']:.4f}, validation loss {row['val_loss']:.4f}, "
        f"macro F1 {f1}{' (best)' if row['best'] else ''}, {row['tracklets_per_second']:.1f} tracklets/s"
    )
