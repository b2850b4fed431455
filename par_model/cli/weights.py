"""``parjob weights``: make and show weights files. Torch is imported when a command runs, not with this module."""

from __future__ import annotations

import json

import click

from par_model.attributes import load_schema
from par_model.cli.command import Command, option
from par_model.cli.options import json_output
from par_model.cli.weights_init import CHECKPOINT_KEY, init
from par_model.model.config import InteractionMap, format_map, parse_map
from par_model.model.options import MAP_HELP


@click.group(no_args_is_help=True)
def weights() -> None:
    """Make and show weights files.

    \b
    Example:
      parjob weights show demo
    """


weights.add_command(init)


@weights.command("import-openpar", cls=Command, short_help="Make a weights file from a released checkpoint.")
@click.argument("checkpoint")
@option(
    "--clip",
    required=True,
    metavar="FILE|NAME",
    help="CLIP model that the checkpoint was trained on: OpenAI's .pt file, or ViT-B-16.",
)
@CHECKPOINT_KEY
@option(
    "--schema",
    required=True,
    metavar="NAME|FILE",
    help="Attribute schema that the checkpoint was trained on: mars, duke, or a path or URI.",
)
@option("--output", required=True, metavar="URI", help="The .safetensors file to write: a path or URI.")
@option("--spatial-map", metavar="MAP", help=f"{MAP_HELP}  [default: 2, where the tensors allow several]")
@option("--temporal-map", metavar="MAP", help=f"{MAP_HELP}  [default: 2, where the tensors allow several]")
@option(
    "--frames",
    type=click.IntRange(min=1),
    help="How many frames of a tracklet the network saw in its training.  [default: 6]",
)
def import_released(
    checkpoint: str,
    clip: str,
    checkpoint_key: str | None,
    schema: str,
    output: str,
    spatial_map: str | None,
    temporal_map: str | None,
    frames: int | None,
) -> None:
    """Make a weights file from a released VTFPAR++ CHECKPOINT and the CLIP model that it was trained on.

    \b
    Example:
      parjob weights import-openpar mars.pth --clip ViT-B-16 --schema mars --output w.safetensors
    """
    known, spatial, temporal = load_schema(schema), _map_or_none(spatial_map), _map_or_none(temporal_map)
    from par_model.model.openpar import import_openpar

    notes = import_openpar(
        output,
        checkpoint=checkpoint,
        clip=clip,
        checkpoint_key=checkpoint_key,
        schema=known,
        spatial_map=spatial,
        temporal_map=temporal,
        frames=frames,
    )
    for note in notes:
        click.echo(f"parjob: {note}", err=True)


@weights.command("show", cls=Command, short_help="Show what a weights file holds.")
@click.argument("file")
@json_output
def show(file: str, as_json: bool) -> None:
    """Show a weights FILE, or `demo`: its network, schema, preprocessing, parameters and what a tracklet costs.

    \b
    Example:
      parjob weights show w.safetensors
    """
    from par_model.model.cost import count_parameters, flops
    from par_model.model.shipped import weights_uri
    from par_model.model.weights import read_header

    header = read_header(weights_uri(file))
    config, counts = header.config, count_parameters(header.config, header.shapes)
    cost = flops(config)
    if as_json:
        facts = {
            "model_id": header.model_id,
            "sha256": header.sha256,
            "bytes": header.num_bytes,
            "config": config.to_dict(),
            "schema": {"name": header.schema.name, "classes": list(header.schema.score_fields)},
            "thresholds": list(header.thresholds),
            "trained": list(header.trained),
            "preprocess": header.preprocess.to_dict(),
            "training": header.training,
            "parameters": {
                "total": counts.total,
                "trained": counts.trained,
                "frozen": counts.frozen,
                "unused": counts.unused,
            },
            "flops_per_tracklet": cost,
            "max_frames": config.max_frames,
        }
        click.echo(json.dumps(facts))
        return
    tower, preprocess = config.backbone, header.preprocess
    thresholds = sorted({f"{value:g}" for value in header.thresholds})
    rows = {
        "model id": header.model_id,
        "file": f"{header.num_bytes / 1e6:.1f} MB, sha256 {header.sha256}",
        "backbone": f"{tower.name}: {tower.layers} blocks of width {tower.width}, patch {tower.patch}, "
        f"{tower.activation}; runs to block {max(config.layers_read)}",
        "sides": config.sides,
        "spatial": _side(config.spatial_map, config.spatial_aggregation, config.spatial_width),
        "temporal": f"{_side(config.temporal_map, config.temporal_aggregation, config.temporal_width)}, "
        f"{config.temporal_depth} blocks, beyond them: {config.beyond_depth}",
        "fusion": f"width {config.fusion_width}",
        "frames": f"{config.frames} by default, {_limit(config.exact_frames, config.max_frames)}",
        "preprocess": f"{preprocess.height}x{preprocess.width} (height x width), {preprocess.fit}, "
        f"mean {_numbers(preprocess.mean)}, std {_numbers(preprocess.std)}",
        "schema": f"{header.schema.name}: {len(header.schema.groups)} groups, {header.schema.num_classes} classes, "
        f"{sum(header.trained)} with labels in training",
        "thresholds": ", ".join(thresholds) if len(thresholds) <= 3 else f"{thresholds[0]} to {thresholds[-1]}",
        "training": ", ".join(f"{key} {value}" for key, value in header.training.items()) or "not recorded",
        "zero-shot": "yes" if config.zero_shot else "no: the image tower is not known to be a pre-trained CLIP's",
        "parameters": f"{counts.total:,} total: {counts.trained:,} trained, {counts.frozen:,} frozen, "
        f"{counts.unused:,} unused",
        "FLOPs": f"{cost / 1e9:.1f} G a tracklet of {config.frames} frames",
    }
    if not config.has_spatial:
        del rows["spatial"]
    if not config.has_temporal:
        del rows["temporal"]
    for name, value in rows.items():
        click.echo(f"{name:<11} {value}")


def _map_or_none(text: str | None) -> InteractionMap | None:
    return None if text is None else parse_map(text)


def _side(pairs: InteractionMap, aggregation: str, width: int) -> str:
    return f"map {format_map(pairs)}, width {width}, aggregation {aggregation}"


def _limit(exact: int | None, most: int | None) -> str:
    if exact is not None:
        return f"exactly {exact} possible"
    return "no limit" if most is None else f"at most {most}"


def _numbers(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:.4g}" for value in values)
