"""What a run of ``infer`` was asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from par_model.errors import UsageError
from par_model.model.device import Precision, RealDevice, RealPrecision
from par_model.sampling import Sampling
from par_model.types import Preprocess
from par_model.video.options import DecodeOptions


@dataclass(frozen=True)
class InferOptions:
    """Everything but where it runs. Values as in the command's help; None means "choose". Raises UsageError."""

    manifest: str
    weights: str
    output: str
    frames: int | None = None
    sampling: Literal["uniform", "first", "random", "all"] = "uniform"
    seed: int = 0
    split: str | None = None
    limit: int | None = None
    batch_size: int | None = None
    precision: Precision = "auto"
    compile: bool = False
    embedding: bool = False
    zero_shot: bool = False
    partition_by: tuple[str, ...] = ()
    max_failure_rate: float = 0.05
    decode: DecodeOptions = field(default_factory=DecodeOptions)

    def __post_init__(self) -> None:
        for name, value in (("--frames", self.frames), ("--limit", self.limit), ("--batch-size", self.batch_size)):
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}: must be at least 1")
        if not (0 <= self.max_failure_rate <= 1) or math.isnan(self.max_failure_rate):
            raise UsageError(f"--max-failure-rate is {self.max_failure_rate}: must be between 0 and 1")


@dataclass(frozen=True)
class StageSettings:
    """What the stages need to know; travels to every worker.

    device and precision are decided by then. batch_size: tracklets in one call of the network.
    """

    weights: str
    preprocess: Preprocess
    sampling: Sampling
    decode: DecodeOptions
    device: RealDevice
    precision: RealPrecision
    batch_size: int
    compile: bool
    embedding: bool
    zero_shot: bool
