"""What the table's files are, each read by itself: whether it is there, its columns, its ids.

A file that is missing or damaged is a finding, and the rest is looked at without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from par_model import storage
from par_model.catalogs.finding import TableFinding
from par_model.catalogs.finished_table import Layout, recorded_table
from par_model.catalogs.row_digest import ID, RowDigest, id_hashes, is_text
from par_model.errors import OutputError, ParError
from par_model.table.read import listed_files
from par_model.wording import counted, one_line

_RESTORE = "restore it, or run the job into another --output"


@dataclass(frozen=True)
class TableSurvey:
    """layout: of the files that can be read, with the columns of the first of them. digests: of the rows of each.
    files: how many run.json lists. listed: URIs of those of them that are there. findings: what is wrong with files."""

    files: int
    layout: Layout
    digests: tuple[RowDigest, ...]
    listed: frozenset[str]
    findings: tuple[TableFinding, ...]


@dataclass(frozen=True)
class _FileRead:
    """What was read of one file. hashes: of its ids."""

    schema: pa.Schema
    hashes: NDArray[np.uint64]


def survey_table(uri: str) -> TableSurvey:
    """Look at every file of the table of OUT, its footer and ids, and hold 8 bytes a row of them.

    Raises OutputError where no run is finished, StorageError where the folder cannot be listed.
    """
    record = recorded_table(uri)
    listed = listed_files(uri, record)
    read: dict[str, _FileRead] = {}
    findings = []
    for name, file in listed.items():
        if file is None:
            findings.append(_defect("file-missing", f"{name} is missing, and run.json lists it: {_RESTORE}"))
            continue
        try:
            read[name] = _read(file.uri)
        except (ParError, pa.ArrowException) as error:
            findings.append(_defect("file-damaged", f"{name} cannot be read: {one_line(error, 200)}; {_RESTORE}"))
    there = {name: file for name, file in listed.items() if file is not None}
    first = next((one.schema for one in read.values()), pa.schema([]))
    layout = Layout.made(uri, record, {name: there[name] for name in read}, first)
    findings += _other_columns(read)
    if layout.is_whole:
        findings += _other_count(read, layout)
    findings += _ids_twice(read, layout)
    digests = tuple(RowDigest.of(one.hashes) for one in read.values())
    return TableSurvey(len(listed), layout, digests, frozenset(file.uri for file in there.values()), tuple(findings))


def _read(uri: str) -> _FileRead:
    """Raises ParError, ArrowException."""
    fs, path = storage.arrow_filesystem(uri)
    with storage.guard(uri, "read"), pq.ParquetFile(path, filesystem=fs) as opened:
        schema = opened.schema_arrow.remove_metadata()
        if ID not in schema.names:
            raise OutputError(f"it has no column {ID}")
        if not is_text(kind := schema.field(ID).type):
            raise OutputError(f"its column {ID} is {kind}, not string")
        return _FileRead(schema, id_hashes(opened.read([ID])))


def _other_columns(read: Mapping[str, _FileRead]) -> Iterator[TableFinding]:
    files = iter(read.items())
    first = next(files, None)
    for name, one in files:
        if first is not None and one.schema != first[1].schema:
            other = _other(one.schema, first[1].schema)
            yield _defect("schema-differs", f"{name} has other columns or types than {first[0]}: {other}; {_RESTORE}")


def _other(one: pa.Schema, other: pa.Schema) -> str:
    """The first column that two schemas do not share."""
    different = [field for field in [*one, *other] if field not in one or field not in other]
    return different[0].name if different else "their order"


def _other_count(read: Mapping[str, _FileRead], layout: Layout) -> Iterator[TableFinding]:
    rows = sum(len(one.hashes) for one in read.values())
    if rows != layout.tracklets:
        message = f"the files have {counted(rows, 'row')}, run.json says {layout.tracklets}"
        yield _defect("row-count", f"{message}: restore what was changed, or run the job into another --output")


def _ids_twice(read: Mapping[str, _FileRead], layout: Layout) -> Iterator[TableFinding]:
    """Every tracklet has one row, so an id in two of them is of a file that is a copy of another."""
    every = np.sort(np.concatenate([np.empty(0, np.uint64), *(one.hashes for one in read.values())]))
    again = np.unique(every[1:][every[1:] == every[:-1]])
    if not len(again):
        return
    places: dict[str, list[str]] = {}
    for file, one in zip(layout.files, read.values(), strict=True):
        if again[0] in one.hashes:
            ids = _ids(file.uri).to_pylist()
            for at in np.flatnonzero(one.hashes == again[0]):
                places.setdefault(str(ids[at]), []).append(file.name)
    name, files = max(places.items(), key=lambda place: len(place[1]))
    message = f"{counted(len(again), 'tracklet_id')} in more rows than one, as {name} in {' and in '.join(files[:2])}"
    yield _defect("id-twice", f"{message}: one of them is not as the job wrote it; {_RESTORE}")


def _ids(uri: str) -> pa.ChunkedArray:
    fs, path = storage.arrow_filesystem(uri)
    with storage.guard(uri, "read"), pq.ParquetFile(path, filesystem=fs) as opened:
        return opened.read([ID])[ID]


def _defect(code: str, message: str) -> TableFinding:
    return TableFinding("defect", code, None, message)
