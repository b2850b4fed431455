"""``parjob manifest convert``: a manifest whose boxes are lists of four, as one that a job takes."""

from __future__ import annotations

import click

from par_model.choices import BOX_FORMATS, BoxFormat
from par_model.cli import options
from par_model.cli.command import Command, option
from par_model.wording import counted


@click.command("convert", cls=Command)
@options.manifest
@options.output_manifest
@option(
    "--box-format",
    required=True,
    type=click.Choice(BOX_FORMATS),
    help="What the four numbers are, in pixels. xywh: left, top, width, height. xyxy: left, top, right, bottom.",
)
def convert(manifest: str, output: str, box_format: BoxFormat) -> None:
    """Write a manifest whose boxes are lists of four numbers as one whose boxes are x, y, w, h.

    All other columns keep their values. Relative addresses of videos and images become absolute ones.

    \b
    Example:
      parjob manifest convert --manifest lists.parquet --box-format xyxy --output m.parquet
    """
    from par_model.manifest.listed_boxes import convert as convert_boxes

    made = convert_boxes(manifest, output, box_format)
    click.echo(f"{output}: {counted(made.rows, 'tracklet')}, {counted(made.boxes, 'box', 'boxes')}", err=True)
    if made.empty:
        other = "xywh" if box_format == "xyxy" else "xyxy"
        click.echo(
            f"{made.empty} of them empty, with a width or height that is not above 0: are the boxes {other}? "
            f"`parjob manifest check {output}` names them",
            err=True,
        )
