"""``parjob label page``: the page on which a person answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.cli.fields import options_of
from par_model.labelling.options import LabelPageOptions
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.labelling.page import LabelPage


@click.command(cls=Command)
@options_of(LabelPageOptions)
@options.json_output
def page(as_json: bool, **asked: Any) -> None:
    """Write one HTML page on which a person labels the tracklets of a manifest, by keys.

    The page needs no network and opens from disk. It shows each tracklet's crops, takes one key for each attribute, and
    one that accepts what is predicted; it keeps the answers in the browser, and saves them as one JSON file for `parjob
    label apply`. The key ? tells all keys.

    \b
    Example:
      parjob label page --manifest chosen.parquet --schema own.toml --predictions out --output label.html
    """
    from par_model.labelling.page import run_label_page
    from par_model.progress import counting

    with counting("tracklets") as start:
        made = run_label_page(LabelPageOptions(**asked), start)
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    if made.without_crops:
        click.echo(f"parjob: {counted(made.without_crops, 'tracklet')} without crops; the page says why", err=True)
    if asked["predictions"] is not None and not asked["blind"]:
        click.echo(f"parjob: {_predicted_words(made)}", err=True)
    click.echo(
        f"{made.output}: {counted(made.tracklets, 'tracklet')}, {made.bytes / 1e6:.1f} MB; open it in a browser, label "
        "and save, then `parjob label apply`"
    )


def _predicted_words(made: LabelPage) -> str:
    return (
        f"predictions for {made.predicted_groups} of {counted(made.groups, 'group')}, on {made.predicted_tracklets} of "
        f"{counted(made.tracklets, 'tracklet')}"
    )
