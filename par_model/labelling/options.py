"""What ``parjob label`` can be asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from par_model.errors import UsageError
from par_model.options import check_options, option, required

By = Literal["mixed", "uncertain", "diverse", "stratified", "random"]
NEED_TABLE = ("mixed", "uncertain", "diverse")
LEAKS = ("person", "camera")
_PARTS = 3  # train, val, test


@dataclass(frozen=True)
class ChooseOptions:
    """Raises UsageError."""

    manifest: str = option(
        required, "Manifest to choose from: a Parquet file, a folder or a quoted pattern.", metavar="URI"
    )
    output: str = option(required, "The manifest of what is chosen, a Parquet file.", metavar="URI")
    predictions: str | None = option(
        None,
        "Output folder of a finished `parjob infer --embedding` of that manifest.",
        metavar="OUT",
        otherwise="none, which is enough for stratified and random",
    )
    count: int = option(300, "How many tracklets to choose.", metavar="N", at_least=1)
    by: By = option(
        "mixed",
        "uncertain: where the answers are nearest to another answer, each attribute in turn. diverse: unlike one "
        "another by their embedding. stratified: from each camera and hour of the day alike. random: by lot. mixed: "
        "uncertain, diverse and stratified in turn.",
    )
    per_person: int = option(
        1,
        "Choose at most so many tracklets of one person, where the manifest has person_id. Those that are labelled "
        "already count.",
        metavar="N",
        at_least=1,
    )
    split: str | None = option(None, "Choose among the rows of this split alone.", metavar="NAME")
    seed: int = option(0, "Seed of the choice.", metavar="N", at_least=0)

    def __post_init__(self) -> None:
        check_options(self)
        if self.predictions is None and self.by in NEED_TABLE:
            raise UsageError(
                f"--by {self.by} needs --predictions OUT, the output of `parjob infer --embedding` of this manifest; "
                "without, take --by stratified or --by random"
            )


@dataclass(frozen=True)
class ApplyOptions:
    """answers: places of files of answers. shares: of train, val and test, which add up to 1. Raises UsageError."""

    manifest: str
    output: str
    answers: tuple[str, ...]
    schema: str | None = None
    shares: tuple[float, ...] | None = None
    split_by: tuple[str, ...] = LEAKS
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.answers:
            raise UsageError("--answers: give at least one file that `parjob label page` saved")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}: must be at least 0")


def parse_shares(text: str) -> tuple[float, ...]:
    """``0.7/0.15/0.15`` as the shares of train, val and test. Raises UsageError."""
    try:
        shares = tuple(float(part) for part in text.split("/"))
    except ValueError:
        shares = ()
    if (
        len(shares) != _PARTS
        or not all(math.isfinite(share) and share >= 0 for share in shares)
        or abs(sum(shares) - 1) > 1e-6
        or not shares[0]
    ):
        raise UsageError(
            f"--split-shares is {text!r}: give three shares that add up to 1, of train, val and test, with some of "
            "train, such as 0.7/0.15/0.15"
        )
    return shares
