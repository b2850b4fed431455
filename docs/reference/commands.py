"""A hook of MkDocs: fills the page of commands with what each command's ``--help`` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from par_model.cli.main import parjob

PLACE = "<!-- every command -->"
_WIDTH = 80


def on_page_markdown(markdown: str, **_given: Any) -> str:
    return markdown.replace(PLACE, "\n".join(_sections(parjob, "parjob", None))) if PLACE in markdown else markdown


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    with click.Context(command, info_name=name, parent=parent, max_content_width=_WIDTH, terminal_width=_WIDTH) as here:
        yield f"{'#' * (2 if parent is None or parent.parent is None else 3)} {here.command_path}\n"
        yield f"```text\n{command.get_help(here)}\n```\n"
        if isinstance(command, click.Group):
            for each in command.list_commands(here):
                found = command.get_command(here, each)
                assert found is not None
                yield from _sections(found, each, here)
