"""What ``evaluate`` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from par_model.manifest.options import manifest_option
from par_model.options import check_options, option, required

THRESHOLD = 0.45  # of the paper's protocol
RESAMPLES = 1000


@dataclass(frozen=True)
class EvaluateOptions:
    """Raises UsageError."""

    manifest: str = manifest_option()
    predictions: str = option(
        required,
        "Output folder of a finished `parjob infer`; or another model's table, a Parquet file or a pattern of files "
        "with tracklet_id and a column for each group.",
        metavar="OUT",
    )
    output: str = option(required, "Folder to write metrics.json into.", metavar="URI")
    threshold: float = option(
        THRESHOLD,
        "Threshold of the paper's protocol. All other measures take the answers that the table has.",
        metavar="P",
        at_least=0,
        below=1,
    )
    split: str | None = option(
        None, "Split to score.", metavar="NAME", otherwise="test if there is one, else all labelled rows"
    )
    schema: str | None = option(
        None, "Attribute schema of the labels, where the manifest does not say it.", metavar="NAME|FILE"
    )
    resamples: int = option(
        RESAMPLES,
        "How many times the bootstrap samples the tracklets anew, for the intervals.",
        metavar="N",
        at_least=1,
    )
    seed: int = option(0, "Seed of the bootstrap.", at_least=0)

    def __post_init__(self) -> None:
        check_options(self)
