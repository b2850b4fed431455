"""What a run of ``infer`` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from par_model.choices import DECODE_BUDGET, Policy
from par_model.errors import UsageError
from par_model.model.device import Precision, RealDevice, RealPrecision
from par_model.options import check_options, option, required
from par_model.video.options import DecodeOptions

if TYPE_CHECKING:
    from par_model.sampling import Sampling
    from par_model.types import Preprocess


EmbeddingType = Literal["list", "fixed"]


@dataclass(frozen=True)
class InferOptions:
    """Everything but where it runs; None means "choose". Raises UsageError."""

    manifest: str = option(required, "Manifest of tracklets: a Parquet file, folder or pattern.", metavar="URI")
    weights: str = option(required, "Weights file (.safetensors), or 'demo'.", metavar="URI")
    output: str = option(required, "Folder for attributes/*.parquet and run.json.", metavar="URI")
    split: str | None = option(None, "Take only the rows of this split.", metavar="NAME")
    limit: int | None = option(None, "Take only the first N rows.", metavar="N", at_least=1)
    frames: int | None = option(
        None,
        "Frames of a tracklet that the network sees.",
        metavar="K",
        otherwise="from the weights",
        at_least=1,
    )
    sampling: Policy = option(
        "uniform",
        "Which of a tracklet's frames are taken: spread evenly, the first ones, drawn at random, all, or cheap: "
        "spread, but such that little of the video has to be decoded to see them.",
    )
    decode_budget: float = option(
        DECODE_BUDGET,
        "What --sampling cheap may spend, as a share of the decoding that uniform sampling would cost the tracklet. "
        "Key frames, and as many frames as are wanted, are taken even where they cost more.",
        metavar="SHARE",
        above=0,
        at_most=1,
    )
    seed: int = option(0, "Seed for random sampling.")
    embedding: bool = option(False, "Add each tracklet's CLIP image embedding.")
    embedding_type: EmbeddingType = option(
        "list", "What embeddings are to tools that read Arrow's types: lists, or vectors of a fixed size."
    )
    zero_shot: bool = option(
        False,
        "Compare CLIP's image embedding with the schema's texts, untrained; for weights of a pre-trained CLIP.",
    )
    partition_by: tuple[str, ...] = option(
        (), "Write Hive folders by this column (may be given several times).", metavar="COLUMN"
    )
    sort_by: tuple[str, ...] = option(
        (),
        "Sort the rows of each file by this column of the manifest (may be given several times).",
        metavar="COLUMN",
    )
    max_failure_rate: float = option(
        0.05,
        "Exit with 3 when a larger share of the tracklets failed.",
        metavar="SHARE",
        at_least=0,
        at_most=1,
    )
    precision: Precision = option("auto", "Precision of the network. auto is bf16 on GPUs and fp32 on CPUs.")
    batch_size: int | None = option(
        None,
        "Tracklets in one call of the network.",
        metavar="N",
        otherwise="64 on GPUs, 8 on CPUs",
        at_least=1,
    )
    compile: bool = option(False, "Run the network under torch.compile: slow to start, then faster.")
    decode: DecodeOptions = field(default_factory=DecodeOptions)

    def __post_init__(self) -> None:
        check_options(self)
        if self.embedding_type != "list" and not self.embedding:
            raise UsageError(f"--embedding-type {self.embedding_type}: there are no embeddings without --embedding")
        self.decode.check_sampling(self.sampling)


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
