"""``parjob report``: a run as one HTML page."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.cli.fields import options_of
from par_model.report.options import ReportOptions
from par_model.wording import counted


@click.command(cls=Command)
@options_of(ReportOptions)
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
    from par_model.report.job import run_report

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
