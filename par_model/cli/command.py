"""What every command shares: its environment variables, its error lines, its exit codes.

Results go to stdout, all else to stderr. A ParError is one line on stderr and its own exit code; Ctrl-C is 130.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from par_model.errors import ParError, UsageError
from par_model.wording import one_line, typed_line

INTERRUPTED = 130
DEBUG = "PARJOB_DEBUG"
HELP = ["-h", "--help"]
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


@contextmanager
def resumable(kept: str = "what is done is kept. The same command again goes on from here") -> Iterator[None]:
    """Within, Ctrl-C says that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"parjob: stopped; {kept}", err=True)
        raise


class Command(click.Command):
    """A command whose options also come from ``PARJOB_<COMMAND>_<OPTION>``, and which has ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            if param.metavar is None and isinstance(param.type, type(click.INT)):
                param.metavar = "N"  # where click says INTEGER RANGE
        self.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                callback=_remember_debug,
                help="Show the traceback of an error as well.",
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for param in self.params:
            # click would name the variable after the function's argument, which may be called otherwise.
            param.envvar = param.envvar or _variable(param, ctx)
        try:
            left = super().parse_args(ctx, args)
            self._refuse_empty(ctx)
            return left
        except click.MissingParameter as error:
            variable = _variable(error.param, ctx)
            if error.param is None or variable is None:
                raise
            hint = f"give {error.param.opts[0]} or set {variable}"
            raise click.UsageError(f"missing option {error.param.opts[0]}: {hint}", ctx=ctx) from error

    def _refuse_empty(self, ctx: click.Context) -> None:
        """An empty name would be that of the folder that one is in, as where a shell's variable is not set."""
        for param in [] if ctx.resilient_parsing else self.params:
            value = ctx.params.get(param.name or "") if param.required else None
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, str) and not one.strip():
                    name = param.opts[0] if isinstance(param, click.Option) else param.human_readable_name
                    raise UsageError(f"{name} is empty: give a name")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are named, so that ``--help`` stays quick.

    ``lazy`` maps a command's name to ``module:attribute`` and the line of help that lists it.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._lazy, *super().list_commands(ctx)]

    def lines(self) -> list[tuple[str, str]]:
        """Each command's name and its line of help."""
        own = [(name, self.commands[name].get_short_help_str()) for name in sorted(self.commands)]
        return [(name, line) for name, (_, line) in self._lazy.items()] + own

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self.lines())


class _StderrLines(logging.Handler):
    """A line on stderr for each record, wherever stderr goes at that time."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = "warning: " if record.levelno == logging.WARNING else ""
        sys.stderr.write(f"parjob: {kind}{record.getMessage()}\n")
        sys.stderr.flush()


def log_to_stderr() -> None:
    """Print what the package says of its work as lines on stderr, once however often this is called."""
    logger = logging.getLogger("par_model")
    if not any(isinstance(handler, _StderrLines) for handler in logger.handlers):
        logger.addHandler(_StderrLines())
        logger.setLevel(logging.INFO)
        logger.propagate = False


def run(command: click.Command, *, prefix: str, name: str, args: list[str] | None = None) -> NoReturn:
    """Run a command as a program: print errors as one line, and exit with the code that the error stands for."""
    arguments = sys.argv[1:] if args is None else args
    log_to_stderr()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is as clean as Ctrl-C
    try:
        code = command.main(
            arguments, prog_name=name, auto_envvar_prefix=prefix, standalone_mode=False, help_option_names=HELP
        )
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        _usage_line(error, name)
        code = error.exit_code
    except ParError as error:
        code = error.exit_code
        _fail(f"parjob: {_harmless(str(error))}")
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
        _fail("parjob: interrupted")
    except BrokenPipeError:
        # The reader of our output went away (`parjob ... | head`): nothing is left to say, and stdout must not be
        # flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:  # noqa: BLE001  # the last line of defence: one line for the user, never a traceback
        code = 1
        line = _harmless(typed_line(error))
        _fail(f"parjob: unexpected {line} (run again with --debug for the traceback)")
    sys.exit(code if isinstance(code, int) else 0)


def option(*names: str, **kwargs: Any) -> Callable[[Any], Any]:
    """``click.option`` that shows its default and its environment variable in the help."""
    kwargs.setdefault("show_default", True)
    kwargs.setdefault("show_envvar", False)
    return click.option(*names, **kwargs)


def _variable(param: click.Parameter | None, ctx: click.Context) -> str | None:
    """The environment variable of an option: the command's prefix and the option's long name."""
    if ctx.auto_envvar_prefix is None or not isinstance(param, click.Option) or not param.allow_from_autoenv:
        return None
    long = next((name for name in param.opts if name.startswith("--")), None)
    return f"{ctx.auto_envvar_prefix}_{long[2:].replace('-', '_').upper()}" if long else None


def _remember_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    # In the environment, so that the processes that this one starts know it too.
    if value:
        os.environ[DEBUG] = "1"


def _usage_line(error: click.ClickException, name: str) -> None:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else name
    sys.stderr.write(f"{path}: {_harmless(error.format_message())} (see {path} --help)\n")


def _harmless(text: str) -> str:
    """One line without what a terminal would obey: names in a file may hold anything."""
    return one_line(text).translate(_CONTROLS)


def _fail(line: str) -> None:
    if DEBUG in os.environ:
        traceback.print_exc()
    sys.stderr.write(line + "\n")
