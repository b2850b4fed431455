"""``parjob weights init``: new weights, or known ones for another schema. Torch is imported when the command runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from par_model.attributes import load_schema
from par_model.choices import FITS, Fit
from par_model.cli.command import Command, option
from par_model.cli.fields import options_of
from par_model.errors import UsageError
from par_model.model.options import ModelOptions
from par_model.wording import counted

if TYPE_CHECKING:
    from par_model.model.extend import Extended

CHECKPOINT_KEY = option(
    "--checkpoint-key",
    metavar="NAME",
    help="Part of the CLIP file to take, such as ema, if the file has several.",
)


@click.command(
    "init", cls=Command, short_help="Make a new weights file, from CLIP's weights, other weights or without."
)
@option(
    "--backbone",
    metavar="NAME|FILE",
    help="Image tower: a ViT of open_clip, such as ViT-B-16, or a model configuration as a .json file. With "
    "--from: the CLIP that encodes new classes' texts, also as a CLIP file.",
)
@option(
    "--from",
    "source",
    metavar="W",
    help="Weights to take over, or demo: the network, and what it knows of the classes that are in --schema too.",
)
@option(
    "--pretrained",
    metavar="TAG|FILE",
    help="CLIP weights: a tag of open_clip's, or a file: OpenAI's .pt, an open_clip checkpoint, or a Hugging Face "
    "CLIP, file or folder.",
)
@CHECKPOINT_KEY
@option("--schema", required=True, metavar="NAME|FILE", help="Attribute schema: a shipped name, or a path or URI.")
@option("--output", required=True, metavar="URI", help="The .safetensors file to write: a path or URI.")
@option(
    "--image-size",
    metavar="SIZE|HEIGHTxWIDTH",
    help="Size of the network's input in pixels.  [default: the backbone's]",
)
@option(
    "--fit",
    type=click.Choice(FITS),
    default="stretch",
    help="How a crop is brought to that size: stretched, or padded.",
)
@option("--seed", type=int, default=0, help="Seed of every random number in the new weights.")
@options_of(ModelOptions)
def init(
    backbone: str | None,
    source: str | None,
    pretrained: str | None,
    checkpoint_key: str | None,
    schema: str,
    output: str,
    image_size: str | None,
    fit: Fit,
    seed: int,
    **asked: Any,
) -> None:
    """Make a new weights file, with CLIP's image tower, side networks that still have to be trained, and text features.

    With --from, the network and what it has learned are those of other weights, and only the classes that these do not
    know still have to be trained.

    \b
    Examples:
      parjob weights init --backbone ViT-B-16 --pretrained openai --schema mars --output w.safetensors
      parjob weights init --from demo --schema street --output own.safetensors
    """
    _refuse_input(output, schema=schema, backbone=backbone, pretrained=pretrained, **{"from": source})
    if source is not None:
        _extend(source, schema, output, backbone, pretrained, checkpoint_key, seed)
        return
    if backbone is None:
        raise click.UsageError("missing option --backbone: give --backbone, or --from to take over other weights")
    known = load_schema(schema)
    size = _image_size(image_size)
    from par_model.model.initialise import initialise_weights

    initialise_weights(
        output,
        backbone=backbone,
        pretrained=pretrained,
        checkpoint_key=checkpoint_key,
        schema=known,
        options=ModelOptions(**asked),
        image_size=size,
        fit=fit,
        seed=seed,
    )
    if pretrained is None:
        click.echo(
            f"parjob: {output} is UNTRAINED: the image tower is random too (no --pretrained), its scores mean nothing",
            err=True,
        )
    else:
        click.echo(f"parjob: {output}: image tower from {pretrained}; train the rest with `parjob train`", err=True)


def _refuse_input(output: str, **inputs: str | None) -> None:
    """Raises UsageError where the output would replace one of the files that it is made of."""
    from par_model import storage

    for name, uri in inputs.items():
        if uri is not None and storage.canonical(uri) == storage.canonical(output):
            raise UsageError(f"--output {output} is the file of --{name}, which would be lost")


_WITH_FROM = {"source", "backbone", "pretrained", "checkpoint_key", "schema", "output", "seed"}


def _extend(
    source: str,
    schema: str,
    output: str,
    backbone: str | None,
    pretrained: str | None,
    checkpoint_key: str | None,
    seed: int,
) -> None:
    ctx = click.get_current_context()
    for param in ctx.command.params:
        given = ctx.get_parameter_source(param.name or "") not in (ParameterSource.DEFAULT, None)
        if given and param.expose_value and param.name not in _WITH_FROM:
            raise click.UsageError(
                f"{param.opts[0]} and --from: the network is that of {source} as it is: leave out {param.opts[0]}"
            )
    if backbone is None and (pretrained is not None or checkpoint_key is not None):
        raise click.UsageError("--pretrained and --checkpoint-key with --from are about a --backbone: give it too")
    known = load_schema(schema)
    from par_model.model.extend import extend_weights

    found = extend_weights(
        output,
        source=source,
        schema=known,
        backbone=backbone,
        pretrained=pretrained,
        checkpoint_key=checkpoint_key,
        seed=seed,
    )
    for line in _extended_lines(source, output, found):
        click.echo(f"parjob: {line}", err=True)


def _extended_lines(source: str, output: str, found: Extended) -> Iterator[str]:
    total = len(found.kept) + len(found.new)
    yield f"{output}: {len(found.kept)} of {counted(total, 'class', 'classes')} as {source} knows them"
    if found.reworded:
        yield f"other texts than {source} was trained with, whose features stay: {', '.join(found.reworded)}"
    if found.dropped:
        yield f"left out, for the schema does not have them: {', '.join(found.dropped)}"
    if found.new:
        yield f"new, and null in tables until `parjob train` has seen their labels: {', '.join(found.new)}"
    if found.orthogonal:
        yield "no --backbone, so their texts are not encoded: text features orthogonal to all others stand for them"
    if found.zero_shot_lost:
        yield "without their texts there are no zero-shot answers from these weights"


def _image_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--image-size {text}: give SIZE or HEIGHTxWIDTH in pixels, such as 224 or 256x128")
    return int(parts[0]), int(parts[-1])
