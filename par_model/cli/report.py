"""``parjob report``: a run as one HTML page."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.wording import counted


@click.command(cls=Command)
@click.option("--predictions", required=True, metavar="OUT", help="Output folder of a finished `parjob infer`.")
@click.option("--output", required=True, metavar="FILE.html", help="Page to write, local or s3://.")
@click.option("--evaluation", metavar="URI", help="Output folder of `parjob evaluate` for this run.")
@click.option(
    "--manifest",
    metavar="URI",
    help="Manifest that leads to crops and labels.  [default: the one that the run recorded]",
)
@click.option(
    "--limit",
    type=int,
    default=2000,
    show_default=True,
    metavar="N",
    help="Show at most so many tracklets in the gallery, a random sample; each takes about 10 kB.",
)
@options.json_output
def report(as_json: bool, **asked: Any) -> int:
    """Write one HTML page about a run: its numbers, its attributes, its mistakes, and its tracklets with their crops.

    The page needs no network and opens from disk. With --evaluation it also shows precision, recall and F1,
    reliability, confusion, and what is wrong in each tracklet. The numbers are those of the whole run; --limit
    bounds the gallery alone.

    \b
    Example:
      parjob report --predictions out --evaluation scores --output report.html
    """
    from par_model.progress import counting
    from par_model.report.job import ReportOptions, run_report

    with counting("tracklets") as start:
        written = run_report(ReportOptions(**asked), start)
    for note in written.notes:
        sys.stderr.write(f"parjob: {note}\n")
    if as_json:
        click.echo(json.dumps(asdict(written)))
    else:
        size = f"{written.bytes / 1e6:.1f} MB"
        click.echo(
            f"{written.output}: {counted(written.tracklets, 'tracklet')} in the gallery, {size}; open it in a browser"
        )
    return 0
