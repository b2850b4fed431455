"""``parjob manifest``: make, check and show manifests of tracklets."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from par_model.cli.command import Command, option
from par_model.cli.convert import convert

if TYPE_CHECKING:
    from par_model.attributes import AttributeSchema
    from par_model.manifest.annotations import Annotations
    from par_model.manifest.check import Defect
    from par_model.manifest.crops import CropFolders, CropLayout, MatchedCrops
    from par_model.manifest.mot import Tracks
    from par_model.manifest.summary import Summary

_OUTPUT_HELP = "The manifest to write, a Parquet file; one that is there is replaced."
_ANNOTATIONS_HELP = "CSV as published (person, camera, tracklet, class numbers) or encoded (name, 0 or 1 a class)."
_SHOWN = 20  # cameras or splits that `show` lists


def _iso_time(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an ISO 8601 time such as 2026-05-01T08:30:00Z") from error


@click.group(no_args_is_help=True)
def manifest() -> None:
    """Make, check and show manifests of tracklets.

    A manifest is Parquet, one row a tracklet: a file, a folder, or a quoted pattern of files.

    \b
    Example:
      parjob manifest check tracklets.parquet
    """


manifest.add_command(convert)


@manifest.command("from-mot", cls=Command)
@option("--video", required=True, help="The video that the tracks are of: a path or URI.")
@option("--tracks", required=True, help="MOTChallenge text: 6 to 10 columns between commas or blanks, frames from 1.")
@option("--output", required=True, help=_OUTPUT_HELP)
@option("--camera", help="camera_id of all tracklets.")
@option("--id-prefix", help="Ids are PREFIX-TRACK; without it the camera, else the video file's stem, is the prefix.")
@option("--min-length", type=click.IntRange(min=1), default=1, help="Leave out tracks of fewer boxes.")
@option("--start-time", callback=_iso_time, help="When frame 0 was taken: ISO 8601, UTC unless it names a zone.")
def from_mot(
    video: str,
    tracks: str,
    output: str,
    camera: str | None,
    id_prefix: str | None,
    min_length: int,
    start_time: datetime | None,
) -> None:
    """Make a manifest from the tracks of one video in MOTChallenge text.

    Nine columns are ground truth: rows with confidence 0 or a class other than 1 are left out.

    \b
    Example:
      parjob manifest from-mot --video cam1.mp4 --tracks cam1.txt --camera 1 --output cam1.parquet
    """
    from par_model import storage
    from par_model.errors import ManifestError
    from par_model.manifest import write_manifest
    from par_model.manifest.mot import read_tracks
    from par_model.video.source import open_video

    open_video(video).close()  # better said now than once for each tracklet
    parsed = read_tracks(tracks)
    kept = parsed.of_length(min_length)
    _say_left_out(parsed, kept, min_length)
    if not kept.boxes:
        raise ManifestError(f"{tracks}: no tracks are left to write")
    seconds: list[float] = []
    if start_time is not None:
        from par_model.video.timestamps import timestamps

        first_frames = [boxes[0].frame for boxes in kept.boxes.values()]
        seconds = timestamps(video, count=max(first_frames) + 1)
    prefix = next(p for p in (id_prefix, camera, _stem(video)) if p is not None)
    rows = kept.rows(storage.absolute(video), prefix, camera_id=camera, start_time=start_time, seconds=seconds)
    write_manifest(output, rows)
    late = sum(row["start_time"] is None for row in rows) if start_time is not None else 0
    if late:
        verb = "begins" if late == 1 else "begin"
        last = len(seconds) - 1
        click.echo(f"{_count(late, 'tracklet')} {verb} after the video's last frame, {last}: no start_time", err=True)
    boxes = sum(map(len, kept.boxes.values()))
    click.echo(f"{output}: {_count(len(rows), 'tracklet')}, {_count(boxes, 'box', 'boxes')}", err=True)


@manifest.command("from-mars", cls=Command)
@option("--root", required=True, help="The folder that holds bbox_train and bbox_test.")
@option("--annotations", required=True, help=_ANNOTATIONS_HELP)
@option("--output", required=True, help=_OUTPUT_HELP)
@option("--schema", default="mars", help="Attribute schema of the labels: a shipped name or a path.")
def from_mars(root: str, annotations: str, output: str, schema: str) -> None:
    """Make a manifest from the crops of MARS, bbox_train|bbox_test/PPPP/PPPPCcTttttFfff.jpg, and their annotations.

    Prints what did not match, one a line: not-annotated or no-crops, and the tracklet's id.

    \b
    Example:
      parjob manifest from-mars --root MARS --annotations mars_attributes.csv --output mars.parquet
    """
    from par_model.manifest.crops import MARS

    _import_crops(MARS, root, annotations, output, schema)


@manifest.command("from-duke", cls=Command)
@option("--root", required=True, help="The folder that holds train, query and gallery.")
@option("--annotations", required=True, help=_ANNOTATIONS_HELP)
@option("--output", required=True, help=_OUTPUT_HELP)
@option("--schema", default="duke", help="Attribute schema of the labels: a shipped name or a path.")
def from_duke(root: str, annotations: str, output: str, schema: str) -> None:
    """Make a manifest from the crops of DukeMTMC-VideoReID, train|query|gallery/PPPP/TTTT/PPPP_Cc_*.jpg.

    Prints what did not match, one a line: not-annotated or no-crops, and the tracklet's id.

    \b
    Example:
      parjob manifest from-duke --root DUKE --annotations duke_attributes.csv --output duke.parquet
    """
    from par_model.manifest.crops import DUKE

    _import_crops(DUKE, root, annotations, output, schema)


@manifest.command("check", cls=Command)
@click.argument("uri")
@option("--schema", help="Attribute schema of the labels and of the table to come: a shipped name or a path.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(uri: str, schema: str | None, as_json: bool) -> int:
    """Print every defect of the manifest at URI, one a line: row N, tracklet_id, code, message, between tabs.

    N counts from 0 over the files in name order. Exit code 0 without defects, 1 with.

    \b
    Example:
      parjob manifest check cam1.parquet
    """
    from par_model.attributes import load_schema
    from par_model.errors import ManifestError
    from par_model.manifest import Manifest
    from par_model.manifest.check import check as find_defects

    opened = Manifest.open(uri)
    if opened.num_rows == 0:
        raise ManifestError(f"manifest {uri}: has no rows")
    attribute_schema = load_schema(schema) if schema is not None else opened.label_schema
    if attribute_schema is None and any(
        batch.column("labels").drop_null() for batch in opened.iter_batches(["labels"])
    ):
        click.echo("the schema of the labels is not known, so their number is not checked: give --schema", err=True)
    defects = find_defects(opened, attribute_schema)
    count = _print_json(opened.num_rows, defects) if as_json else _print_lines(defects)
    click.echo(f"{_count(opened.num_rows, 'row')}, {_count(count, 'defect')}", err=True)
    return 1 if count else 0


@manifest.command("show", cls=Command)
@click.argument("uri")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
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


def _import_crops(layout: CropLayout, root: str, annotations: str, output: str, schema_name: str) -> None:
    from par_model.attributes import load_schema
    from par_model.manifest import write_manifest
    from par_model.manifest.annotations import read_annotations
    from par_model.manifest.crops import PERSON_COLUMN, find_crops, match_labels

    schema = load_schema(schema_name)
    labels = read_annotations(annotations, schema)
    folders = find_crops(root, layout)
    matched = match_labels(folders.tracklets, labels.labels, schema.num_classes, f"{root} and {annotations}")
    write_manifest(output, matched.rows, further=[PERSON_COLUMN], label_schema=schema)
    for code, names in (("not-annotated", matched.not_annotated), ("no-crops", matched.no_crops)):
        for name in names:
            click.echo(f"{code}\t{name}")
    for line in _import_lines(labels, folders, matched, schema):
        click.echo(line, err=True)
    click.echo(f"{output}: {_count(len(matched.rows), 'tracklet')}", err=True)


def _import_lines(
    labels: Annotations, folders: CropFolders, matched: MatchedCrops, schema: AttributeSchema
) -> Iterator[str]:
    yield f"{_count(len(labels.labels), 'annotated tracklet')} of {_count(labels.num_people, 'person', 'people')}"
    if labels.by_position:
        yield f"the headers name no class, so the columns were taken in the order of schema {schema.name}"
    if labels.unused:
        yield f"columns not used: {', '.join(labels.unused)}"
    absent = [group.name for group, span in schema.spans() if all(set(v[span]) == {-1} for v in labels.labels.values())]
    if absent:
        yield f"attributes not annotated: {', '.join(absent)}"
    if folders.strangers:
        yield f"{_count(folders.strangers, 'file')} not named like crops left out"
    if folders.repeated:
        yield f"{_count(len(folders.repeated), 'tracklet')} found again in a second folder and left out there"
    if matched.not_annotated:
        yield f"{_count(len(matched.not_annotated), 'tracklet')} with crops but without annotation: all labels -1"
    if matched.no_crops:
        yield f"{_count(len(matched.no_crops), 'annotated tracklet')} without crops left out"


def _say_left_out(parsed: Tracks, kept: Tracks, min_length: int) -> None:
    short = len(parsed.boxes) - len(kept.boxes)
    for count, thing, fate in (
        (parsed.left_out, "ground-truth row", "left out: confidence 0, or a class other than 1"),
        (parsed.merged, "repeated row", "merged"),
        (short, "track", f"left out: fewer than {min_length} boxes"),
    ):
        if count:
            click.echo(f"{_count(count, thing)} {fate}", err=True)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _stem(uri: str) -> str:
    from par_model import storage

    return storage.name(uri).rpartition(".")[0] or storage.name(uri)


def _print_lines(defects: Iterator[Defect]) -> int:
    count = 0
    for defect in defects:
        fields = (f"row {defect.row}", defect.tracklet_id or "", defect.code.value, defect.message)
        click.echo("\t".join(_escaped(field) for field in fields))
        count += 1
    return count


def _print_json(num_rows: int, defects: Iterator[Defect]) -> int:
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
    yield f"rows       {summary.rows} in {_count(summary.files, 'file')}"
    yield f"tracklets  {summary.tracklets}"
    yield f"videos     {summary.videos}, {summary.frames} frames"
    if summary.images:
        yield f"images     {summary.images}"
    for title, counts in (("cameras", summary.cameras), ("splits", summary.splits)):
        shown = [f"{'(none)' if value is None else _escaped(value)} {count}" for value, count in counts.items()]
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
