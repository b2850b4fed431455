"""``parjob completion``: what a shell needs to complete commands, options and choices with the Tab key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from par_model.cli.command import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the lines that make SHELL complete parjob's commands, options and choices.

    \b
    Example, for bash; zsh alike in ~/.zshrc, fish in ~/.config/fish/completions/parjob.fish:
      parjob completion bash >> ~/.bashrc
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "parjob", "_PARJOB_COMPLETE").source())
