"""``parjob manifest``: make, check and show manifests of tracklets. What imports them has files of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from par_model.cli.command import Command, LazyGroup
from par_model.cli.fields import options_of
from par_model.cli.options import json_output
from par_model.report.options import LookOptions
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.manifest.check import Defect
    from par_model.manifest.check_videos import VideoCounts, VideoDefect
    from par_model.manifest.summary import Summary

_OTHERS = {
    "convert": ("par_model.cli.convert:convert", "Make a manifest's boxes of lists of four numbers."),
    "from-crops": ("par_model.cli.manifest_crops:from_crops", "Make a manifest from folders of your own crops."),
    "from-csv": ("par_model.cli.manifest_labels:from_csv", "Make a manifest from tracks in a table or a tool's files."),
    "from-cvat": ("par_model.cli.manifest_labels:from_cvat", "Make a manifest from CVAT's tracks and attributes."),
    "from-duke": ("par_model.cli.manifest_crops:from_duke", "Make a manifest from the crops of DukeMTMC-VideoReID."),
    "from-mars": ("par_model.cli.manifest_crops:from_mars", "Make a manifest from the crops of MARS."),
    "from-mot": ("par_model.cli.manifest_tracks:from_mot", "Make a manifest from tracks in MOTChallenge text."),
}
_SHOWN = 20  # cameras or splits that `show` lists


@click.group(cls=LazyGroup, lazy=_OTHERS, no_args_is_help=True)
def manifest() -> None:
    """Make, check and show manifests of tracklets.

    A manifest is a Parquet file, a folder of them, or a quoted pattern, with one row for each tracklet.

    \b
    Example:
      parjob manifest check tracklets.parquet
    """


@manifest.command("check", cls=Command, short_help="Print every defect of a manifest, and of its videos.")
@click.argument("uri")
@click.option(
    "--schema",
    metavar="NAME|FILE",
    help="Attribute schema of the labels and of the table to come: a shipped name or a path.",
)
@click.option(
    "--videos",
    is_flag=True,
    help="Also open the videos, several at a time, and see whether frames and boxes agree with them.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Open only the first N videos (with --videos).")
@click.option("--decode", is_flag=True, help="Decode each video to its end, to find damage (with --videos).")
@json_output
def check(uri: str, schema: str | None, videos: bool, limit: int | None, decode: bool, as_json: bool) -> int:
    """Print every defect of the manifest at URI, each on a line: row N, tracklet_id, code, message, between tabs.

    N counts from 0 over the files in name order. With --videos, defects of videos follow those of rows, under the first
    row that names the video. The exit code is 0 if there is none, else 1.

    \b
    Example:
      parjob manifest check cam1.parquet --videos
    """
    from par_model.attributes import load_schema
    from par_model.errors import ManifestError
    from par_model.manifest import Manifest
    from par_model.manifest.check import check as find_defects
    from par_model.manifest.check_videos import VideoCheck
    from par_model.progress import counting

    if (limit is not None or decode) and not videos:
        raise click.UsageError("--limit and --decode are for --videos")
    opened = Manifest.open(uri)
    if opened.num_rows == 0:
        raise ManifestError(f"manifest {uri}: has no rows")
    attribute_schema = load_schema(schema) if schema is not None else opened.label_schema
    if attribute_schema is None and any(
        batch.column("labels").drop_null() for batch in opened.iter_batches(["labels"])
    ):
        click.echo("the schema of the labels is not known, so their number is not checked: give --schema", err=True)
    defects: Iterator[Defect | VideoDefect] = find_defects(opened, attribute_schema)
    beside = VideoCheck(opened, limit, decode=decode)
    with counting("videos") as start:
        if videos:
            defects = chain(defects, beside.defects(start))
        count = _print_json(opened.num_rows, defects) if as_json else _print_lines(defects)
    if videos:
        click.echo(_video_words(beside.counts), err=True)
    click.echo(f"{counted(opened.num_rows, 'row')}, {counted(count, 'defect')}", err=True)
    return 1 if count else 0


@manifest.command("show", cls=Command, short_help="Show what a manifest holds.")
@click.argument("uri")
@json_output
def show(uri: str, as_json: bool) -> None:
    """Show what the manifest at URI holds: tracklets, videos, frames, cameras, splits, labels, and its first rows.

    \b
    Example:
      parjob manifest show cam1.parquet
    """
    from par_model.manifest import Manifest
    from par_model.manifest.summary import summarise

    summary = summarise(Manifest.open(uri))
    if as_json:
        click.echo(json.dumps(_jsonable(summary), default=str))
        return
    for line in _summary_lines(summary):
        click.echo(line)


@manifest.command("look", cls=Command, short_help="Draw tracks on their frames.")
@click.argument("uri")
@options_of(LookOptions)
def look(uri: str, **asked: Any) -> None:
    """Draw tracks on their frames, for a person to see whether tracks and videos belong together.

    The page shows, for some tracklets of each video, the first, middle and last frame with box and id. It needs no
    network.

    \b
    Example:
      parjob manifest look cam1.parquet --output look.html
    """
    from par_model.progress import counting
    from par_model.report.drawn_tracks import run_look

    with counting("frames") as start:
        looked = run_look(LookOptions(uri, **asked), start)
    unread = f"; {counted(looked.missing, 'frame')} could not be read" if looked.missing else ""
    unfit = f"; {counted(looked.unfit, 'row')} left out: no sound tracklets of videos" if looked.unfit else ""
    click.echo(
        f"{looked.output}: {looked.tracklets} of {counted(looked.of_tracklets, 'tracklet')}, "
        f"{looked.videos} of {counted(looked.of_videos, 'video')}{unread}{unfit}",
        err=True,
    )


def _video_words(counts: VideoCounts) -> str:
    videos = counted(counts.videos, "video")
    if counts.videos < counts.of_videos:
        videos += f" of {counts.of_videos}"
    share = counts.partly / counts.boxes if counts.boxes else 0.0
    return f"{videos}; {share:.1%} of {counted(counts.boxes, 'box', 'boxes')} lie partly outside the picture"


def _print_lines(defects: Iterator[Defect | VideoDefect]) -> int:
    count = 0
    for defect in defects:
        fields = (f"row {defect.row}", defect.tracklet_id or "", defect.code.value, defect.message)
        click.echo("\t".join(_escaped(field) for field in fields))
        count += 1
    return count


def _print_json(num_rows: int, defects: Iterator[Defect | VideoDefect]) -> int:
    """One document, printed as the defects are found: there may be more of them than fit in memory."""
    count = 0
    click.echo(f'{{"rows": {num_rows}, "defects": [', nl=False)
    for defect in defects:
        click.echo((",\n" if count else "\n") + json.dumps(asdict(defect)), nl=False)
        count += 1
    click.echo(f'], "count": {count}}}')
    return count


def _escaped(text: str) -> str:
    """Text in which nothing ends a line or a field: control characters and the like as Python writes them."""
    return "".join(
        ch if ch.isprintable() and ch != "\\" else ch.encode("unicode_escape").decode("ascii") for ch in text
    )


def _jsonable(summary: Summary) -> dict[str, Any]:
    document = asdict(summary)
    for name in ("cameras", "splits"):
        document[name] = [{"value": value, "tracklets": count} for value, count in document[name].items()]
    document["examples"] = _finite(document["examples"])
    return document


def _finite(value: Any) -> Any:
    """A value of nested lists and dicts with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _summary_lines(summary: Summary) -> Iterator[str]:
    yield f"rows       {summary.rows} in {counted(summary.files, 'file')}"
    yield f"tracklets  {summary.tracklets}"
    yield f"videos     {summary.videos}, {counted(summary.frames, 'frame')}"
    if summary.images:
        yield f"images     {summary.images}"
    for title, counts in (("cameras", summary.cameras), ("splits", summary.splits)):
        shown = [f"{'none' if value is None else _escaped(value)} ({count})" for value, count in counts.items()]
        more = f", and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        yield f"{title:10} {', '.join(shown[:_SHOWN])}{more}"
    yield f"columns    {', '.join(f'{name} {kind}' for name, kind in summary.columns.items())}"
    if summary.labels:
        yield f"labels     {summary.labelled} tracklets"
        width = max(len(label.name) for label in summary.labels)
        yield f"  {'class':{width}} {'yes':>8} {'no':>8} {'not annotated':>14}"
        for label in summary.labels:
            yield f"  {label.name:{width}} {label.positive:8} {label.negative:8} {label.not_annotated:14}"
    for row in summary.examples:
        yield "first rows" if row is summary.examples[0] else ""
        for name, value in row.items():
            yield f"  {name:13} {_short(value)}"


def _short(value: object) -> str:
    if isinstance(value, list):
        head = ", ".join(_short(item) for item in value[:3])
        return f"[{head}{', ...' if len(value) > 3 else ''}] ({len(value)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_short(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:g}"
    return "null" if value is None else _escaped(str(value))
