"""``parjob evaluate``: how right a table is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.cli.fields import options_of
from par_model.evaluation.options import EvaluateOptions
from par_model.labelling.options import AuditOptions
from par_model.options import taken
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.evaluation.job import Scored


@click.command(cls=Command)
@options_of(EvaluateOptions)
@options_of(AuditOptions)
@options.ray
@options.json_output
def evaluate(address: str | None, no_ray: bool, as_json: bool, **asked: Any) -> int:
    """Score a table against a manifest's labels, by the paper's protocol and beyond it.

    The command writes OUTPUT/metrics.json and prints a table. A tracklet that failed, or that the table does not have,
    counts as one for which nothing was predicted. Scoring takes seconds, so it runs in this process whatever --address
    and --no-ray say.

    \b
    Example:
      parjob evaluate --manifest tracklets.parquet --predictions out --output scores
    """
    from par_model.evaluation.job import read_scored, run_evaluation
    from par_model.evaluation.summary import describe
    from par_model.labelling.audit import audit_place

    chosen, page = taken(EvaluateOptions, asked), taken(AuditOptions, asked)
    if page.audit is not None:
        audit_place(page.audit, chosen.predictions)  # better said before anything is scored
    scored = read_scored(chosen)
    metrics = run_evaluation(chosen, scored)
    click.echo(json.dumps(metrics) if as_json else describe(metrics))
    if page.audit is not None:
        _audit(scored, chosen.predictions, page.audit, page.most)
    return 0


def _audit(scored: Scored, predictions: str, page: str, most: int) -> None:
    from par_model.labelling.audit import run_audit
    from par_model.progress import counting

    with counting("tracklets") as start:
        audited = run_audit(scored, predictions, page, most, start)
    disputed = f"{counted(audited.disputed, 'label')} disputed, {audited.sure} of them likely wrong"
    shown = f", {audited.shown} shown" if audited.shown < audited.disputed else ""
    click.echo(f"{audited.output}: {disputed}{shown}", err=True)
