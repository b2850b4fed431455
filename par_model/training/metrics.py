"""Watching a run: metrics.parquet with one row an epoch, TensorBoard event files, learning curves as PNG.

All are made from the history that the checkpoint holds, so whatever was killed and begun again, each epoch is there
once.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage
from par_model.scratch import scratch_folder

EPOCH_SCHEMA = pa.schema(
    [
        ("epoch", pa.int32()),
        ("steps", pa.int32()),
        ("learning_rate", pa.float64()),
        ("train_loss", pa.float64()),
        ("val_loss", pa.float64()),
        ("val_macro_f1", pa.float64()),
        ("val_mA", pa.float64()),
        ("val_group_accuracy", pa.float64()),
        ("val_paper_f1", pa.float64()),
        ("best", pa.bool_()),  # so far: the epoch whose weights best.safetensors held after it
        ("seconds", pa.float64()),
        ("tracklets_per_second", pa.float64()),
        ("workers", pa.int32()),
    ]
)
_CURVES = (("loss", ("train_loss", "val_loss")), ("validation", ("val_macro_f1", "val_mA", "val_group_accuracy")))


def write_metrics(uri: str, epochs: Sequence[Mapping[str, Any]], before: storage.Before | None) -> None:
    """metrics.parquet. before, here and below: as of ``storage.atomic_writer``. Raises StorageError."""
    table = pa.Table.from_pylist([dict(row) for row in epochs], schema=EPOCH_SCHEMA)
    with storage.atomic_writer(uri, before) as file:
        pq.write_table(table, file)


def write_events(
    folder: str, row: Mapping[str, Any], step_losses: Mapping[int, float], before: storage.Before | None
) -> None:
    """One event file for one epoch; a later writing of the same epoch replaces it. Raises StorageError.

    step_losses: by step, counted over all epochs.
    """
    from torch.utils.tensorboard import SummaryWriter

    epoch = int(row["epoch"])
    with scratch_folder("events") as local:
        writer = SummaryWriter(local)
        for step, loss in step_losses.items():
            writer.add_scalar("step/loss", loss, step)
        for name, value in row.items():
            if isinstance(value, float):
                part = name.partition("_")[0] if name.startswith(("train_", "val_")) else "epoch"
                writer.add_scalar(f"{part}/{name}", value, epoch)
        writer.close()
        (file,) = Path(local).glob("events.out.tfevents.*")
        uri = storage.join(folder, f"events.out.tfevents.{epoch:010d}.parjob")
        storage.write_bytes(uri, file.read_bytes(), before)


def write_curves(uri: str, epochs: Sequence[Mapping[str, Any]], before: storage.Before | None) -> None:
    """Losses and validation measures over the epochs, as PNG. Raises StorageError."""
    from matplotlib.figure import Figure  # without pyplot: no global state, no display

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, 2), _CURVES, strict=True):
        for name in names:
            points = [(row["epoch"], row[name]) for row in epochs if row[name] is not None]
            axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    storage.write_bytes(uri, buffer.getvalue(), before)
