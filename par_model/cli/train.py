"""``parjob train``: fine-tuning on any number of workers."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from par_model.cli import options
from par_model.cli.command import Command, option


@click.command(cls=Command)
@options.manifest
@click.option("--weights", required=True, metavar="URI", help="Weights file to start from, or 'demo'.")
@click.option("--output", required=True, metavar="URI", help="Folder for best.safetensors, metrics.parquet, run.json.")
@option("--workers", type=int, default=1, metavar="N", help="Training processes; they share the machine's cores.")
@option("--epochs", type=int, default=30, metavar="N", help="Each sees every training tracklet once.")
@option("--lr", type=float, default=1e-3, metavar="RATE", help="Peak learning rate of the schedule.")
@option(
    "--schedule",
    type=click.Choice(["epoch", "step"]),
    default="epoch",
    help="epoch: the released one, set once an epoch: five of warm-up, then a cosine whose last epoch is at 2e-6. "
    "step: set at every step, 5 % of them warm-up, then a cosine to 0; better for few, long epochs.",
)
@option(
    "--optimizer",
    type=click.Choice(["adam", "muon"]),
    default="adam",
    help="adam: the released one. muon: for the matrices of Linears, with Adam for the rest; learns faster from "
    "random weights.",
)
@option("--batch-size", type=int, default=16, metavar="N", help="Tracklets of one step, over all workers.")
@click.option(
    "--micro-batch",
    type=int,
    metavar="N",
    help="Tracklets that a worker takes at a time; the gradients of a step's parts are added up. BatchNorm's "
    "statistics are then those of one part over all workers.  [default: all of its share]",
)
@option(
    "--tune",
    type=click.Choice(["side", "full", "head"]),
    default="side",
    help="side: all but the image tower. full: everything. head: no side networks, only what follows them.",
)
@click.option("--frames", type=int, metavar="K", help="Frames of a tracklet in a step.  [default: from the weights]")
@option(
    "--sampling",
    type=click.Choice(["random", "uniform", "first"]),
    default="random",
    help="Which of the kept frames an epoch sees; random draws anew each epoch, in time order.",
)
@option(
    "--augment",
    type=click.Choice(["all", "flip", "none"]),
    default="all",
    help="Drawn once for a tracklet and epoch. all: pad, crop and flip, as released. flip: left and right alone; their "
    "labels change with them.",
)
@option("--cache-frames", type=int, default=24, metavar="N", help="Most frames of a tracklet to decode and keep.")
@click.option("--crops", metavar="URI", help="Folder of decoded crops, for several runs to share.  [default: in OUT]")
@click.option("--clip-norm", type=float, metavar="NORM", help="Longest gradient.  [default: no limit]")
@option(
    "--val-fraction",
    type=float,
    default=0.1,
    metavar="SHARE",
    help="Of the training people, held out for validation where the manifest has no split 'val'.",
)
@click.option("--schema", metavar="NAME|FILE", help="Schema of the labels, where the manifest does not tell.")
@option("--seed", type=int, default=0, help="Of order, augmentation, sampling, drop-path and what is held out.")
@option("--max-failures", type=int, default=0, metavar="N", help="Lost workers to replace before giving up; -1: any.")
@option(
    "--max-failure-rate",
    type=float,
    default=0.05,
    metavar="SHARE",
    help="Stop where a larger share of the labelled tracklets cannot be read; fewer are left out.",
)
@options.decoding
@options.device
@options.precision
@options.ray
@options.json_output
def train(address: str | None, no_ray: bool, device: Any, as_json: bool, **asked: Any) -> int:
    """Fine-tune a recogniser on a manifest's labels.

    Rows of split 'train' train and rows of 'val' validate; 'test' is never read. Writes OUT/best.safetensors and
    OUT/last.safetensors, which `parjob infer` takes, OUT/metrics.parquet with a row an epoch, and OUT/run.json. The
    same command again goes on after the last whole epoch.

    \b
    Exit codes: 0 done; 1 could not; 2 wrong usage; 130 interrupted.
    \b
    Example:
      parjob train --manifest tracklets.parquet --weights w.safetensors --output run --workers 8
    """
    from par_model.errors import UsageError
    from par_model.training.job import Trainer, run_training
    from par_model.training.options import TrainOptions
    from par_model.video.options import DecodeOptions

    try:
        decode = DecodeOptions(**{name: asked.pop(name) for name in options.DECODING})
    except ValueError as error:
        raise UsageError(str(error)) from error
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

    try:
        summary = run_training(wanted, trainer)
    except KeyboardInterrupt:
        click.echo("parjob: stopped; whole epochs are kept. The same command again goes on from there", err=True)
        raise
    click.echo(json.dumps(summary) if as_json else _report(wanted.output, summary))
    return int(summary["exit_code"])


def _report(output: str, summary: dict[str, Any]) -> str:
    best, last, counts = summary["best"], summary["last"], summary["counts"]
    lines = [
        f"{output}/best.safetensors: epoch {best['epoch']} of {summary['epochs']}, {_measures(best)}",
        f"{output}/last.safetensors: {_measures(last)}",
        f"  {counts['train']} tracklets trained, {counts['val']} validated, {counts['failed']} could not be read",
    ]
    if summary["untrained"]:
        lines.append(f"  untrained for want of labels: {', '.join(summary['untrained'])}")
    return "\n".join(lines)


def _measures(row: dict[str, Any]) -> str:
    f1 = "-" if row["val_macro_f1"] is None else f"{row['val_macro_f1']:.3f}"
    return f"validation loss {row['val_loss']:.4f}, macro F1 {f1}"
