"""click's options from the fields of the dataclasses that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from par_model.options import Option, stated_options

Decorator = Callable[[Any], Any]


class FieldOption(click.Option):
    """An option that a field states. field: the dataclass and the field's name."""

    def __init__(self, *args: Any, field: tuple[type, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.field = field


def options_of(kind: type, *names: str) -> Decorator:
    """The options of a dataclass, all or those of these names, in the order given."""
    stated = stated_options(kind)

    def decorate(function: Any) -> Any:
        for name in reversed(names or tuple(stated)):
            function = _click_option(kind, name, stated[name])(function)
        return function

    return decorate


def _click_option(kind: type, name: str, stated: Option) -> Decorator:
    text = f"{stated.help}  [default: {stated.otherwise}]" if stated.otherwise else stated.help
    given: dict[str, Any] = {"cls": FieldOption, "field": (kind, name), "help": text}
    if stated.kind is bool:
        return click.option(stated.name, name, is_flag=True, default=stated.default, **given)
    if stated.required:  # click takes even None for a default, and then asks for nothing
        given["required"] = True
    elif stated.default not in (None, ()):
        given |= {"default": stated.default, "show_default": stated.otherwise is None}
    return click.option(
        stated.name,
        name,
        type=_click_type(stated),
        multiple=stated.multiple,
        metavar=stated.metavar,
        callback=_parsed(stated) if stated.parse is not None else None,
        **given,
    )


def _click_type(stated: Option) -> Any:
    if stated.choices:
        return click.Choice(stated.choices)
    if stated.show_bounds:
        return click.IntRange(stated.at_least, stated.at_most)
    return stated.kind


def _parsed(stated: Option) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def parsed(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
        if value is None:
            return stated.default
        try:
            return stated.parse(value)  # type: ignore[misc]
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return parsed
