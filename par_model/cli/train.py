"""``parjob train``: fine-tuning on any number of workers."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from par_model.cli import options
from par_model.cli.command import Command, resumable
from par_model.cli.fields import options_of
from par_model.options import taken
from par_model.training.options import TrainOptions
from par_model.video.options import DecodeOptions
from par_model.wording import counted


@click.command(cls=Command)
@options_of(TrainOptions)
@options_of(DecodeOptions)
@options.device
@options.ray
@options.json_output
def train(address: str | None, no_ray: bool, device: Any, as_json: bool, **asked: Any) -> int:
    """Fine-tune a recogniser on a manifest's labels.

    Rows of split 'train' train and rows of 'val' validate; 'test' is never read. The command writes
    OUT/best.safetensors and OUT/last.safetensors, which `parjob infer` takes, OUT/metrics.parquet with a row for each
    epoch, and OUT/run.json. After an interruption the same command goes on after the last whole epoch.

    \b
    Exit codes: 0 done; 1 could not; 2 wrong usage; 130 interrupted.
    \b
    Example:
      parjob train --manifest tracklets.parquet --weights w.safetensors --output run --workers 8
    """
    from par_model.errors import UsageError
    from par_model.training.job import Trainer, run_training

    decode = taken(DecodeOptions, asked)
    if no_ray and asked["workers"] > 1:
        raise UsageError(
            f"--workers {asked['workers']} with --no-ray: one process is one worker; leave one of them out"
        )
    wanted = TrainOptions(decode=decode, **asked)

    def trainer() -> AbstractContextManager[Trainer]:
        if no_ray:
            from par_model.training.local import LocalTrainer

            return nullcontext(LocalTrainer(device))
        from par_model.cluster.training import ray_trainer

        return ray_trainer(address, device, wanted)

    with resumable("whole epochs are kept. The same command again goes on from there"):
        record = run_training(wanted, trainer)
    click.echo(json.dumps(record) if as_json else _report(wanted.output, record))
    return int(record["exit_code"])


def _report(output: str, record: dict[str, Any]) -> str:
    best, last, counts = record["best"], record["last"], record["counts"]
    trained = counted(counts["train"], "tracklet")
    lines = [
        f"{output}/best.safetensors: epoch {best['epoch']} of {record['epochs']}, {_measures(best)}",
        f"{output}/last.safetensors: {_measures(last)}",
        f"  {trained} trained, {counts['val']} validated, {counts['failed']} could not be read",
    ]
    if record["untrained"]:
        lines.append(f"  untrained for want of labels: {', '.join(record['untrained'])}")
    return "\n".join(lines)


def _measures(row: dict[str, Any]) -> str:
    f1 = "-" if row["val_macro_f1"] is None else f"{row['val_macro_f1']:.3f}"
    return f"validation loss {row['val_loss']:.4f}, macro F1 {f1}"
