"""``parjob label``: from tracklets that nobody has labelled to a manifest with labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from par_model.cli import options
from par_model.cli.command import Command, LazyGroup, option
from par_model.cli.fields import options_of
from par_model.labelling.options import ApplyOptions, ChooseOptions
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.labelling.apply import Applied
    from par_model.labelling.choose import Chosen

_OTHERS = {
    "page": ("par_model.cli.label_page:page", "Write a page on which a person labels tracklets, by keys."),
}


@click.group(cls=LazyGroup, lazy=_OTHERS, no_args_is_help=True)
def label() -> None:
    """Choose tracklets to label, label them, and bring the labels back into a manifest.

    \b
    Example:
      parjob label choose --manifest m.parquet --predictions out --output chosen.parquet
    """


@label.command("choose", cls=Command, short_help="Choose the tracklets whose labels would help most.")
@options_of(ChooseOptions)
@options.json_output
def choose(as_json: bool, **asked: Any) -> None:
    """Choose the tracklets whose labels would help most, and write them as a manifest of their own.

    Tracklets that have labels already, and those that the table could not recognise, are not chosen. The columns
    chosen_rank, chosen_by and chosen_why say in which order, by which policy and for what reason each was. The same
    seed chooses the same.

    \b
    Example:
      parjob label choose --manifest m.parquet --predictions out --count 300 --output chosen.parquet
    """
    from par_model.labelling.choose import run_choose

    chosen = run_choose(ChooseOptions(**asked))
    if as_json:
        click.echo(json.dumps(asdict(chosen)))
        return
    for line in _chosen_lines(chosen, asked["count"]):
        click.echo(line, err=True)


@label.command("apply", cls=Command, short_help="Put people's answers into a manifest, as labels.")
@options_of(ApplyOptions, "manifest", "answers")
@click.argument("more", nargs=-1, metavar="[FILE]...")
@options_of(ApplyOptions, "output", "schema", "split_shares", "split_by", "seed")
@options.json_output
def apply(more: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Put people's answers into a manifest, as labels.

    What more than half of those say who answered for a tracklet is its label; without such a majority, or where that is
    "cannot be seen", it is -1. How far people agree is printed for each attribute. The column label_answers keeps who
    said what, and when, so that answers that come later are merged with those from before. Rows that nobody answered
    for stay as they are.

    \b
    Example:
      parjob label apply --manifest m.parquet --answers eva.json tom.json --output labelled.parquet
    """
    from par_model.labelling.apply import run_apply

    answers = (*asked.pop("answers"), *more)
    wanted = ApplyOptions(answers=answers, **asked)
    applied = run_apply(wanted)
    if as_json:
        document = asdict(applied) | {
            "splits": [{"value": split, "tracklets": count} for split, count in applied.splits.items()]
        }
        click.echo(json.dumps(document))
        return
    for line in _agreement_lines(applied):
        click.echo(line)
    for line in _applied_lines(applied, divided=wanted.split_shares is not None):
        click.echo(line, err=True)


@label.command("export", cls=Command, short_help="Write tracklets as tracks for another labelling tool.")
@options.manifest
@option(
    "--format",
    "_format",
    required=True,
    type=click.Choice(["cvat"]),
    help='cvat: "CVAT for video 1.1", which `parjob manifest from-cvat` reads again.',
)
@option(
    "--output",
    required=True,
    metavar="URI",
    help="Folder to write into: for each video an XML file of its name, replacing what is there.",
)
@option(
    "--schema",
    metavar="NAME|FILE",
    help="Attribute schema, whose groups become the attributes.  [default: that of the manifest's labels]",
)
def export(manifest: str, _format: str, output: str, schema: str | None) -> None:
    """Write tracklets as tracks for another labelling tool, with the schema's groups as attributes.

    Each line of the output is a file and the video that it belongs to, between them a tab. Labels that are there go
    along; what has none is __undefined__ for the annotator to change.

    \b
    Example:
      parjob label export --manifest chosen.parquet --format cvat --schema own.toml --output cvat
    """
    from par_model.labelling.export import export_cvat
    from par_model.progress import counting

    with counting("videos") as start:
        made = export_cvat(manifest, output, schema, start)
    for file in made.files:
        click.echo(f"{file.uri}\t{file.video}")
    stills = f"; left out: {counted(made.stills, 'tracklet')} of still images" if made.stills else ""
    tracks = counted(sum(file.tracks for file in made.files), "track")
    click.echo(f"{output}: {tracks} in {counted(len(made.files), 'file')}{stills}", err=True)


def _chosen_lines(chosen: Chosen, wanted: int) -> Iterator[str]:
    for why, count in chosen.left_out.items():
        yield f"not looked at, {why}: {counted(count, 'tracklet')}"
    if chosen.count < wanted:
        reason = "each person is chosen as often as --per-person allows" if chosen.people else "there are no more"
        yield f"{chosen.count} of the {wanted} asked for: {reason}"
    by = ", ".join(f"{count} {name}" for name, count in chosen.by.items())
    people = f", {counted(chosen.people, 'person', 'people')}" if chosen.people else ""
    cameras = f", {counted(chosen.cameras, 'camera')}" if chosen.cameras else ""
    yield f"{chosen.output}: {counted(chosen.count, 'tracklet')} of {chosen.pool}{people}{cameras} ({by})"


def _agreement_lines(applied: Applied) -> Iterator[str]:
    if not applied.agreements:
        return
    width = max(len(found.group) for found in applied.agreements)
    yield f"{'group':{width}}  tracklets  alike   kappa"
    for found in applied.agreements:
        kappa = "-" if found.kappa is None else f"{found.kappa:.3f}"
        who = f"{found.measure}'{'' if found.measure.endswith('s') else 's'}, {' and '.join(found.authors)}"
        yield f"{found.group:{width}}  {found.tracklets:9}  {found.alike:.3f}  {kappa:>6}  {who}"


def _applied_lines(applied: Applied, *, divided: bool) -> Iterator[str]:
    yield "answers: " + ", ".join(f"{author} {count}" for author, count in applied.authors.items())
    if not applied.agreements:
        yield "nobody's answers overlap, so that nothing is known of how far people agree"
    for group, count in applied.undecided.items():
        yield f"{group}: no majority for {counted(count, 'tracklet')}, not annotated"
    if applied.changed:
        yield f"{counted(applied.changed, 'label')} of the manifest changed"
    if applied.lone:
        yield (
            f"{counted(applied.lone, 'labelled tracklet')} without person_id divided one by one: if one person has "
            "several, they may be in two splits"
        )
    splits = "" if not divided else ": " + ", ".join(f"{split} {count}" for split, count in applied.splits.items())
    yield f"{applied.output}: {applied.rows} tracklets, {applied.labelled} with labels{splits}"
