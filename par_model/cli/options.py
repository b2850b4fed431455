"""Options that several commands share, under one name and with one help text each."""

from __future__ import annotations

from typing import Any, get_args

import click

from par_model.cli.fields import Decorator, options_of
from par_model.inference.options import InferOptions
from par_model.labelling.options import ApplyOptions
from par_model.model.device import Device
from par_model.video.options import DecodeOptions


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


manifest = options_of(ApplyOptions, "manifest")
output_manifest = options_of(ApplyOptions, "output")
json_output = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

selection = options_of(InferOptions, "split", "limit")
sampling = options_of(InferOptions, "frames", "sampling", "decode_budget", "seed")
decoding = options_of(DecodeOptions)
# What of it a job has that reads whole videos.
tracked_decoding = options_of(DecodeOptions, "damaged", "video_timeout", "video_stream", "unflagged_matrix")
failures = options_of(InferOptions, "max_failure_rate")
ray = together(
    click.option(
        "--address", metavar="ADDRESS", help="Ray to join.  [default: RAY_ADDRESS, else a local one is started]"
    ),
    click.option("--no-ray", is_flag=True, help="Run the same stages in this one process, without Ray."),
)


def workers(model: str) -> Decorator:
    """How many there are of each stage. model: what the second stage has copies of."""
    as_many = "[default: as many as fit the cluster]"
    return together(
        click.option("--decode-workers", type=int, metavar="N", help=f"Processes that decode.  {as_many}"),
        click.option("--model-actors", metavar="MIN[:MAX]", help=f"Copies of the {model}.  {as_many}"),
    )


device = click.option(
    "--device",
    type=click.Choice(get_args(Device)),
    default="auto",
    show_default=True,
    help="Where the model runs. auto: on GPUs where there are any, or where the cluster may start some.",
)
