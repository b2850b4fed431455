"""What every command shares."""

from __future__ import annotations

import click
import pytest

from par_model.cli.command import Command
from par_model.errors import UsageError
from tests.cli.test_help import COMMANDS


def needed(command: click.Command) -> list[click.Parameter]:
    """What a user has to give, and gives as a text of any kind."""
    return [param for param in command.params if param.required and param.type is click.STRING]


def words(command: click.Command, empty: click.Parameter) -> list[str]:
    """All that is required, one of it empty."""
    found: list[str] = []
    for param in [param for param in command.params if param.required]:
        value = param.type.choices[0] if isinstance(param.type, click.Choice) else "x"
        found += [param.opts[0]] if isinstance(param, click.Option) else []
        found.append(" " if param is empty else str(value))
    return found


EMPTIED = [
    pytest.param(command, param, id=f"{name} {param.opts[0]}")
    for name, command in COMMANDS.items()
    for param in needed(command)
]


def test_most_commands_need_names() -> None:
    assert len(EMPTIED) > 40
    assert all(isinstance(param.values[0], Command) for param in EMPTIED)


@pytest.mark.parametrize(("command", "empty"), EMPTIED)
def test_an_empty_name_is_wrong_usage_and_not_the_folder_one_is_in(
    command: click.Command, empty: click.Parameter
) -> None:
    with pytest.raises(UsageError) as caught:
        command.make_context("parjob", words(command, empty))
    name = empty.opts[0] if isinstance(empty, click.Option) else empty.human_readable_name
    assert str(caught.value) == f"{name} is empty: give a name"
