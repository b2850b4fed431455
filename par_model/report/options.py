"""What ``report`` and ``manifest look`` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from par_model.errors import UsageError
from par_model.options import check_options, option, required

LOOK_SUFFIXES = (".html", ".png")


@dataclass(frozen=True)
class ReportOptions:
    """Raises UsageError."""

    predictions: str = option(required, "Output folder of a finished `parjob infer`.", metavar="OUT")
    output: str = option(required, "Page to write, local or s3://.", metavar="FILE.html")
    evaluation: str | None = option(None, "Output folder of `parjob evaluate` for this run.", metavar="URI")
    manifest: str | None = option(
        None,
        "Manifest that leads to crops and labels.",
        metavar="URI",
        otherwise="the one that the run recorded",
    )
    limit: int = option(
        2000,
        "Show at most so many tracklets in the gallery, a random sample; each takes about 10 kB.",
        metavar="N",
        at_least=0,
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class LookOptions:
    """manifest: as the command's argument names it. Raises UsageError."""

    manifest: str
    output: str = option(required, "Page or picture to write: FILE.html or FILE.png.", metavar="FILE")
    limit: int = option(12, "Show at most so many videos, the first ones.", metavar="N", at_least=1, show_bounds=True)
    tracklets: int = option(
        3,
        "Show at most so many tracklets of each video, spread over its time.",
        metavar="N",
        at_least=1,
        show_bounds=True,
    )

    def __post_init__(self) -> None:
        check_options(self)
        if not self.output.lower().endswith(LOOK_SUFFIXES):
            raise UsageError(f"--output {self.output!r}: must end with {' or '.join(LOOK_SUFFIXES)}")
