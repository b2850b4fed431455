"""A hook of MkDocs: fills the page of commands with what each command's ``--help`` says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click

from par_model.cli.command import LazyGroup
from par_model.cli.main import parjob

PLACE = "<!-- every command -->"
_MARKUP = re.compile(r"([\\`*_{}\[\]#])")


def on_page_markdown(markdown: str, **_given: Any) -> str:
    return markdown.replace(PLACE, "\n".join(_sections(parjob, "parjob", None))) if PLACE in markdown else markdown


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    with click.Context(command, info_name=name, parent=parent) as here:
        yield f"{'#' * (2 if parent is None or parent.parent is None else 3)} {here.command_path}\n"
        yield f"```text\n{' '.join([here.command_path, *command.collect_usage_pieces(here)])}\n```\n"
        yield from _paragraphs(command.help or "")
        for param in command.params:  # without --help, which the page mentions once
            if (record := param.get_help_record(here)) is not None:
                yield f"`{record[0]}`\n:   {_plain(' '.join(record[1].split()))}\n"
        if isinstance(command, click.Group):
            below = {each: _found(command, here, each) for each in command.list_commands(here)}
            said = dict(command.lines()) if isinstance(command, LazyGroup) else {}
            for each, found in below.items():
                link = f"{here.command_path} {each}".replace(" ", "-")
                yield f"[`{each}`](#{link})\n:   {_plain(said.get(each) or found.get_short_help_str(100))}\n"
            for each, found in below.items():
                yield from _sections(found, each, here)


def _found(group: click.Group, context: click.Context, name: str) -> click.Command:
    command = group.get_command(context, name)
    assert command is not None
    return command


def _paragraphs(text: str) -> Iterator[str]:
    r"""Text flows, but for what follows a ``\b``: a heading, and lines that stay as they are."""
    for paragraph in re.split(r"\n\s*\n|\n(?=\x08)", inspect.cleandoc(text)):
        heading, *lines = paragraph.removeprefix("\b\n").splitlines()
        if not paragraph.startswith("\b"):
            yield f"{_plain(' '.join([heading, *lines]))}\n"
            continue
        yield f"{_plain(heading)}\n"
        if lines:
            code = "\n".join(line.strip() for line in lines)
            yield f"```sh\n{code}\n```\n"


def _plain(text: str) -> str:
    """Without what Markdown would take for its own."""
    return _MARKUP.sub(r"\\\1", text).replace("<", "&lt;")
