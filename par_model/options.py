"""Options of commands, each stated once: a field of the dataclass that holds it says its name, type, default, bounds
and help. The command line makes its option from the field, and the dataclass checks itself by it.

    @dataclass(frozen=True)
    class TrainOptions:
        epochs: int = option(30, "How often each training tracklet is seen.", metavar="N", at_least=1)

        def __post_init__(self) -> None:
            check_options(self)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from par_model.errors import UsageError

_KEY = "option"

Options = TypeVar("Options")


@dataclass(frozen=True)
class Option:
    """What a field says of its option.

    name: as on the command line, ``--batch-size``. kind: ``int``, ``float``, ``str`` or ``bool``; of ``multiple`` ones
    that of each value. parse: makes the value of the text that is given, where it is none of these kinds. choices: all
    values, where they are few. default: None where it is ``required``, or where nothing is given; ``otherwise`` says
    what happens then. limit: the bounds in words, and ``fits`` whether a value is within them. show_bounds: that they
    stand in the help too.
    """

    name: str
    kind: type
    help: str
    default: Any
    required: bool
    multiple: bool
    choices: tuple[str, ...]
    metavar: str | None
    otherwise: str | None
    parse: Callable[[str], Any] | None
    show_bounds: bool
    at_least: float | None
    at_most: float | None
    above: float | None
    below: float | None

    @property
    def limit(self) -> str:
        """What a value must be, to follow "must be"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        bounds = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        words = [
            "finite" if bound == float("inf") else f"{word} {bound if isinstance(bound, int) else format(bound, 'g')}"
            for word, bound in bounds.items()
            if bound is not None
        ]
        return " and ".join(words)

    def fits(self, value: Any) -> bool:
        """Whether one value is within the bounds; NaN never is."""
        if self.choices:
            return value in self.choices
        if not self.limit:
            return True
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


def option(
    default: Any,
    help: str,
    *,
    name: str | None = None,
    metavar: str | None = None,
    otherwise: str | None = None,
    parse: Callable[[str], Any] | None = None,
    show_bounds: bool = False,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """A dataclass field that is an option of a command. default: ``required`` where there is none.

    name: as on the command line, where it is not the field's. otherwise: what the help says in the default's place.
    parse: makes the field's value of the text that is given, or raises ValueError or UsageError. show_bounds: show
    those of a whole number in the help, where the command line then checks them as well. The others are bounds of a
    number.
    """
    stated = {
        "name": name,
        "help": help,
        "metavar": metavar,
        "otherwise": otherwise,
        "parse": parse,
        "show_bounds": show_bounds,
        "at_least": at_least,
        "at_most": at_most,
        "above": above,
        "below": below,
    }
    return field(default=MISSING if default is required else default, metadata={_KEY: stated})


required = object()


@cache
def stated_options(kind: Any) -> dict[str, Option]:
    """The options of a dataclass by the names of its fields, in their order."""
    hints = get_type_hints(kind)
    return {f.name: _stated(f, hints[f.name]) for f in fields(kind) if _KEY in f.metadata}


def taken(kind: Callable[..., Options], asked: dict[str, Any], **others: Any) -> Options:
    """The dataclass, made of those of its options that ``asked`` holds, which are taken out of it, and of others."""
    names = [name for name in stated_options(kind) if name in asked]
    return kind(**{name: asked.pop(name) for name in names}, **others)


def check_options(options: Any) -> None:
    """Raises UsageError, naming the option, the value and the limit, for the first that is out of its bounds."""
    kind: Any = type(options)
    check_values(kind, {name: getattr(options, name) for name in stated_options(kind)})


def check_values(kind: Any, values: Mapping[str, Any]) -> None:
    """The same of some of a dataclass's options by the names of their fields, before there is such an object."""
    for name, value in values.items():
        stated = stated_options(kind)[name]
        for one in value if stated.multiple else [value]:
            if one is not None and not stated.fits(one):
                raise UsageError(f"{stated.name} is {one}: must be {stated.limit}")


def _stated(given: Field[Any], hint: Any) -> Option:
    stated = dict(given.metadata[_KEY])
    kind: Any = str if stated["parse"] is not None else _without_none(hint)
    multiple = get_origin(kind) is tuple
    if multiple:
        kind = get_args(kind)[0]
    choices: tuple[str, ...] = get_args(kind) if get_origin(kind) is Literal else ()
    return Option(
        name=stated.pop("name") or f"--{given.name.replace('_', '-')}",
        kind=str if choices else kind,
        default=None if given.default is MISSING else given.default,
        required=given.default is MISSING,
        multiple=multiple,
        choices=choices,
        **stated,
    )


def _without_none(hint: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if _is_union(hint) else [hint]
    (kind,) = kinds
    return kind


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)
