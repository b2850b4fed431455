"""A finished table as an engine has to be told of it: its files, what is in them, and what their folders say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage, times
from par_model.errors import OutputError
from par_model.runs.output import Output
from par_model.table.read import FOLDER, finished_run, readable, run_files
from par_model.table.registrations import Registration, read_registrations
from par_model.table.writer import NULL_FOLDER

_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]")
_DATES = {"date32[day]": pa.date32(), "date64[ms]": pa.date64()}


@dataclass(frozen=True)
class TableFile:
    """One Parquet file of the table. name: below OUT, as in run.json. size: in bytes. values: what its folders say, as
    Python values of the partition columns' types, in their order; times with a zone in UTC, None for null."""

    name: str
    uri: str
    size: int
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Layout:
    """output: the absolute URI of OUT. run_id, tracklets: of the run that wrote the table last. schema: of every file.
    partitions: the columns that are folders, outermost first. registrations: by catalog. is_whole: whether ``files``
    are all that run.json lists."""

    output: str
    run_id: str
    tracklets: int
    schema: pa.Schema
    partitions: pa.Schema
    files: tuple[TableFile, ...]
    registrations: dict[str, Registration]
    is_whole: bool = True

    @classmethod
    def of(cls, uri: str) -> Layout:
        """The table of a finished run, with one listing and the footer of one file.

        Raises OutputError where no run is finished, or where a file of it is missing or damaged; StorageError.
        """
        record = recorded_table(uri)
        there = dict(zip(record["files"], run_files(uri, record), strict=True))
        if not there:
            raise OutputError(f"{uri} has a table without files: there is nothing to read")
        first = next(iter(there.values()))
        fs, path = storage.arrow_filesystem(first.uri)
        with readable(first.uri):
            schema = pq.read_schema(path, filesystem=fs).remove_metadata()
        return cls.made(uri, record, there, schema)

    @classmethod
    def made(cls, uri: str, record: dict[str, Any], there: Mapping[str, storage.FileInfo], schema: pa.Schema) -> Layout:
        """Of the files ``there``, by name. record: run.json, as ``recorded_table`` gives it. Raises OutputError."""
        output = Output(storage.canonical(uri))
        partitions = pa.schema([(name, partition_type(told)) for name, told in record["partitions"].items()])
        files = [TableFile(name, file.uri, file.size, _values(name, partitions)) for name, file in there.items()]
        return cls(
            output=output.place(),
            run_id=record["run_id"],
            tracklets=record["counts"]["tracklets"],
            schema=schema,
            partitions=partitions,
            files=tuple(files),
            registrations=read_registrations(output),
            is_whole=len(files) == len(record["files"]),
        )

    @property
    def is_listed(self) -> bool:
        """Whether a reader has to be told of the files one by one, since the folder may hold others beside them."""
        return bool(self.registrations) or not self.is_whole

    @property
    def folder(self) -> str:
        """URI of the folder that the files lie below."""
        return storage.join(self.output, FOLDER)

    def columns(self) -> Iterator[pa.Field]:
        """Of the whole table: those of the files, then those of the folders."""
        yield from self.schema
        yield from self.partitions


def recorded_table(uri: str) -> dict[str, Any]:
    """run.json of OUT, which lists the table's files. Raises OutputError where no run is finished, or one of a version
    that listed none."""
    record = finished_run(uri)
    if "files" not in record:
        raise OutputError(f"{uri} is of a version that recorded no files: run the job into another --output")
    return record


def partition_type(told: str) -> pa.DataType:
    """The Arrow type that run.json names for a partition column. Raises OutputError for one that is none."""
    if told in _DATES:
        return _DATES[told]
    if found := _TIMESTAMP.fullmatch(told):
        return pa.timestamp(found[1], found[2])
    try:
        return pa.type_for_alias(told)
    except ValueError as error:
        raise OutputError(
            f"run.json gives a partition column the type {told!r}, which this version does not know"
        ) from error


def _values(name: str, partitions: pa.Schema) -> tuple[Any, ...]:
    folders = dict(part.split("=", 1) for part in name.split("/") if "=" in part)
    values: list[Any] = []
    for field in partitions:
        text = folders.get(field.name)
        if text is None:
            raise OutputError(f"{name} lies in no folder of {field.name}: the table's files were moved")
        value = None if text == NULL_FOLDER else unquote(text)
        try:
            values += times.to_pylist(pa.array([value], pa.string()).cast(times.offset_type(field.type)))
        except pa.ArrowInvalid as error:
            raise OutputError(f"{name}: {text!r} is no {field.type}, which run.json says of {field.name}") from error
    return tuple(values)
