"""Whether the files are the table that run.json says, and who reads it otherwise.

A defect is wrong whoever reads. A note is a tool's own way: what it reads otherwise unless it is told, or slowly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from par_model import storage
from par_model.catalogs.finding import Level, TableFinding
from par_model.catalogs.finished_table import Layout
from par_model.catalogs.readers import READERS, Reader, with_pyarrow
from par_model.catalogs.row_digest import ID, RowDigest, Values, digests_by, is_text, surplus_id
from par_model.catalogs.survey import survey_table
from par_model.runs.output import Output
from par_model.table.registrations import named_by_catalogs
from par_model.wording import counted, typed_line

_TINY_BYTES = 2**20
_MANY_FILES = 16


@dataclass(frozen=True)
class CheckedTable:
    """tracklets, files: of run.json. findings: all."""

    tracklets: int
    files: int
    findings: tuple[TableFinding, ...]


def check_table(uri: str) -> CheckedTable:
    """Look at the table of OUT. Reads all footers and ids, and in each tool the ids and the columns of the folders.

    What a tool gives is held as it gives it: ids and folders' values of all rows, by one tool at a time.

    Raises OutputError where no run is finished, StorageError where the folder cannot be listed.
    """
    found = survey_table(uri)
    layout = found.layout
    findings = [*_beside(layout, found.listed), *found.findings]
    if layout.files:
        findings += _tiny(layout)
        for name, reader in READERS.items():
            findings += _as_read(layout, found.digests, name, reader)
    return CheckedTable(layout.tracklets, found.files, tuple(findings))


def _as_read(layout: Layout, held: Sequence[RowDigest], name: str, reader: Reader) -> Iterator[TableFinding]:
    if find_spec(name) is None:
        yield TableFinding("note", "not-installed", name, "is not installed, so it was not tried")
        return
    for told in (False, True):
        level: Level = "defect" if told else "note"
        for code, message in _differences(layout, held, reader, told):
            yield TableFinding(level, code, name, message)


def _beside(layout: Layout, known: frozenset[str]) -> Iterator[TableFinding]:
    """Files that readers of the folder take for the table's. known: URIs of those that are."""
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
        level: Level = "note" if layout.registrations else "defect"
        yield TableFinding(level, "file-surplus", None, f"{message}: a pattern over the folder reads its rows too")


def _tiny(layout: Layout) -> Iterator[TableFinding]:
    mean = sum(file.size for file in layout.files) / len(layout.files)
    if len(layout.files) > _MANY_FILES and mean < _TINY_BYTES:
        message = (
            f"{len(layout.files)} files of {mean / 1024:.0f} KiB on average, each of which every query opens: "
            f"partition by a column with fewer values, or by none"
        )
        yield TableFinding("note", "tiny-files", None, message)


def _differences(layout: Layout, held: Sequence[RowDigest], reader: Reader, told: bool) -> Iterator[tuple[str, str]]:
    """What a tool reads otherwise than the files' names and rows say. held: digests of the files' rows."""
    folders = layout.partitions.names
    way = "told of the folders, " if told else ""
    try:
        table = _plain(reader(layout, [*folders, ID], told))
    except Exception as error:  # noqa: BLE001  # whatever a tool raises is what there is to say of it
        yield "unreadable", f"{way}raises {typed_line(error, 200)}"
        return
    total = sum(held, RowDigest())
    if len(table) != total.rows:
        yield "rows", f"{way}reads {counted(len(table), 'row')} of {total.rows}"
        return
    got = digests_by(table, folders)
    if sum(got.values(), RowDigest()) != total:
        stranger = surplus_id(table, with_pyarrow(replace(layout, is_whole=False), [ID], True))
        yield "ids", f"{way}reads {total.rows} rows, but not those of the files: {stranger} is one too many"
        return
    values = [file.values for file in layout.files]
    wanted, got = _added(zip(values, held, strict=True), told), _added(got.items(), told)
    for code, message in _other_values(layout, wanted, got, table.schema, told):
        yield code, f"{way}{message}"
    if wanted != got and all(_counts(wanted, at) == _counts(got, at) for at in range(len(folders))):
        one = next(one for one in wanted if wanted[one] != got.get(one))
        place = ", ".join(f"{name} {value}" for name, value in zip(folders, one, strict=True))
        yield "ids", f"{way}reads other tracklets with {place} than lie in its folder"


def _added(found: Iterable[tuple[Values, RowDigest]], told: bool) -> dict[Values, RowDigest]:
    """Digests by the values of folders; by their text where no tool was told of types."""
    added: dict[Values, RowDigest] = {}
    for values, digest in found:
        key = values if told else tuple(map(_as_text, values))
        if digest.rows:
            added[key] = added.get(key, RowDigest()) + digest
    return added


def _other_values(
    layout: Layout, wanted: Mapping[Values, RowDigest], got: Mapping[Values, RowDigest], schema: pa.Schema, told: bool
) -> Iterator[tuple[str, str]]:
    """Columns of folders that have other values, or another type, than the folders say."""
    for position, field in enumerate(layout.partitions):
        kind = schema.field(field.name).type
        of_wanted, of_got = _counts(wanted, position), _counts(got, position)
        if of_wanted != of_got:
            yield _difference_of(field.name, kind, of_wanted, of_got)
        elif not told and kind != field.type and not (is_text(kind) and is_text(field.type)):
            yield "hive-type", f"reads {field.name} as {kind}, not {field.type}"


def _counts(found: Mapping[Values, RowDigest], position: int) -> Counter[Any]:
    """Rows by the value of one column."""
    counts = Counter[Any]()
    for values, digest in found.items():
        counts[values[position]] += digest.rows
    return counts


def _difference_of(name: str, kind: pa.DataType, wanted: Counter[Any], got: Counter[Any]) -> tuple[str, str]:
    if wanted[None] != got[None]:
        return "null-folder", f"reads {counted(got[None], 'null')} in {name} instead of {wanted[None]}"
    lost, found = wanted - got, got - wanted
    return "hive-type", f"reads {name} as {kind}: {min(map(str, lost))!r} becomes {min(map(str, found))!r}"


def _as_text(value: Any) -> str | None:
    from par_model.table.writer import folder_value

    return None if value is None else unquote(folder_value(value))


def _plain(table: pa.Table) -> pa.Table:
    """The same values without dictionaries."""
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema([field.with_type(kind) for field, kind in zip(table.schema, kinds, strict=True)]))
