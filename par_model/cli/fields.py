"""click's options from the fields of the dataclasses that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from par_model.options import Option, stated_options

Decorator = Callable[[Any], Any]


def options_of(kind: type, *names: str) -> Decorator:
    """The options of a dataclass, all or those of these names, in the order given."""
    stated = stated_options(kind)

    def decorate(function: Any) -> Any:
        for name in reversed(names or tuple(stated)):
            function = _click_option(name, stated[name])(function)
        return function

    return decorate


def _click_option(name: str, stated: Option) -> Decorator:
    text = f"{stated.help}  [default: {stated.otherwise}]" if stated.otherwise else stated.help
    if stated.kind is bool:
        return click.option(stated.name, name, is_flag=True, default=stated.default, help=text)
    given: dict[str, Any] = {}
    if stated.required:  # click takes even None for a default, and then asks for nothing
        given["required"] = True
    elif not stated.multiple:
        given |= {"default": stated.default, "show_default": stated.default is not None}
    return click.option(
        stated.name,
        name,
        type=click.Choice(stated.choices) if stated.choices else stated.kind,
        multiple=stated.multiple,
        metavar=stated.metavar,
        help=text,
        **given,
    )
