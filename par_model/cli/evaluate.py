"""``parjob evaluate``: how right a table is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.evaluation.job import Scored
    from par_model.labelling.audit import AuditOptions


@click.command(cls=Command)
@options.manifest
@click.option(
    "--predictions",
    required=True,
    metavar="OUT",
    help="Output folder of a finished `parjob infer`; or another model's table, a Parquet file or a pattern of "
    "files "
    "with tracklet_id and a column for each group.",
)
@click.option("--output", required=True, metavar="URI", help="Folder to write metrics.json into.")
@click.option(
    "--threshold",
    type=float,
    default=0.45,
    show_default=True,
    metavar="P",
    help="Threshold of the paper's protocol. All other measures take the answers that the table has.",
)
@click.option(
    "--split", metavar="NAME", help="Split to score.  [default: test if there is one, else all labelled rows]"
)
@click.option(
    "--schema", metavar="NAME|FILE", help="Attribute schema of the labels, where the manifest does not say it."
)
@click.option(
    "--resamples",
    type=int,
    default=1000,
    show_default=True,
    metavar="N",
    help="How many times the bootstrap samples the tracklets anew, for the intervals.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
@click.option(
    "--audit",
    metavar="FILE.html",
    help="Also write a page of the labels that the model disputes most, with crops, and of how far people agree.",
)
@click.option(
    "--audit-limit",
    type=int,
    metavar="N",
    help="Show at most so many labels on that page.  [default: 200]",
)
@options.ray
@options.json_output
def evaluate(
    address: str | None, no_ray: bool, as_json: bool, audit: str | None, audit_limit: int | None, **asked: Any
) -> int:
    """Score a table against a manifest's labels, by the paper's protocol and beyond it.

    The command writes OUTPUT/metrics.json and prints a table. A tracklet that failed, or that the table does not have,
    counts as one for which nothing was predicted. Scoring takes seconds, so it runs in this process whatever --address
    and --no-ray say.

    \b
    Example:
      parjob evaluate --manifest tracklets.parquet --predictions out --output scores
    """
    from par_model.errors import UsageError
    from par_model.evaluation.job import EvaluateOptions, read_scored, run_evaluation
    from par_model.evaluation.summary import describe
    from par_model.labelling.audit import LIMIT, AuditOptions

    chosen = EvaluateOptions(**asked)
    if audit is None and audit_limit is not None:
        raise UsageError("--audit-limit is of the page that --audit FILE.html writes: give that too")
    page = (
        None
        if audit is None
        else AuditOptions(audit, chosen.predictions, LIMIT if audit_limit is None else audit_limit)
    )
    if page is not None:
        page.page()  # better said before anything is scored
    scored = read_scored(chosen)
    metrics = run_evaluation(chosen, scored)
    click.echo(json.dumps(metrics) if as_json else describe(metrics))
    if page is not None:
        _audit(scored, page)
    return 0


def _audit(scored: Scored, asked: AuditOptions) -> None:
    from par_model.labelling.audit import run_audit
    from par_model.progress import counting

    with counting("tracklets") as start:
        audited = run_audit(scored, asked, start)
    disputed = f"{counted(audited.disputed, 'label')} disputed, {audited.sure} of them likely wrong"
    shown = f", {audited.shown} shown" if audited.shown < audited.disputed else ""
    click.echo(f"{audited.output}: {disputed}{shown}", err=True)
