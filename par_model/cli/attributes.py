"""``parjob attributes``: list and show attribute schemas."""

from __future__ import annotations

import json

import click

from par_model.attributes import load_schema, shipped_schemas
from par_model.cli.command import Command
from par_model.cli.options import json_output


@click.group(no_args_is_help=True)
def attributes() -> None:
    """List and show attribute schemas.

    \b
    Example:
      parjob attributes show mars
    """


@attributes.command("list", cls=Command)
@json_output
def list_schemas(as_json: bool) -> None:
    """List the schemas that come with the package.

    \b
    Example:
      parjob attributes list
    """
    schemas = [load_schema(name) for name in shipped_schemas()]
    if as_json:
        rows = [{"name": s.name, "groups": len(s.groups), "classes": s.num_classes} for s in schemas]
        click.echo(json.dumps(rows))
        return
    for schema in schemas:
        click.echo(f"{schema.name:8} {len(schema.groups):3} groups {schema.num_classes:3} classes")


@attributes.command("show", cls=Command)
@click.argument("name")
@json_output
def show(name: str, as_json: bool) -> None:
    """Show one schema: a shipped one by NAME, or your own by path or URI. The output is TOML that you can edit and use.

    \b
    Example:
      parjob attributes show mars > own.toml
    """
    schema = load_schema(name)
    if as_json:
        groups = [
            {"name": g.name, "kind": g.kind, "column": g.column, "classes": [c.value for c in g.classes]}
            for g in schema.groups
        ]
        click.echo(json.dumps({"name": schema.name, "groups": groups, "score_fields": list(schema.score_fields)}))
        return
    click.echo(schema.to_toml(), nl=False)
