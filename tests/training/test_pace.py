"""What training says while it runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from par_model.training import pace
from par_model.training.pace import Pace, Step, epoch_line

ROW = {
    "epoch": 3,
    "train_loss": 0.5,
    "val_loss": 0.25,
    "val_macro_f1": 0.75,
    "best": True,
    "tracklets_per_second": 9.96,
}


def test_an_epoch_is_a_line() -> None:
    assert epoch_line(ROW, 30) == (
        "epoch 3/30: loss 0.5000, validation loss 0.2500, macro F1 0.750 (best), 10.0 tracklets/s"
    )
    assert "macro F1 -, " in epoch_line(ROW | {"val_macro_f1": None, "best": False}, 30)


def test_a_step_is_said_once_a_second_and_by_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: now[0]))
    plan: Any = SimpleNamespace(train=range(40), options=SimpleNamespace(epochs=5))
    said: list[Any] = []
    first, second = (Pace(plan, SimpleNamespace(rank=rank), said.append) for rank in (0, 1))  # type: ignore[arg-type]
    for step, time in ((1, 100.9), (2, 101.1), (3, 102.0), (4, 102.1)):
        now[0] = time
        for one in (first, second):
            one.step(2, step, 4, 0.5, 1e-3)
    assert said == [
        Step(60, "epoch 2/5, step 2/4, loss 0.5000, rate 1.00e-03"),
        Step(80, "epoch 2/5, step 4/4, loss 0.5000, rate 1.00e-03"),
    ]
