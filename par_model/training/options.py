"""What a run of ``train`` was asked for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, Literal

from par_model.choices import DECODE_BUDGET
from par_model.errors import UsageError
from par_model.manifest.options import manifest_option
from par_model.model.device import Precision
from par_model.options import check_options, option, required, stated_options
from par_model.video.options import DecodeOptions

Tune = Literal["side", "full", "head"]
TrainSampling = Literal["random", "uniform", "first", "cheap"]
Schedule = Literal["epoch", "step"]
Optimizer = Literal["adam", "muon"]
Augment = Literal["all", "flip", "none"]


@dataclass(frozen=True)
class TrainOptions:
    """Everything but the machine; None means "choose". Raises UsageError."""

    manifest: str = manifest_option()
    weights: str = option(required, "Weights file to start from, or 'demo'.", metavar="URI")
    output: str = option(required, "Folder for best.safetensors, metrics.parquet and run.json.", metavar="URI")
    workers: int = option(
        1, "Number of training processes. Those on one machine share its cores.", metavar="N", at_least=1
    )
    epochs: int = option(30, "How often each training tracklet is seen.", metavar="N", at_least=1)
    lr: float = option(1e-3, "Peak learning rate of the schedule.", metavar="RATE", above=0, below=float("inf"))
    schedule: Schedule = option(
        "epoch",
        "How the learning rate changes. epoch is the released schedule, set once an epoch: five epochs of warm-up, "
        "then a cosine whose last epoch is at 2e-6. step sets it at every step, 5 % of them warm-up, then a cosine to "
        "0; it is better for few, long epochs.",
    )
    optimizer: Optimizer = option(
        "adam",
        "How weights are changed. adam is the released way. muon changes the matrices of linear layers by their "
        "orthogonal momentum, and all else by Adam; it learns faster from random weights.",
    )
    batch_size: int = option(
        16,
        "Number of tracklets of one step, over all workers. BatchNorm needs at least two.",
        metavar="N",
        at_least=2,
    )
    micro_batch: int | None = option(
        None,
        "Number of tracklets that a worker takes at a time. The gradients of a step's parts are added up. BatchNorm's "
        "statistics are then those of one part over all workers.",
        metavar="N",
        otherwise="all of its share",
        at_least=1,
    )
    tune: Tune = option(
        "side",
        "What is trained. side is all but the image tower, full is everything, and head is what follows the side "
        "networks, which head leaves out.",
    )
    frames: int | None = option(
        None, "Number of frames that a step sees of a tracklet.", metavar="K", otherwise="from the weights", at_least=1
    )
    sampling: TrainSampling = option(
        "random",
        "Which of the kept frames an epoch sees. random draws anew in each epoch and keeps their order in time. With "
        "cheap, training and validation keep and see those frames that infer --sampling cheap takes.",
    )
    decode_budget: float = option(
        DECODE_BUDGET,
        "What --sampling cheap may spend, as a share of the decoding that uniform sampling would cost the tracklet.",
        metavar="SHARE",
        above=0,
        at_most=1,
    )
    augment: Augment = option(
        "all",
        "How pictures are changed at random, once for each tracklet and epoch. all is pad, crop and flip, as released; "
        "flip only exchanges left and right. Labels of a side change with the picture.",
    )
    cache_frames: int = option(
        24,
        "How many frames of a training tracklet are decoded and kept at most. Each epoch draws among these.",
        metavar="N",
        at_least=1,
    )
    crops: str | None = option(
        None, "Folder of decoded crops, which several runs can share.", metavar="URI", otherwise="in OUT"
    )
    clip_norm: float | None = option(
        None,
        "Largest norm of a step's gradient. Larger gradients are scaled down to it.",
        metavar="NORM",
        otherwise="no limit",
        above=0,
    )
    val_fraction: float = option(
        0.1,
        "Share of the training people that is held out for validation where the manifest has no split 'val'.",
        metavar="SHARE",
        above=0,
        below=1,
    )
    schema: str | None = option(None, "Schema of the labels, where the manifest does not tell.", metavar="NAME|FILE")
    seed: int = option(0, "Seed for order, augmentation, sampling, drop-path and what is held out.")
    max_failures: int = option(
        0, "How many lost workers are replaced before training gives up. -1 is any number.", metavar="N", at_least=-1
    )
    max_failure_rate: float = option(
        0.05,
        "Stop where a larger share of the labelled tracklets cannot be read; fewer are left out.",
        metavar="SHARE",
        at_least=0,
        at_most=1,
    )
    precision: Precision = option("auto", "Precision of the network. auto is bf16 on GPUs and fp32 on CPUs.")
    decode: DecodeOptions = field(default_factory=DecodeOptions)

    def __post_init__(self) -> None:
        check_options(self)
        self.decode.check_sampling(self.sampling)
        if self.batch_size < self.workers:
            raise UsageError(
                f"--batch-size {self.batch_size} is smaller than --workers {self.workers}: it is the batch over all "
                "workers, and each needs a tracklet of it"
            )

    def results(self) -> dict[str, Any]:
        """The options that change results: with others, an output is another run's."""
        names = (
            *("epochs", "lr", "schedule", "optimizer", "batch_size", "micro_batch", "tune", "sampling", "augment"),
            *("cache_frames", "clip_norm", "val_fraction", "precision", "seed"),
        )
        budget = {"decode_budget": self.decode_budget} if self.sampling == "cheap" else {}
        return {name: getattr(self, name) for name in names} | budget | self.decode.results()

    def command(self) -> str:
        """The ``parjob train`` that asks for this, without what is so by default."""
        words = ["parjob", "train"]
        for given in (self, self.decode):
            kind: Any = type(given)
            for name, stated in stated_options(kind).items():
                value = getattr(given, name)
                if stated.required or value != stated.default:
                    words += [stated.name, str(value)]
        return shlex.join(words)
