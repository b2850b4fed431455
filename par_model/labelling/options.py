"""What ``parjob label`` can be asked for."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Literal, get_args

from par_model.errors import UsageError
from par_model.manifest.options import manifest_option, output_manifest_option
from par_model.options import check_options, option, required

By = Literal["mixed", "uncertain", "diverse", "stratified", "random"]
NEED_TABLE = ("mixed", "uncertain", "diverse")
Leak = Literal["person", "camera"]
LEAKS: tuple[Leak, ...] = get_args(Leak)
_PARTS = 3  # train, val, test
_DISPUTES = 200  # that a page of the audit shows at most, unless asked for others


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
        "uncertain: where the answers are nearest to another answer, each answer in turn, and first of tracklets that "
        "others hide little. diverse: unlike one another by their embedding. stratified: from each camera and hour of "
        "the day alike. random: by lot. mixed: of six, four uncertain, one diverse and one stratified.",
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
class LabelPageOptions:
    """Raises UsageError."""

    manifest: str = option(required, "Manifest of the tracklets to label.", metavar="URI")
    output: str = option(required, "Page to write, local or s3://.", metavar="FILE.html")
    schema: str | None = option(
        None,
        "Attribute schema to label by: a shipped name, or a path or URI.",
        metavar="NAME|FILE",
        otherwise="that of the manifest's labels",
    )
    predictions: str | None = option(
        None,
        "Output folder of a finished `parjob infer`, whose answers are shown and can be accepted.",
        metavar="OUT",
    )
    blind: bool = option(False, "Show no predictions, and not why a tracklet was chosen.")
    author: str = option("", "Who will label.", metavar="NAME", otherwise="the page asks")
    crops: int = option(
        6, "Show at most so many crops of a tracklet, evenly spread.", metavar="N", at_least=1, show_bounds=True
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.author.strip() and not is_name(self.author):
            raise UsageError(f"--author is {self.author!r}: must be one line of text, whoever labels")


def is_name(author: str) -> bool:
    """Whether it can stand in a line that tells people apart: one line of text, without control characters."""
    name = author.strip()
    return bool(name) and not any(unicodedata.category(ch) in ("Cc", "Zl", "Zp") for ch in name)


def _shares(text: str) -> tuple[float, ...]:
    """``0.7/0.15/0.15`` as the shares of train, val and test."""
    try:
        return tuple(float(part) for part in text.split("/"))
    except ValueError as error:
        raise _no_shares(text) from error


def _no_shares(text: str) -> UsageError:
    return UsageError(
        f"--split-shares is {text!r}: give three shares that add up to 1, of train, val and test, with some of train, "
        "such as 0.7/0.15/0.15"
    )


@dataclass(frozen=True)
class ApplyOptions:
    """answers: places of files of answers. split_shares: of train, val and test. Raises UsageError."""

    manifest: str = manifest_option()
    output: str = output_manifest_option()
    answers: tuple[str, ...] = option(
        required, "File that `parjob label page` saved. Further ones may follow it.", metavar="FILE"
    )
    schema: str | None = option(
        None,
        "Attribute schema of the answers, and of labels in a manifest that does not say theirs.",
        metavar="NAME|FILE",
        otherwise="the answers' own",
    )
    split_shares: tuple[float, ...] | None = option(
        None,
        "Divide the labelled tracklets into train, val and test by these shares, such as 0.7/0.15/0.15. What has a "
        "split keeps it.",
        metavar="A/B/C",
        otherwise="the column split stays as it is",
        parse=_shares,
    )
    split_by: tuple[Leak, ...] = option(
        LEAKS, "What no two splits may share (may be given several times).", otherwise="person and camera"
    )
    seed: int = option(0, "Seed of the division.", at_least=0)

    def __post_init__(self) -> None:
        check_options(self)
        if not self.answers:
            raise UsageError("--answers: give at least one file that `parjob label page` saved")
        shares = self.split_shares
        if shares is not None and (
            len(shares) != _PARTS
            or not all(math.isfinite(share) and share >= 0 for share in shares)
            or abs(sum(shares) - 1) > 1e-6
            or not shares[0]
        ):
            raise _no_shares("/".join(f"{share:g}" for share in shares))


@dataclass(frozen=True)
class AuditOptions:
    """audit: the page, None for none. Raises UsageError."""

    audit: str | None = option(
        None,
        "Also write a page of the labels that the model disputes most, with crops, and of how far people agree.",
        metavar="FILE.html",
    )
    audit_limit: int | None = option(
        None, "Show at most so many labels on that page.", metavar="N", otherwise=str(_DISPUTES), at_least=1
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.audit is None and self.audit_limit is not None:
            raise UsageError("--audit-limit is of the page that --audit FILE.html writes: give that too")

    @property
    def most(self) -> int:
        """How many labels the page shows at most."""
        return _DISPUTES if self.audit_limit is None else self.audit_limit
