"""``parjob demo``: the whole flow on a small rendered street."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.cli.fields import options_of
from par_model.demo.config import StreetConfig
from par_model.storage import is_local

# One line each: a second line would have to start at the margin to be pasted into a shell.
_QUERIES = """
Three queries to try:

  {python} -c "import duckdb; duckdb.sql(\\"SELECT top_color, count(*) FROM '{table}' GROUP BY ALL\\").show()"

  {python} -c "import polars as pl; print(pl.read_parquet('{table}').filter(pl.col('backpack'), camera_id='{camera}').select('tracklet_id', 'start_time', 'top_color'))"

  {python} -c "import pandas as pd; print(pd.read_parquet('{folder}').groupby('camera_id')[['hat', 'backpack', 'hand_bag']].mean())"
"""  # noqa: E501


def _local_folder(ctx: click.Context, param: click.Parameter, value: str) -> Path:
    if not value or not is_local(value):
        raise click.BadParameter(f"{value!r} is no local folder: the demo renders its videos on this machine")
    return Path(value.removeprefix("file://"))


@click.command(cls=Command)
@click.option(
    "--output",
    type=click.Path(),  # shells complete it
    default="parjob-demo",
    show_default=True,
    metavar="DIR",
    callback=_local_folder,
    help="Local folder to write.",
)
@options_of(StreetConfig, "seed")
@click.option(
    "--from-video",
    is_flag=True,
    help="Begin with the videos alone: find and follow their people, and recognise those. Nothing is scored then.",
)
@options.ray
def demo(output: Path, seed: int, from_video: bool, address: str | None, no_ray: bool) -> int:
    """Render a small archive, recognise it, score it, and write the report about it.

    \b
    Example:
      parjob demo --output parjob-demo
    """
    archive = output.absolute() / f"street-{seed}"
    manifest = archive / "manifest.parquet"
    if manifest.exists():
        _say(f"using the archive in {archive}")
    else:
        _render(archive, seed)
    _say(
        "the demo's weights know only the rendered street; other footage needs other weights (README, Your own footage)"
    )
    if from_video:
        return _from_video(archive, output, seed, address=address, no_ray=no_ray)
    table = output / f"table-{seed}"
    code = _recognise(manifest, table.absolute(), address=address, no_ray=no_ray)
    if code == 0:
        metrics = _score(manifest, table.absolute(), output.absolute() / f"scores-{seed}")
        page = output / f"report-{seed}.html"
        _report(table.absolute(), output.absolute() / f"scores-{seed}", page.absolute())
        _show_scores(metrics)
        _show(archive, manifest, table / "attributes", page)
    return code


def _from_video(archive: Path, output: Path, seed: int, **where: Any) -> int:
    """The same without what the renderer knows of its people."""
    from par_model.cli.track import track

    tracked, table, page = (output / f"{name}-{seed}" for name in ("tracked", "table-tracked", "report-tracked"))
    page = page.with_name(f"{page.name}.html")
    arguments = ["--videos", str(archive / "videos"), "--detector", "demo", "--name-pattern", "{camera}.mp4"]
    arguments += ["--output", str(tracked.absolute()), *_where(where)]
    code = int(track.main(arguments, prog_name="parjob track", standalone_mode=False) or 0)
    if code == 0:
        code = _recognise(tracked.absolute() / "tracklets.parquet", table.absolute(), **where)
    if code == 0:
        _report(table.absolute(), None, page.absolute())
        _show(archive, tracked / "tracklets.parquet", table / "attributes", page)
    return code


def _where(where: dict[str, Any]) -> list[str]:
    return [*(["--address", where["address"]] if where["address"] else []), *(["--no-ray"] if where["no_ray"] else [])]


def _render(archive: Path, seed: int) -> None:
    from par_model.demo.street import render_street
    from par_model.progress import Progress

    config = StreetConfig(seed=seed)
    _say(f"rendering {config.cameras} cameras of {config.seconds:g} s each into {archive}")
    progress = Progress(config.cameras * config.num_frames, "frames")
    shown = 0

    def advance(done: int, total: int) -> None:
        nonlocal shown
        progress.advance(done - shown)
        shown = done

    render_street(config, archive, workers=min(config.cameras, os.cpu_count() or 1), progress=advance)
    progress.close()


def _recognise(manifest: Path, output: Path, **where: Any) -> int:
    from par_model.cli.infer import infer

    arguments = ["--manifest", str(manifest), "--weights", "demo", "--output", str(output), "--embedding"]
    result = infer.main([*arguments, *_where(where)], prog_name="parjob infer", standalone_mode=False)
    return int(result or 0)


def _score(manifest: Path, table: Path, output: Path) -> dict[str, Any]:
    from par_model.evaluation.job import run_evaluation
    from par_model.evaluation.options import EvaluateOptions

    return run_evaluation(EvaluateOptions(manifest=str(manifest), predictions=str(table), output=str(output)))


def _report(table: Path, scores: Path | None, page: Path) -> None:
    from par_model.progress import counting
    from par_model.report.job import run_report
    from par_model.report.options import ReportOptions

    _say("reading the crops again for the report")
    evaluation = None if scores is None else str(scores)
    with counting("tracklets") as start:
        run_report(ReportOptions(predictions=str(table), output=str(page), evaluation=evaluation), start)


def _show_scores(metrics: dict[str, Any]) -> None:
    constant = metrics["constant"]["groups"]
    click.echo(f"\nOn the {metrics['counts']['labelled']} tracklets of split {metrics['split']}:\n")
    rows = [["attribute", "accuracy", "a constant answer's", "macro F1"]]
    for name, group in metrics["groups"].items():
        values = (group["accuracy"], constant[name]["accuracy"], group["macro_f1"])
        rows.append([name, *("-" if value is None else f"{value:.2f}" for value in values)])
    _print_aligned(rows)


def _show(archive: Path, manifest: Path, folder: Path, page: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(folder)
    names = ["tracklet_id", "camera_id", "top_color", "bottom_color", "backpack", "hat", "gait"]
    click.echo(f"\nThe archive:  {archive}/videos/*.mp4, {manifest}")
    click.echo(f"The table:    {folder}/*.parquet, {len(table)} rows, {table.num_columns} columns; its first rows:\n")
    rows = [names] + [[str(row[name]) for name in names] for row in table.select(names).slice(0, 5).to_pylist()]
    _print_aligned(rows)
    click.echo(f"\nThe report:   {page}; open it in a browser")
    camera = table["camera_id"][0].as_py()
    click.echo(_QUERIES.format(python=_python(), table=f"{folder}/*.parquet", folder=folder, camera=camera))


def _print_aligned(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _python() -> str:
    """The interpreter that has this package, as one would type it here."""
    relative = os.path.relpath(sys.executable)
    return relative if not relative.startswith("..") else sys.executable


def _say(line: str) -> None:
    sys.stderr.write(f"parjob: {line}\n")
