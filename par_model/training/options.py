"""What a run of ``train`` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from par_model.errors import UsageError
from par_model.video.options import DecodeOptions

Tune = Literal["side", "full", "head"]
TrainSampling = Literal["random", "uniform", "first"]
Schedule = Literal["epoch", "step"]
Optimizer = Literal["adam", "muon"]
Augment = Literal["all", "flip", "none"]
_CHOICES = {
    "tune": Tune,
    "sampling": TrainSampling,
    "schedule": Schedule,
    "optimizer": Optimizer,
    "augment": Augment,
}


@dataclass(frozen=True)
class TrainOptions:
    """Everything but the machine. Values as in the command's help; None means "choose". Raises UsageError.

    batch_size: tracklets of one step, over all workers. micro_batch: tracklets that one worker takes at a time.
    cache_frames: most frames of a training tracklet that are decoded and kept; each epoch draws among these.
    schedule: epoch is the released one; step warms up over the first 5 % of the steps and ends at 0.
    optimizer: adam is the released one; muon moves the matrices of Linears by their orthogonal momentum.
    augment: all is the released pad, crop and flip; flip leaves the first two out.
    crops: folder that keeps decoded crops, so that several runs share them.
    """

    manifest: str
    weights: str
    output: str
    schema: str | None = None
    workers: int = 1
    epochs: int = 30
    lr: float = 1e-3
    schedule: Schedule = "epoch"
    optimizer: Optimizer = "adam"
    batch_size: int = 16
    micro_batch: int | None = None
    tune: Tune = "side"
    frames: int | None = None
    sampling: TrainSampling = "random"
    augment: Augment = "all"
    cache_frames: int = 24
    crops: str | None = None
    clip_norm: float | None = None
    val_fraction: float = 0.1
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0
    max_failures: int = 0
    max_failure_rate: float = 0.05
    decode: DecodeOptions = field(default_factory=DecodeOptions)

    def __post_init__(self) -> None:
        checks: list[tuple[str, Any, bool, str]] = [
            ("--workers", self.workers, self.workers >= 1, "at least 1"),
            ("--epochs", self.epochs, self.epochs >= 1, "at least 1"),
            ("--lr", self.lr, 0 < self.lr < float("inf"), "above 0"),
            ("--batch-size", self.batch_size, self.batch_size >= 2, "at least 2: BatchNorm needs two tracklets"),
            ("--micro-batch", self.micro_batch, self.micro_batch is None or self.micro_batch >= 1, "at least 1"),
            ("--frames", self.frames, self.frames is None or self.frames >= 1, "at least 1"),
            ("--cache-frames", self.cache_frames, self.cache_frames >= 1, "at least 1"),
            ("--clip-norm", self.clip_norm, self.clip_norm is None or self.clip_norm > 0, "above 0"),
            ("--val-fraction", self.val_fraction, 0 < self.val_fraction < 1, "between 0 and 1"),
            ("--max-failures", self.max_failures, self.max_failures >= -1, "-1 (no limit) or more"),
            ("--max-failure-rate", self.max_failure_rate, 0 <= self.max_failure_rate <= 1, "between 0 and 1"),
        ]
        for name, kind in _CHOICES.items():
            value, allowed = getattr(self, name), get_args(kind)
            checks.append((f"--{name}", value, value in allowed, f"one of {', '.join(allowed)}"))
        for name, value, good, limit in checks:
            if not good:
                raise UsageError(f"{name} is {value}: must be {limit}")
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
        return {name: getattr(self, name) for name in names} | self.decode.results()
