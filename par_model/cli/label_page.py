"""``parjob label page``: the page on which a person answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.labelling.page import LabelPage


@click.command(cls=Command)
@click.option("--manifest", required=True, metavar="URI", help="Manifest of the tracklets to label.")
@click.option("--output", required=True, metavar="FILE.html", help="Page to write, local or s3://.")
@click.option(
    "--schema",
    metavar="NAME|FILE",
    help="Attribute schema to label by: a shipped name, or a path or URI.  [default: that of the manifest's labels]",
)
@click.option(
    "--predictions",
    metavar="OUT",
    help="Output folder of a finished `parjob infer`, whose answers are shown and can be accepted.",
)
@click.option("--blind", is_flag=True, help="Show no predictions, and not why a tracklet was chosen.")
@click.option("--author", default="", metavar="NAME", help="Who will label.  [default: the page asks]")
@click.option(
    "--crops",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    metavar="N",
    help="Show at most so many crops of a tracklet, evenly spread.",
)
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
    from par_model.labelling.page import LabelPageOptions, run_label_page
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
