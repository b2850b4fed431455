"""Every option is stated once, by a field of the dataclass that holds it, of which the command line makes its own."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from typing import Any, get_type_hints

import click
import pytest
from click.testing import CliRunner

from par_model.cli.command import Command
from par_model.cli.fields import FieldOption, options_of
from par_model.errors import UsageError
from par_model.options import option, stated_options, taken
from tests.cli.test_help import COMMANDS
from tests.house.test_architecture import MODULES, PACKAGE

# What dataclasses of options hold besides: no user of the command line can give it by an option.
NO_OPTIONS: dict[str, set[str]] = {
    "DecodeOptions": {"isolate", "memory_bytes", "crop_bytes"},  # how decoding protects itself
    "FitOptions": {"were_corners", "every_frame", "video_numbers"},  # follows from other options and from the file
    "LookOptions": {"manifest"},  # the command's argument
    "ModelOptions": {"depth"},  # as published
    "SheetOptions": {"labelled"},  # follows from other options
    "StreetConfig": {
        *("cameras", "first_camera", "seconds", "fps", "width", "height", "tint", "vest_share", "people_per_minute"),
        *("stop_share", "run_share", "splits", "min_height_px", "min_boxes", "start", "difficulty"),
    },  # the demo is always alike
}


def is_statement(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.AnnAssign) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.endswith("option")


def found_kinds() -> Iterator[type]:
    """All dataclasses of options, by their names or because they state some."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and (
                node.name.endswith("Options") or any(is_statement(statement) for statement in node.body)
            ):
                name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
                yield getattr(import_module(name), node.name)


KINDS = [kind for kind in found_kinds() if is_dataclass(kind)]


def complaints(
    commands: Mapping[str, click.Command], kinds: Iterable[type], no_options: Mapping[str, set[str]]
) -> Iterator[str]:
    """What is stated twice or not at all: of the dataclasses, then of the commands."""
    kinds = list(kinds)
    offered = {
        (defining(kind, name), name)
        for command in commands.values()
        for param in command.params
        if isinstance(param, FieldOption)
        for kind, name in [param.field]
    }
    for kind in kinds:
        hints = get_type_hints(kind)
        for one in fields(kind):
            if one.name in stated_options(kind):
                if (defining(kind, one.name), one.name) not in offered:
                    yield f"{kind.__name__}.{one.name} states an option that no command has"
            elif hints[one.name] not in kinds and one.name not in no_options.get(kind.__name__, ()):
                yield f"{kind.__name__}.{one.name} states no option"
    for name, command in commands.items():
        yield from (f"{name}: {said}" for said in of_command(command, kinds, no_options))


def of_command(command: click.Command, kinds: list[type], no_options: Mapping[str, set[str]]) -> Iterator[str]:
    given = [param for param in command.params if isinstance(param, click.Option) and param.expose_value]
    flags = [flag for param in given for flag in param.opts]
    yield from (f"{flag} is there twice" for flag in sorted({flag for flag in flags if flags.count(flag) > 1}))
    theirs = {param.field[0].__name__ for param in given if isinstance(param, FieldOption)}
    hidden = set().union(*(no_options.get(kind, set()) for kind in theirs))
    by_hand = {str(param.name): param for param in given if not isinstance(param, FieldOption)}
    for name, param in by_hand.items():
        if hidden & {name, *(flag.lstrip("-").replace("-", "_") for flag in param.opts)}:
            yield f"{param.opts[0]} is a field of {' or '.join(sorted(theirs))} that states no option"
        if name not in inspect.signature(command.callback or print).parameters:
            yield f"{param.opts[0]} is made by hand and goes where the fields' options go"
    for kind, name in passed_on(command, {kind.__name__ for kind in kinds}):
        if name in by_hand:
            yield f"{by_hand[name].opts[0]} is made by hand and goes into {kind}"


def passed_on(command: click.Command, kinds: set[str]) -> Iterator[tuple[str, str]]:
    """Dataclasses that a command makes, each with the names of what it makes them of."""
    if command.callback is None:
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(command.callback))))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            of = [node.func, *node.args[:1]] if node.func.id == "taken" else [node.func]
            for kind in (one.id for one in of if isinstance(one, ast.Name) and one.id in kinds):
                inside = [*node.args, *(keyword.value for keyword in node.keywords)]
                yield from ((kind, one.id) for value in inside for one in ast.walk(value) if isinstance(one, ast.Name))


def defining(kind: type, name: str) -> type:
    """The class that a field is inherited from."""
    return next(base for base in reversed(kind.__mro__) if name in inspect.get_annotations(base))


