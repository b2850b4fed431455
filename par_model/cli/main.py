"""The ``parjob`` command: a table of contents that imports nothing heavy."""

from __future__ import annotations

from typing import NoReturn

import click

from par_model import __version__
from par_model.cli.command import LazyGroup, run

_COMMANDS = {
    "demo": ("par_model.cli.demo:demo", "Render a small archive, recognise it, score it, write the report."),
    "manifest": ("par_model.cli.manifest:manifest", "Make, check and show manifests of tracklets."),
    "track": ("par_model.cli.track:track", "Find people in videos, follow them, and write a manifest of tracklets."),
    "weights": ("par_model.cli.weights:weights", "Make and show weights files."),
    "attributes": ("par_model.cli.attributes:attributes", "List and show attribute schemas."),
    "crops": ("par_model.cli.crops:crops", "Write what the model would see, as PNG files."),
    "label": ("par_model.cli.label:label", "Choose tracklets to label, and bring the labels back."),
    "infer": ("par_model.cli.infer:infer", "Recognise the tracklets of a manifest into a Parquet table."),
    "table": ("par_model.cli.table:table", "Give the table to engines and catalogs; see how tools read it."),
    "run": ("par_model.cli.run:run", "Track, recognise and report in one go."),
    "plan": ("par_model.cli.plan:plan", "Say how long a job takes, on which nodes, at what price."),
    "train": ("par_model.cli.train:train", "Fine-tune a recogniser on a manifest's labels."),
    "evaluate": ("par_model.cli.evaluate:evaluate", "Score a table against a manifest's labels."),
    "report": ("par_model.cli.report:report", "Write one HTML page about a run, with its tracklets to look at."),
    "doctor": ("par_model.cli.doctor:doctor", "Say what is installed and what works here, for a bug report."),
    "completion": ("par_model.cli.completion:completion", "Print what a shell needs to complete commands and options."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
@click.version_option(__version__, prog_name="parjob")
def parjob() -> None:
    """Pedestrian attributes from video archives: tracklet manifests in, a Parquet table out.

    Every option can also come from the environment, as PARJOB_<COMMAND>_<OPTION>.

    \b
    Example:
      parjob demo
    """


def main(args: list[str] | None = None) -> NoReturn:
    """The console command."""
    run(parjob, prefix="PARJOB", name="parjob", args=args)
