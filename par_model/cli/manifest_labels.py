"""``parjob manifest from-cvat`` and ``from-csv``: tracks of videos with labels, from annotation tools and trackers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import click

from par_model.cli.command import Command, option
from par_model.cli.fields import options_of
from par_model.cli.manifest_tracks import (
    ImportedVideos,
    asked_of_video,
    import_each,
    video_options,
    videos_and_tracks,
)
from par_model.manifest.importers.options import BoxOptions, Preset, SheetOptions, VideoOptions
from par_model.options import taken
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.attributes import AttributeSchema
    from par_model.manifest.importers.attribute_votes import Votes
    from par_model.manifest.importers.formats.cvat import CvatTracks
    from par_model.manifest.importers.formats.cvat_meta import AttributeSpecification
    from par_model.manifest.importers.formats.label_studio import Picture
    from par_model.manifest.importers.formats.presets import Read
    from par_model.manifest.importers.pairs import TracksOfVideo
    from par_model.manifest.importers.videos import Imported

_AUTO = "auto"


@click.command("from-cvat", cls=Command)
@videos_and_tracks(
    "FILE",
    'An export in the form "CVAT for video 1.1": its XML, or the zip archive that holds it. With --videos, a folder of '
    "such files.",
)
@option(
    "--label",
    "labels",
    metavar="NAME",
    multiple=True,
    help="Label of tracks that are people (may be given several times).  [default: person or pedestrian, else the only "
    "one]",
)
@option("--task", type=int, metavar="N", help="Number of the task, where the export is of a project with several.")
@option(
    "--schema",
    metavar="S|auto",
    help="Attribute schema of the labels: a shipped name or a path. auto: make one of what CVAT lets annotators "
    "say, and write it beside the manifest. Without this option no labels are read.",
)
@video_options
def from_cvat(
    video: str | None,
    videos: str | None,
    tracks: str,
    output: str,
    labels: tuple[str, ...],
    task: int | None,
    schema: str | None,
    **asked: Any,
) -> None:
    """Make a manifest from CVAT's tracks, with their attributes as labels, and check that they agree with the video.

    Frames are the video's own, and nothing is interpolated: CVAT exports a box for every frame. An attribute goes to
    the schema's group or class of the same name; where it changes within a track, the majority of its boxes decides. A
    text attribute tracklet_id, where it is not empty, becomes the id. The last lines say what was left out and
    what did not match.

    With --videos DIR and --tracks DIR, files of the same stem belong together, and their ids begin with it. Files
    without a partner are printed, each on a line: no-tracks or no-video, and the file.

    \b
    Example:
      parjob manifest from-cvat --video cam1.mp4 --tracks cam1.zip --schema auto --output cam1.parquet
    """
    from par_model.manifest.importers.formats.cvat import read_cvat
    from par_model.manifest.importers.formats.presets import Read
    from par_model.manifest.importers.labelling import name_rows, votes_of
    from par_model.manifest.importers.pairs import one_file

    boxes = taken(BoxOptions, asked)
    if boxes.corners:
        raise click.UsageError("--corners does not apply: CVAT's boxes say themselves that they are corners")
    if videos is not None and task is not None:
        raise click.UsageError("--task does not apply to --videos, of which each has a file of its own")
    specified: list[Sequence[AttributeSpecification]] = []

    def import_one(uri: str, of_uri: str, options: VideoOptions) -> Imported:
        found = read_cvat(of_uri, labels=labels, task=task)
        _refuse_another_size(uri, of_uri, found, options)
        specified.append(found.attributes)
        read = Read(found.listed, found.votes, video_numbers=True)
        return name_rows(_import(uri, of_uri, read, boxes, options), found.whole_ids, of_uri)

    imported = import_each(video, videos, tracks, asked_of_video(asked, boxes), one_file(".xml", ".zip"), import_one)
    votes = votes_of(imported.videos)
    attribute_schema = _schema_of(specified, votes, schema, tracks, output)
    _write(output, tracks, imported, attribute_schema, votes, is_new=schema == _AUTO)


@click.command("from-csv", cls=Command)
@videos_and_tracks(
    "PATH",
    "File of tracks; for presets of many files, their folder or a quoted pattern. With --videos, a folder of such "
    "files or folders.",
)
@option("--preset", type=click.Choice(get_args(Preset)), help="Tool that wrote the tracks.")
@option(
    "--columns",
    metavar="KEY=COLUMN,...",
    help="Columns of a CSV file, where no preset knows them: frame=, id=, and x=,y=,w=,h= or x1=,y1=,x2=,y2= or "
    "xc=,yc=,w=,h=, and class=.",
)
@options_of(SheetOptions, "people", "sequence", "first_frame", "frame_step")
@option(
    "--labels",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    help="Read labels: from the file's further columns, such as hat=1, or from a FILE with one row a track and its id.",
)
@option("--schema", metavar="S", help="Attribute schema that the labels follow: a shipped name or a path.")
@video_options
def from_csv(
    video: str | None,
    videos: str | None,
    tracks: str,
    output: str,
    preset: Preset | None,
    columns: str | None,
    labels: str | None,
    schema: str | None,
    **asked: Any,
) -> None:
    """Make a manifest from tracks in a table or in a tool's files, and check that they agree with the video.

    Nothing is guessed: you name the columns, or a preset knows them. docs/tracks.md says how to read each tool's files,
    and what they do not tell. The last lines say what was left out and what did not match.

    With --videos DIR and --tracks DIR, what has the same stem belongs together, and ids begin with it. What has no
    partner is printed, each on a line: no-tracks or no-video, and its place.

    \b
    Example:
      parjob manifest from-csv --video cam1.mp4 --tracks cam1.csv --preset supervision --output cam1.parquet
    """
    from par_model.attributes import load_schema
    from par_model.manifest.importers.columns import read_sheet
    from par_model.manifest.importers.labelling import votes_of

    if (preset is None) == (columns is None):
        raise click.UsageError("give --preset NAME, or --columns frame=...,id=...,x=...,y=...,w=...,h=...")
    if labels is not None and schema is None:
        raise click.UsageError("--labels needs --schema, which says what the columns mean")
    attribute_schema = load_schema(schema) if schema is not None else None
    wide = attribute_schema is not None and not labels
    sheet = taken(SheetOptions, asked, labelled=wide)
    if videos is not None and sheet.sequence is not None:
        raise click.UsageError("--sequence does not apply to --videos, of which each has a file of its own")

    if labels:
        read_sheet(labels)  # better said before all videos are looked at

    def import_one(uri: str, of_uri: str, options: VideoOptions) -> Imported:
        read = _read(uri, of_uri, preset, columns, sheet)
        for note in read.notes:
            click.echo(note if videos is None else f"{of_uri}: {note}", err=True)
        return _import(uri, of_uri, read, sheet, options)

    imported = import_each(video, videos, tracks, asked_of_video(asked, sheet), _wanted(preset), import_one)
    votes = _votes(labels, imported.videos) if labels else votes_of(imported.videos)
    _write(output, labels or tracks, imported, attribute_schema, votes)


def _wanted(preset: Preset | None) -> TracksOfVideo:
    """Where a tool puts the tracks of each of many videos."""
    from par_model.manifest.importers.pairs import files_of_frames, one_file, one_folder

    match preset:
        case "ultralytics":
            return files_of_frames()
        case "deepstream-kitti":
            return one_folder()
        case "kitti":
            return one_file(".txt")
        case "motsynth" | "coco-video" | "label-studio":
            return one_file(".json")
        case "supervision" | None:
            return one_file(".csv", ".tsv", ".txt")


def _read(video: str, tracks: str, preset: Preset | None, columns: str | None, asked: SheetOptions) -> Read:
    from par_model.manifest.importers.columns import Columns
    from par_model.manifest.importers.formats.presets import read_columns, read_preset
    from par_model.manifest.importers.videos import stem

    if preset is None:
        return read_columns(tracks, Columns.parse(str(columns)), asked)
    return read_preset(preset, tracks, asked, stem=stem(video), picture=lambda: _picture(video))


def _picture(video: str) -> Picture:
    from par_model.manifest.importers.formats.label_studio import Picture
    from par_model.video.survey import survey
    from par_model.video.timestamps import timestamps

    size = survey(video, 0)
    return Picture(size.width, size.height, timestamps(video))


def _import(video: str, tracks: str, read: Read, boxes: BoxOptions, options: VideoOptions) -> Imported:
    from par_model.manifest.importers.gather import gather
    from par_model.manifest.importers.videos import import_video

    gathered = gather(read.listed, read.numbering, skip_bad_boxes=boxes.skip_bad_boxes)
    if read.relative and options.fit.tracks_size is not None:
        raise click.UsageError("--tracks-size does not apply: this tool's boxes are shares of the picture")
    fit = replace(
        options.fit,
        relative=options.fit.relative or read.relative,
        were_corners=read.corners_known,
        video_numbers=read.video_numbers,
    )
    return replace(import_video(video, gathered, replace(options, fit=fit), origin=tracks), votes=read.votes)


def _votes(labels: str, imported: Sequence[Imported]) -> Votes:
    from par_model.manifest.importers.labelling import read_label_file

    found = read_label_file(labels, imported)
    for name in found.no_tracks:
        click.echo(f"no-track\t{name}")
    silent = sum(len(of_video.rows) for of_video in imported) - len(found.votes)
    if silent:
        click.echo(f"{counted(silent, 'tracklet')} not in {labels}: all labels -1", err=True)
    return found.votes


def _write(
    output: str,
    origin: str,
    imported: ImportedVideos,
    schema: AttributeSchema | None,
    votes: Votes,
    *,
    is_new: bool = False,
) -> None:
    """Write the rows of videos, labelled if there is a schema, and say what they hold. is_new: write the schema too."""
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.formats.cvat_schema import write_beside
    from par_model.manifest.importers.labelling import label_rows

    if schema is None:
        write_manifest(output, imported.rows)
        unused = sorted({name for of_track in votes.values() for name in of_track})
        if unused:
            click.echo(f"attributes left out, --schema makes labels of them: {', '.join(unused)}", err=True)
    else:
        labelled = label_rows(imported.videos, votes, schema, origin)
        if is_new:
            click.echo(f"{write_beside(schema, output)}: {counted(schema.num_classes, 'class', 'classes')}", err=True)
        write_manifest(output, labelled.rows, label_schema=schema)
        for line in labelled.voted.lines():
            click.echo(line, err=True)
    click.echo(f"{output}: {imported.closing_words()}", err=True)


def _refuse_another_size(video: str, tracks: str, found: CvatTracks, options: VideoOptions) -> None:
    from par_model.errors import ManifestError
    from par_model.video.survey import survey

    size = survey(video, 0)
    if found.size is not None and found.size != (size.width, size.height) and options.fit.tracks_size is None:
        annotated = "x".join(map(str, found.size))
        raise ManifestError(
            f"{tracks}: pictures of {annotated} were annotated, but the video's are of {size.width}x{size.height}: "
            f"--tracks-size {annotated} scales the boxes, if it is the right video"
        )


def _schema_of(
    specified: Sequence[Sequence[AttributeSpecification]], votes: Votes, schema: str | None, tracks: str, output: str
) -> AttributeSchema | None:
    from par_model.attributes import load_schema
    from par_model.manifest.importers.formats.cvat_schema import merged, schema_of
    from par_model.manifest.importers.videos import stem

    if schema is None:
        return None
    if schema != _AUTO:
        return load_schema(schema)
    made = schema_of(merged(specified, tracks), votes, stem(output), tracks)
    if made.passed_over:
        click.echo(f"attributes that no schema can hold: {', '.join(made.passed_over)}", err=True)
    return made.schema
