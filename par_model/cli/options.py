"""Options that several commands share, under one name and with one help text each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Any], Any]


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


manifest = click.option("--manifest", required=True, metavar="URI", help="Parquet file, folder or glob of tracklets.")
output_manifest = click.option(
    "--output",
    required=True,
    metavar="URI",
    help="The manifest to write, a Parquet file; one that is there is replaced.",
)
json_output = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

selection = together(
    click.option("--split", metavar="NAME", help="Only the rows of this split."),
    click.option("--limit", type=int, metavar="N", help="Only the first N rows."),
)
sampling = together(
    click.option(
        "--frames", type=int, metavar="K", help="Frames of a tracklet that the model sees.  [default: from the weights]"
    ),
    click.option(
        "--sampling",
        type=click.Choice(["uniform", "first", "random", "all"]),
        default="uniform",
        show_default=True,
        help="Which frames.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of random sampling."),
)
# Names, as functions get them, of the options of `decoding`: the fields of DecodeOptions.
DECODING = ("decoder", "damaged", "video_timeout", "video_stream", "unflagged_matrix")
decoding = together(
    click.option(
        "--decoder",
        type=click.Choice(["pyav", "decord"]),
        default="pyav",
        show_default=True,
        help="pyav is exact on every file; decord only on those where it can be checked, else decoder-refused.",
    ),
    click.option(
        "--damaged",
        type=click.Choice(["fail", "use"]),
        default="fail",
        show_default=True,
        help="A tracklet that needs a damaged frame fails, or uses what was decoded.",
    ),
    click.option(
        "--video-timeout",
        type=float,
        default=900.0,
        show_default=True,
        metavar="SECONDS",
        help="Longest time that one video may take in one work unit.",
    ),
    click.option(
        "--video-stream",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="Which of a file's moving video tracks is read, counted from 0, where the manifest's column video_stream "
        "does not say.",
    ),
    click.option(
        "--unflagged-matrix",
        type=click.Choice(["bt601", "bt709"]),
        default="bt601",
        show_default=True,
        help="How colours are read of videos that do not say how. bt601: as detectors see them. bt709: right for most "
        "HD footage.",
    ),
)
failures = click.option(
    "--max-failure-rate",
    type=float,
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Exit with 3 when a larger share of the tracklets failed.",
)
ray = together(
    click.option(
        "--address", metavar="ADDRESS", help="Ray to join.  [default: RAY_ADDRESS, else a local one is started]"
    ),
    click.option("--no-ray", is_flag=True, help="Run the same stages in this one process, without Ray."),
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs. auto: on GPUs where there are any, or where the cluster may start some.",
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="auto: bf16 on GPUs, fp32 on CPUs.",
)
