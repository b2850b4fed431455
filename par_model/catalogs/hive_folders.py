"""How Spark and Athena come to know the folders of a table: by their own search, or by a list of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

from par_model import storage
from par_model.catalogs.finished_table import Layout
from par_model.catalogs.sql_types import SqlTypes

# Of a statement: Athena takes 262,144 bytes, https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
_STATEMENT_BYTES = 200_000


def find_folders(
    layout: Layout, location: str, table: str, literal: Callable[[Any, str, SqlTypes], str] | None, types: SqlTypes
) -> str:
    """The statement after which the table has its folders: the engine's own search, or a list of them. literal: a value
    in the list; None for the search."""
    if not len(layout.partitions):
        return ""
    if literal is None:
        return f"MSCK REPAIR TABLE {table};\n"
    folders: dict[str, None] = {}  # each once, in order
    for file, place in zip(layout.files, files_at(layout, location), strict=True):
        named = zip(layout.partitions.names, file.values, _texts(file.name), strict=True)
        folder = place.rpartition("/")[0]
        values = [f"{types.name(name)} = {literal(value, text, types)}" for name, value, text in named]
        folders[f"PARTITION ({', '.join(values)}) LOCATION {types.text(folder)}"] = None
    statements, size = [], _STATEMENT_BYTES
    for told in folders:
        size += len(told.encode())
        if size > _STATEMENT_BYTES:
            statements.append(f"ALTER TABLE {table} ADD IF NOT EXISTS")
            size = len(told.encode())
        statements[-1] += f"\n  {told}"
    return "".join(f"{one};\n" for one in statements)


def all_texts(layout: Layout) -> Iterator[str]:
    """What each folder is named after, decoded."""
    return (text for file in layout.files for text in _texts(file.name))


def _texts(name: str) -> list[str]:
    """What a file's folders are named after, outermost first."""
    return [unquote(part.partition("=")[2]) for part in name.split("/")[1:-1]]


def spark_value(value: Any, text: str, types: SqlTypes) -> str:
    """A partition's value as a literal; it has no literal of a text for null."""
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f"timestamp{types.text(value.isoformat(' '))}"
    if isinstance(value, date):
        return f"date{types.text(text)}"
    return types.text(text) if isinstance(value, str) else text


def hive_value(value: Any, text: str, types: SqlTypes) -> str:
    """A partition's value as Hive's catalogs hold it: text, read as the column's type. A time has no offset."""
    return types.text(value.replace(tzinfo=None).isoformat(" ") if isinstance(value, datetime) else text)


def files_at(layout: Layout, location: str) -> list[str]:
    """The files as an engine sees them that sees the table's folder at ``location``."""
    return [storage.join(location, file.uri.removeprefix(layout.folder).lstrip("/")) for file in layout.files]
