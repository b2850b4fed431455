"""Whether the files are the table that run.json says, and who reads it otherwise.

A defect is wrong whoever reads. A note is a tool's own way: what it reads otherwise unless it is told, or slowly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage, times
from par_model.catalogs.layout import Layout
from par_model.catalogs.readers import READERS, Reader
from par_model.errors import ParError
from par_model.runs.output import Output
from par_model.table.registrations import named_by_catalogs
from par_model.wording import counted

_TINY_BYTES = 2**20
_MANY_FILES = 16

Values = tuple[Any, ...]


@dataclass(frozen=True)
class TableFinding:
    """One thing that was found. reader: the tool that reads so; None where it is so for all."""

    level: Literal["defect", "note"]
    code: str
    reader: str | None
    message: str


def check_table(layout: Layout) -> Iterator[TableFinding]:
    """Every finding. Reads all footers, and in each tool the columns of the folders and one more, of all rows."""
    yield from _beside(layout)
    rows: list[int] = []
    damaged = False
    for file in layout.files:
        fs, path = storage.arrow_filesystem(file.uri)
        try:
            with storage.guard(file.uri, "read"), pq.ParquetFile(path, filesystem=fs) as opened:
                rows.append(opened.metadata.num_rows)
                schema = opened.schema_arrow.remove_metadata()
        except (ParError, pa.ArrowException) as error:
            damaged = True
            yield TableFinding("defect", "file-damaged", None, f"{file.name} cannot be read: {_line(error)}")
            continue
        if schema != layout.schema:
            message = f"{file.name} has other columns or types than the first file: {_other(schema, layout.schema)}"
            yield TableFinding("defect", "schema-differs", None, message)
    if damaged:
        return
    if sum(rows) != layout.tracklets:
        message = f"the files have {counted(sum(rows), 'row')}, run.json says {layout.tracklets}"
        yield TableFinding("defect", "row-count", None, message)
    yield from _tiny(layout)
    for name, reader in READERS.items():
        if find_spec(name) is None:
            yield TableFinding("note", "not-installed", name, "is not installed, so it was not tried")
            continue
        for told in (False, True):
            level: Literal["defect", "note"] = "defect" if told else "note"
            for code, message in _differences(layout, rows, reader, told):
                yield TableFinding(level, code, name, message)


def _beside(layout: Layout) -> Iterator[TableFinding]:
    """Files that readers of the folder take for the table's."""
    known = {file.uri for file in layout.files}
    named = named_by_catalogs(Output(layout.output)) or frozenset()
    found = []
    for file in storage.list_files(layout.folder):
        below = file.uri.removeprefix(layout.folder).strip("/")
        if file.uri not in known and not any(part.startswith(("_", ".")) for part in below.split("/")):
            found.append((file.uri, below))
    earlier = [below for uri, below in found if uri in named]
    surplus = [below for uri, below in found if uri not in named]
    if earlier:
        message = (
            f"{counted(len(earlier), 'file')} of earlier runs, as {earlier[0]}, are kept for catalogs: a pattern over "
            f"the folder reads their rows too"
        )
        yield TableFinding("note", "earlier-runs", None, message)
    if surplus:
        # What a retry wrote that was not registered goes with the next run.
        message = f"{surplus[0]} is no file of the run" + (f", nor are {len(surplus) - 1} more" if surplus[1:] else "")
        level: Literal["defect", "note"] = "note" if layout.registrations else "defect"
        yield TableFinding(level, "file-surplus", None, f"{message}: a pattern over the folder reads its rows too")


def _tiny(layout: Layout) -> Iterator[TableFinding]:
    mean = sum(file.size for file in layout.files) / len(layout.files)
    if len(layout.files) > _MANY_FILES and mean < _TINY_BYTES:
        message = (
            f"{len(layout.files)} files of {mean / 1024:.0f} KiB on average, each of which every query opens: "
            f"partition by a column with fewer values, or by none"
        )
        yield TableFinding("note", "tiny-files", None, message)


def _differences(layout: Layout, rows: list[int], reader: Reader, told: bool) -> Iterator[tuple[str, str]]:
    """What a tool reads otherwise than the files' names and footers say."""
    folders = layout.partitions.names
    other = next(name for name in (*("status",) * ("status" in layout.schema.names), *layout.schema.names))
    way = "told of the folders, " if told else ""
    try:
        table = reader(layout, [*folders, other], told)
    except Exception as error:  # noqa: BLE001  # whatever a tool raises is what there is to say of it
        yield "unreadable", f"{way}raises {type(error).__name__}: {_line(error)}"
        return
    if len(table) != sum(rows):
        yield "rows", f"{way}reads {counted(len(table), 'row')} of {sum(rows)}"
        return
    for position, field in enumerate(layout.partitions):
        column = _plain(table[field.name])
        wanted = Counter[Any]()
        for file, count in zip(layout.files, rows, strict=True):
            value = file.values[position]
            wanted[value if told else _as_text(value)] += count
        got = Counter[Any]()
        for one in times.to_pylist(column.value_counts()) if len(column) else []:
            got[one["values"] if told else _as_text(one["values"])] += one["counts"]
        if wanted != got:
            yield _difference_of(field.name, column.type, wanted, got, way)
        elif not told and column.type != field.type and not _same_text(column.type, field.type):
            yield "hive-type", f"reads {field.name} as {column.type}, not {field.type}"


def _difference_of(name: str, kind: pa.DataType, wanted: Counter[Any], got: Counter[Any], way: str) -> tuple[str, str]:
    if wanted[None] != got[None]:
        return "null-folder", f"{way}reads {counted(got[None], 'null')} in {name} instead of {wanted[None]}"
    lost, found = wanted - got, got - wanted
    return "hive-type", f"{way}reads {name} as {kind}: {min(map(str, lost))!r} becomes {min(map(str, found))!r}"


def _as_text(value: Any) -> str | None:
    from par_model.table.writer import folder_value

    return None if value is None else unquote(folder_value(value))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _same_text(one: pa.DataType, other: pa.DataType) -> bool:
    def text(kind: pa.DataType) -> bool:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

    return text(one) and text(other)


def _other(one: pa.Schema, other: pa.Schema) -> str:
    """The first column that two schemas do not share."""
    different = [field for field in [*one, *other] if field not in one or field not in other]
    return different[0].name if different else "their order"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
