"""``parjob manifest from-mars``, ``from-duke`` and ``from-crops``: folders of crops with labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from par_model.cli.command import Command, option
from par_model.cli.options import output_manifest, together
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.attributes import AttributeSchema
    from par_model.manifest.importers.formats.annotations import Annotations
    from par_model.manifest.importers.formats.crop_folders import CropFolders, CropLayout, MatchedCrops


def _options(root_holds: str, schema: str) -> Callable[[Any], Any]:
    """Options of an importer of a published data set."""
    return together(
        option("--root", required=True, metavar="URI", help=f"Folder that holds {root_holds}."),
        option(
            "--annotations",
            required=True,
            metavar="FILE",
            help="The annotations, a CSV file: as published (person, camera, tracklet, class numbers) or encoded "
            "(name, then 0 or 1 for each class).",
        ),
        output_manifest,
        option(
            "--schema",
            default=schema,
            metavar="NAME|FILE",
            help="Attribute schema that the labels follow: a shipped name or a path.",
        ),
    )


@click.command("from-mars", cls=Command)
@_options("bbox_train and bbox_test", "mars")
def from_mars(root: str, annotations: str, output: str, schema: str) -> None:
    """Make a manifest from the crops of MARS, bbox_train|bbox_test/PPPP/PPPPCcTttttFfff.jpg, and their annotations.

    What does not match is printed, each on a line: not-annotated or no-crops, and the tracklet's id.

    \b
    Example:
      parjob manifest from-mars --root MARS --annotations mars_attributes.csv --output mars.parquet
    """
    from par_model.manifest.importers.formats.crop_folders import MARS

    _import_crops(MARS, root, annotations, output, schema)


@click.command("from-duke", cls=Command)
@_options("train, query and gallery", "duke")
def from_duke(root: str, annotations: str, output: str, schema: str) -> None:
    """Make a manifest from the crops of DukeMTMC-VideoReID, train|query|gallery/PPPP/TTTT/PPPP_Cc_*.jpg.

    What does not match is printed, each on a line: not-annotated or no-crops, and the tracklet's id.

    \b
    Example:
      parjob manifest from-duke --root DUKE --annotations duke_attributes.csv --output duke.parquet
    """
    from par_model.manifest.importers.formats.crop_folders import DUKE

    _import_crops(DUKE, root, annotations, output, schema)


@click.command("from-crops", cls=Command)
@option("--root", required=True, metavar="URI", help="Folder that holds the pictures, at any depth.")
@option(
    "--labels",
    metavar="FILE",
    help="CSV file with a header. One column names folders or images, and each other one is an attribute.",
)
@output_manifest
@option("--schema", metavar="NAME|FILE", help="Attribute schema that the labels follow: a shipped name or a path.")
@option("--image", metavar="COLUMN", help="Column that names images.  [default: one called image, file, path, ...]")
@option(
    "--group",
    metavar="COLUMN",
    help="Column that says which tracklet a row is of: a folder, or what its images have in common.  [default: one "
    "called tracklet_id, folder, ...]",
)
@option(
    "--each-image",
    is_flag=True,
    help="Make a tracklet of each picture, not of each folder. For crops without --labels.",
)
def from_crops(
    root: str,
    labels: str | None,
    output: str,
    schema: str | None,
    image: str | None,
    group: str | None,
    each_image: bool,
) -> None:
    """Make a manifest from folders of crops of your own, with labels or without.

    A row of the labels names an image, or a tracklet, which is a folder. Each image is a tracklet of its own, unless a
    column says which belong together. The columns of person, camera and split are kept; all others are attributes, with
    1, 0 and -1 for a class, or a class's name for a group. What does not match is printed, each on a line:
    not-annotated or no-crops, and the name. Without labels each folder is a tracklet.

    \b
    Example:
      parjob manifest from-crops --root crops --labels labels.csv --schema own.toml --output crops.parquet
    """
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.formats.labelled_crops import read_own_crops

    if (labels is None) != (schema is None):
        raise click.UsageError("give --labels FILE and --schema S together, or neither for crops without labels")
    if labels is not None and schema is not None:
        if each_image:
            raise click.UsageError("--each-image is for crops without --labels, which say what a tracklet is")
        _label_crops(root, labels, output, schema, image, group)
        return
    found = read_own_crops(root, each_image=each_image)
    write_manifest(output, found.rows)
    click.echo(_crops_line(output, found.rows, {"files that are no pictures": found.not_pictures}), err=True)


def _label_crops(root: str, labels: str, output: str, schema: str, image: str | None, group: str | None) -> None:
    from par_model.attributes import load_schema
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.formats.crop_folders import PERSON_COLUMN
    from par_model.manifest.importers.formats.labelled_crops import read_labelled_crops

    attribute_schema = load_schema(schema)
    found = read_labelled_crops(root, labels, attribute_schema, image=image, tracklet=group)
    further = [PERSON_COLUMN] if any(PERSON_COLUMN.name in row for row in found.rows) else []
    write_manifest(output, found.rows, further=further, label_schema=attribute_schema)
    _print_unmatched(found.not_annotated, found.no_crops)
    for line in found.voted.lines():
        click.echo(line, err=True)
    left = {
        "not annotated": len(found.not_annotated),
        "without crops": len(found.no_crops),
        "files that are no pictures": found.not_pictures,
    }
    click.echo(_crops_line(output, found.rows, left), err=True)


def _print_unmatched(not_annotated: Iterable[str], no_crops: Iterable[str]) -> None:
    for code, names in (("not-annotated", not_annotated), ("no-crops", no_crops)):
        for name in names:
            click.echo(f"{code}\t{name}")


def _crops_line(output: str, rows: Sequence[Mapping[str, Any]], left: Mapping[str, int]) -> str:
    images = sum(len(row["image_uris"]) for row in rows)
    rest = "".join(f"; {what}: {count}" for what, count in left.items() if count)
    return f"{output}: {counted(len(rows), 'tracklet')}, {counted(images, 'image')}{rest}"


def _import_crops(layout: CropLayout, root: str, annotations: str, output: str, schema_name: str) -> None:
    from par_model.attributes import load_schema
    from par_model.manifest import write_manifest
    from par_model.manifest.importers.formats.annotations import read_annotations
    from par_model.manifest.importers.formats.crop_folders import PERSON_COLUMN, find_crops, match_labels

    schema = load_schema(schema_name)
    labels = read_annotations(annotations, schema)
    folders = find_crops(root, layout)
    matched = match_labels(folders.tracklets, labels.labels, schema.num_classes, f"{root} and {annotations}")
    write_manifest(output, matched.rows, further=[PERSON_COLUMN], label_schema=schema)
    _print_unmatched(matched.not_annotated, matched.no_crops)
    for line in _import_lines(labels, folders, matched, schema):
        click.echo(line, err=True)
    click.echo(f"{output}: {counted(len(matched.rows), 'tracklet')}", err=True)


def _import_lines(
    labels: Annotations, folders: CropFolders, matched: MatchedCrops, schema: AttributeSchema
) -> Iterator[str]:
    yield f"{counted(len(labels.labels), 'annotated tracklet')} of {counted(labels.num_people, 'person', 'people')}"
    if labels.by_position:
        yield f"the headers name no class, so the columns were taken in the order of schema {schema.name}"
    if labels.unused:
        yield f"columns not used: {', '.join(labels.unused)}"
    absent = [group.name for group, span in schema.spans() if all(set(v[span]) == {-1} for v in labels.labels.values())]
    if absent:
        yield f"attributes not annotated: {', '.join(absent)}"
    if folders.strangers:
        yield f"{counted(folders.strangers, 'file')} not named like crops left out"
    if folders.repeated:
        yield f"{counted(len(folders.repeated), 'tracklet')} found again in a second folder and left out there"
    if matched.not_annotated:
        yield f"{counted(len(matched.not_annotated), 'tracklet')} with crops but without annotation: all labels -1"
    if matched.no_crops:
        yield f"{counted(len(matched.no_crops), 'annotated tracklet')} without crops left out"
