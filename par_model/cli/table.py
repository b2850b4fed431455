"""``parjob table``: the attribute table as other systems are told of it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from par_model.catalogs.engines import ENGINES
from par_model.cli.command import Command
from par_model.cli.options import json_output
from par_model.errors import UsageError
from par_model.wording import counted


@click.group(no_args_is_help=True)
def table() -> None:
    """Give the attribute table to engines and catalogs, and see how tools read it.

    \b
    Example:
      parjob table check out
    """


@table.command("ddl", cls=Command)
@click.argument("output", metavar="OUT")
@click.option("--for", "engine", type=click.Choice(ENGINES), required=True, help="The engine to write for.")
@click.option(
    "--name",
    default="attributes",
    show_default=True,
    metavar="NAME",
    help="What the table or view is called there, such as attributes or hive.video.attributes.",
)
@click.option(
    "--location",
    metavar="URI",
    help="The folder of the table's files as the engine sees it.  [default: OUT/attributes]",
)
def ddl(output: str, engine: str, name: str, location: str | None) -> None:
    """Print the statement that makes the table of OUT known to an engine, with the type of every column and folder.

    The engine reads the files where they lie; nothing is copied. Columns that it has no type for are left out, and
    named on stderr.

    \b
    Example:
      parjob table ddl out --for duckdb
    """
    from par_model.catalogs.ddl import statement
    from par_model.catalogs.finished_table import Layout

    click.echo(statement(Layout.of(output), engine, name, location), nl=False)


@table.command("check", cls=Command)
@click.argument("output", metavar="OUT")
@json_output
def check(output: str, as_json: bool) -> int:
    """Open the table of OUT as pandas, pyarrow, Polars and DuckDB do, and say where they read it otherwise.

    Prints one line a finding: level, code, tool, message, with tabs between. A defect is wrong whoever reads: a file
    that is missing, damaged or surplus, rows that are not those of run.json, a tracklet in two rows. A note is what a
    tool reads otherwise unless it is told, as docs/queries.md tells it: types of Hive folders, the folder of null, many
    tiny files. Each tool reads the ids and the columns of the folders, of all rows.

    \b
    Exit codes: 0 no defect; 1 some.
    \b
    Example:
      parjob table check out
    """
    from par_model.catalogs.check import check_table

    checked = check_table(output)
    found = checked.findings
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found]))
    for finding in [] if as_json else found:
        click.echo("\t".join([finding.level, finding.code, finding.reader or "-", finding.message]))
    defects = sum(finding.level == "defect" for finding in found)
    sys.stderr.write(
        f"parjob: {counted(checked.tracklets, 'row')} in {counted(checked.files, 'file')}: "
        f"{counted(defects, 'defect')}, {counted(len(found) - defects, 'note')}\n"
    )
    return 1 if defects else 0


@table.command("register", cls=Command)
@click.argument("output", metavar="OUT")
@click.option(
    "--iceberg",
    metavar="CATALOG.NAMESPACE.TABLE",
    help="Register in this Iceberg table, of a catalog that pyiceberg's configuration names; made if it is not there.",
)
@click.option("--delta", is_flag=True, help="Register as a Delta table at OUT; its log is OUT/_delta_log.")
@json_output
def register(output: str, iceberg: str | None, delta: bool, as_json: bool) -> int:
    """Have a catalog name the files of the table of OUT, so that its readers see one run and no other.

    Each run is one commit, and is registered once, whatever is killed and repeated. Register again after --add and
    --retry-failed. From the first time on, --retry-failed writes files under new names, and the next registration swaps
    them in by one commit: read the table through the catalog then, not by patterns over OUT.

    \b
    Example:
      parjob table register out --delta
    """
    if (iceberg is None) == (not delta):
        raise UsageError("give one of --iceberg CATALOG.NAMESPACE.TABLE and --delta")
    from par_model.catalogs.register import Catalog
    from par_model.catalogs.register import register as register_in

    catalog: Catalog
    if iceberg is not None:
        from par_model.catalogs.iceberg import Iceberg

        catalog = Iceberg.named(iceberg)
    else:
        from par_model.catalogs.delta import Delta

        catalog = Delta()
    done = register_in(output, catalog)
    if as_json:
        click.echo(json.dumps(asdict(done)))
    elif done.snapshot is None:
        click.echo(f"{done.catalog} has run {done.run_id} already; nothing to do")
    else:
        click.echo(
            f"{done.catalog} has run {done.run_id}, as snapshot {done.snapshot}: {counted(done.added, 'file')} added, "
            f"{done.removed} removed"
        )
    return 0
