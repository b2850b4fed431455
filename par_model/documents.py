"""JSON and TOML that come from outside, checked by pydantic. What is wrong is told in one line, with where it stands.

A document is described by a dataclass. ``STRICT`` as its ``__pydantic_config__`` refuses keys that it does not name;
without, they are ignored. pydantic is imported when a document is read, since the command line's help needs none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

Document = TypeVar("Document")

STRICT = {"extra": "forbid"}
_MISSING = ("missing", "missing_argument")
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_NOUNS = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object of names and values",
    "dataclass": "an object of names and values",
}


class DocumentError(ValueError):
    """``str`` says where in the document, and what is wrong there. is_unknown_key: a key that nothing here knows."""

    def __init__(self, message: str, *, is_unknown_key: bool) -> None:
        super().__init__(message)
        self.is_unknown_key = is_unknown_key


def read_document(kind: type[Document], document: Any) -> Document:
    """A ``kind`` from what JSON or TOML text holds: a text is no number, and a number no text.

    Raises DocumentError, and whatever else than a ValueError the dataclasses raise that check themselves.
    """
    import pydantic

    # As JSON, in which a list may become a tuple, but nothing else becomes what it is not.
    adapter = _adapter(cast("Any", kind))
    text = json.dumps(document, default=lambda value: {"a date or time": str(value)})
    try:
        return cast("Document", adapter.validate_json(text, strict=True))
    except pydantic.ValidationError as error:
        raise _told(error.errors(include_url=False)[0], document) from error


@cache
def _adapter(kind: Any) -> Any:
    import pydantic

    return pydantic.TypeAdapter(kind)


def _told(error: Any, document: Any) -> DocumentError:
    location, kind, got = error["loc"], error["type"], f"got {error['input']!r:.60}"
    if kind in _MISSING or kind in _UNKNOWN:
        *location, key = location
        what = f"key {key!r}" if isinstance(key, str) else f"a value [{key}]"
        problem = f"has unknown {what}" if kind in _UNKNOWN else f"lacks {what}"
    elif kind == "literal_error":
        problem = f"must be {error['ctx']['expected']}, {got}"
    elif kind == "value_error":
        problem = str(error["ctx"]["error"])
    else:
        noun = _NOUNS.get(kind.removesuffix("_type").removesuffix("_from_float"))
        problem = f"must be {noun}, {got}" if noun else f"{error['msg']}, {got}"
    where = _where(location, document)
    return DocumentError(f"{where} {problem}" if where else problem, is_unknown_key=kind in _UNKNOWN)


def _where(location: Sequence[str | int], document: Any) -> str:
    """``groups[2] 'hat', classes[0] 'red', text``, for tables in lists are known by their names."""
    parts: list[str] = []
    for key in location:
        document = _below(document, key)
        if isinstance(key, str):
            parts.append(key)
            continue
        names = (document.get("name"), document.get("value")) if isinstance(document, Mapping) else ()
        name = next((f" {name!r}" for name in names if isinstance(name, str)), "")
        parts.append(f"{parts.pop() if parts else ''}[{key}]{name}")
    return ", ".join(parts)


def _below(document: Any, key: str | int) -> Any:
    try:
        return document[key]
    except (KeyError, IndexError, TypeError):
        return None
