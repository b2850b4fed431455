"""``parjob evaluate``: how right a table is."""

from __future__ import annotations

import json
from typing import Any

import click

from par_model.cli import options
from par_model.cli.command import Command


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
    from par_model.evaluation.job import EvaluateOptions, run_evaluation
    from par_model.evaluation.summary import describe

    metrics = run_evaluation(EvaluateOptions(**asked))
    click.echo(json.dumps(metrics) if as_json else describe(metrics))
    return 0