def test_every_option_of_every_command_is_stated_once() -> None:
    assert {"InferOptions", "EvaluateOptions", "ReportOptions", "LookOptions", "ApplyOptions", "VideoOptions"} <= {
        kind.__name__ for kind in KINDS
    }
    assert list(complaints(COMMANDS, KINDS, NO_OPTIONS)) == []


def test_what_is_said_to_be_no_option_is_there() -> None:
    by_name = {kind.__name__: kind for kind in KINDS}
    for name, held in NO_OPTIONS.items():
        assert held <= {one.name for one in fields(by_name[name])} - stated_options(by_name[name]).keys(), name


@dataclass(frozen=True)
class OvenOptions:
    heat: int = option(200, "Degrees of the oven.", at_least=50)


@dataclass(frozen=True)
class DoughOptions:
    loaves: int = option(4, "How many loaves.", at_least=1)
    rye: float = 0.1
    yeast: str = "dry"
    oven: OvenOptions = field(default_factory=OvenOptions)


@click.command(cls=Command)
@options_of(DoughOptions)
@options_of(OvenOptions)
@click.option("--rye", type=float, default=0.1, help="Share of rye.")
def rye_by_hand(rye: float, **asked: Any) -> None:
    oven = taken(OvenOptions, asked)
    taken(DoughOptions, asked, rye=rye, oven=oven)


@click.command(cls=Command)
@options_of(DoughOptions)
@click.option("--loaves", "number", type=int, default=4, help="How many loaves.")
@click.option("--salt", is_flag=True, help="Add salt.")
def loaves_by_hand(number: int, **asked: Any) -> None:
    print(number, asked)


@click.command(cls=Command)
@click.option("--many", type=int, default=4, help="How many loaves.")
def loaves_under_another_name(many: int) -> None:
    DoughOptions(loaves=many)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (rye_by_hand, ["--rye is a field of DoughOptions or OvenOptions that states no option"]),
        (rye_by_hand, ["--rye is made by hand and goes into DoughOptions"]),
        (loaves_by_hand, ["--loaves is there twice"]),
        (loaves_by_hand, ["--salt is made by hand and goes where the fields' options go"]),
        (loaves_under_another_name, ["--many is made by hand and goes into DoughOptions"]),
    ],
)
def test_an_option_that_is_stated_twice_is_found(command: click.Command, found: list[str]) -> None:
    said = [line.removeprefix("bake: ") for line in complaints({"bake": command}, [], {"DoughOptions": {"rye"}})]
    of_kinds = of_command(command, [DoughOptions, OvenOptions], {"DoughOptions": {"rye"}})
    assert set(found) <= {*said, *of_kinds}


def test_a_field_that_states_nothing_or_that_no_command_has_is_found() -> None:
    assert list(complaints({}, [DoughOptions, OvenOptions], {"DoughOptions": {"yeast"}})) == [
        "DoughOptions.loaves states an option that no command has",
        "DoughOptions.rye states no option",
        "OvenOptions.heat states an option that no command has",
    ]


def whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a number of loaves")
    if text == "13":
        raise UsageError("--loaves 13: no baker makes those")
    return int(text)


@dataclass(frozen=True)
class ShopOptions:
    loaves: int | None = option(None, "How many loaves.", metavar="MANY", otherwise="all", parse=whole)
    rolls: int = option(6, "How many rolls.", at_least=1, at_most=99, show_bounds=True)
    open_on: tuple[str, ...] = option(("sat", "sun"), "When it is open.", name="--day", otherwise="at the weekend")


@click.command()
@options_of(ShopOptions)
def shop(**asked: Any) -> None:
    given = dict(asked)
    print(taken(ShopOptions, given), given)


def test_texts_are_parsed_and_bounds_shown_where_a_field_says_so() -> None:
    run = CliRunner().invoke
    assert run(shop, []).output.strip() == f"{ShopOptions()!r} {{}}"
    words = ["--loaves", "3", "--rolls", "99", "--day", "mon"]
    assert run(shop, words).output.strip() == f"{ShopOptions(3, 99, ('mon',))!r} {{}}"
    assert "Invalid value for '--loaves': 'x' is not a number of loaves" in run(shop, ["--loaves", "x"]).output
    assert str(run(shop, ["--loaves", "13"]).exception) == "--loaves 13: no baker makes those"
    assert "100 is not in the range 1<=x<=99" in run(shop, ["--rolls", "100"]).output
    text = " ".join(run(shop, ["--help"]).output.split())
    assert "--loaves MANY How many loaves. [default: all]" in text
    assert "--rolls INTEGER RANGE How many rolls. [default: 6; 1<=x<=99]" in text
    assert "--day TEXT When it is open. [default: at the weekend]" in text
