"""Watching a run: each epoch once, in files that other tools open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from par_model.training.metrics import EPOCH_SCHEMA, write_curves, write_metrics


def epoch(number: int, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(EPOCH_SCHEMA.names, 0.5)
    return row | {"epoch": number, "steps": 3, "best": number == 2, "workers": 1} | changes


def test_metrics_have_a_row_an_epoch_and_asks_before_they_appear(tmp_path: Path) -> None:
    asked: list[bool] = []
    path = tmp_path / "metrics.parquet"
    rows = [epoch(1, val_macro_f1=None), epoch(2)]
    write_metrics(str(path), rows, lambda: asked.append(path.exists()))
    table = pq.read_table(path)
    assert table.schema.equals(EPOCH_SCHEMA)
    assert table.to_pylist() == rows
    assert asked
    assert not any(asked)


def test_curves_are_a_picture_also_of_one_epoch_without_a_measure(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    write_curves(str(path), [epoch(1, val_macro_f1=None, val_mA=None)], None)
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (1100, 440))
