"""Statements that make a table, or a view, of the attribute table in an engine that reads it where it lies."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa

from par_model import storage
from par_model.catalogs import sql_types
from par_model.catalogs.clickhouse_files import of_the_run
from par_model.catalogs.finished_table import Layout
from par_model.catalogs.hive_folders import all_texts, files_at, find_folders, hive_value, spark_value
from par_model.catalogs.sql_types import SqlTypes
from par_model.errors import UsageError
from par_model.table.read import FOLDER
from par_model.table.writer import NULL_FOLDER

_log = logging.getLogger(__name__)
_TABLE_NAME = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")


@dataclass(frozen=True)
class SqlColumns:
    """Columns that an engine has a type for, as ``name type``, in order: of the files, then of the folders."""

    files: tuple[str, ...]
    folders: tuple[str, ...]

    @classmethod
    def of(cls, layout: Layout, types: SqlTypes, engine: str) -> SqlColumns:
        """Raises UsageError where a column that is a folder has no type; says which others are left out."""
        files = []
        for field in layout.schema:
            spelled = types.of(field.type)
            if spelled is None:
                _log.warning(f"the column {field.name} is {field.type}, which {engine} has no type for: it is left out")
            else:
                files.append(f"{types.name(field.name)} {spelled}")
        folders = [f"{types.name(field.name)} {_spelled(field, types, engine)}" for field in layout.partitions]
        return cls(tuple(files), tuple(folders))


def statement(layout: Layout, engine: str, name: str = FOLDER, location: str | None = None) -> str:
    """SQL that an engine of ``engines.ENGINES`` takes as it stands; several statements end in a semicolon each.

    name: of the table, maybe after those of its schema and catalog, with dots between. location: URI of the folder of
    the files as the engine sees it, if not as this process does.

    Raises UsageError where the engine cannot read the table from there.
    """
    if not _TABLE_NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: names without blanks, with dots between them")
    if layout.registrations and engine not in _BY_FILE:
        raise UsageError(
            f"--for {engine} reads all files below a folder, and {layout.output} keeps files of earlier runs, since it "
            f"is registered in {', '.join(layout.registrations)}: read it from there"
        )
    return _STATEMENTS[engine](layout, name.split("."), location or layout.folder)


def _duckdb(layout: Layout, name: list[str], location: str) -> str:
    types = sql_types.DUCKDB
    has_folders = len(layout.partitions) > 0
    source = types.text(f"{glob_escaped(location.rstrip('/'))}/{'**/' if has_folders else ''}*.parquet")
    if layout.registrations:
        files = [types.text(glob_escaped(place)) for place in files_at(layout, location)]
        source = f"[\n    {_lines(files, 4)}\n  ]"
    # Said in both cases: left to itself, DuckDB makes columns of whatever folders lie above the table.
    options = [source, f"hive_partitioning = {str(has_folders).lower()}"]
    selected = "*"
    if has_folders:
        if above := _folders_above(layout, location):
            selected = f"* EXCLUDE ({', '.join(map(types.name, above))})"
        told = [f"{types.text(field.name)}: {_spelled(field, types, 'duckdb')}" for field in layout.partitions]
        options.append(f"hive_types = {{{', '.join(told)}}}")
    made = f"CREATE OR REPLACE VIEW {_name(name, types)} AS\n"
    return f"{made}SELECT {selected} FROM read_parquet(\n  {_lines(options)}\n);\n"


def _folders_above(layout: Layout, location: str) -> list[str]:
    """What DuckDB makes columns of, beside the table's own: Hive folders in which the table's folder lies."""
    parts = [part.partition("=") for part in location.split("/")]
    names = list(dict.fromkeys(unquote(name) for name, sign, _ in parts if sign))
    lower = {field.name.lower() for field in layout.columns()}
    for name in names:
        if name.lower() in lower:
            raise UsageError(
                f"--for duckdb would read the column {name} from a folder above the table, {name}=... in {location}: "
                f"move the table, or give the --location of a copy"
            )
    return names


def glob_escaped(path: str) -> str:
    """A path as DuckDB's patterns spell it where it has a sign that means something in them."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _spark(layout: Layout, name: list[str], location: str) -> str:
    types = sql_types.SPARK
    columns = SqlColumns.of(layout, types, "spark")
    # A path alone is one of the cluster's default file system.
    place = f"file://{location}" if location.startswith("/") else re.sub(r"^s3://", "s3a://", location)
    # Spark wants all columns in one list, and only the names of those that are folders.
    by = (
        f"\nPARTITIONED BY ({', '.join(types.name(field.name) for field in layout.partitions)})"
        if columns.folders
        else ""
    )
    made = (
        f"CREATE TABLE {_name(name, types)} (\n  {_lines([*columns.files, *columns.folders])}\n)\n"
        f"USING parquet{_as_it_is(place)}{by}\nLOCATION {types.text(place)};\n"
    )
    # Spark takes the bytes of a letter outside ASCII for a letter each.
    is_found = all(text.isascii() for text in all_texts(layout))
    return made + find_folders(layout, place, _name(name, types), None if is_found else spark_value, types)


def _as_it_is(place: str) -> str:
    """Spark takes the place of a table without folders for a pattern, and has an option of its own against that."""
    return "\nOPTIONS ('__globPaths__' = 'false')" if re.search(r"[*?{}\[\]\\]", place) else ""


def _athena(layout: Layout, name: list[str], location: str) -> str:
    if not location.startswith("s3://"):
        raise UsageError(f"--for athena reads s3:// alone, not {location}: give --location s3://... of a copy")
    types = sql_types.ATHENA
    columns = SqlColumns.of(layout, types, "athena")
    by = f"PARTITIONED BY (\n  {_lines(columns.folders)}\n)\n" if columns.folders else ""
    made = (
        f"CREATE EXTERNAL TABLE {_name(name, types)} (\n  {_lines(columns.files)}\n)\n{by}"
        f"STORED AS PARQUET\nLOCATION {types.text(location.rstrip('/') + '/')};\n"
    )
    # Its search passes over values with a colon, and over names of columns in capitals:
    # https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html,
    # https://repost.aws/knowledge-center/athena-aws-glue-msck-repair-table
    is_found = all(text.isascii() and ":" not in text for text in all_texts(layout))
    is_found = is_found and all(name == name.lower() for name in layout.partitions.names)
    return made + find_folders(layout, location, _name(name, types), None if is_found else hive_value, types)


def _trino(layout: Layout, name: list[str], location: str) -> str:
    if storage.is_local(location):
        raise UsageError(f"--for trino reads object stores, not {location}: give --location s3://... of a copy")
    if len(name) != 3:
        raise UsageError("--for trino: --name takes catalog.schema.table, of a catalog of the Hive connector")
    for field in layout.partitions:
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            raise UsageError(
                f"--for trino: the folders of {field.name} are times with an offset, which the Hive connector takes "
                f"for no times: partition by another column, or register the table in Iceberg"
            )
    types = sql_types.TRINO
    columns = SqlColumns.of(layout, types, "trino")
    options = ["format = 'PARQUET'", f"external_location = {types.text(location.rstrip('/') + '/')}"]
    if columns.folders:
        options.append(f"partitioned_by = ARRAY[{', '.join(types.text(f.name) for f in layout.partitions)}]")
    made = f"CREATE TABLE {_name(name, types)} (\n  " + _lines([*columns.files, *columns.folders]) + "\n)\n"
    made += "WITH (\n  " + _lines(options) + "\n);\n"
    if columns.folders:
        call = f"{types.name(name[0])}.system.sync_partition_metadata"
        # Its columns are in small letters, and folders are compared with them letter by letter if not told otherwise.
        case = "" if all(name == name.lower() for name in layout.partitions.names) else ", false"
        made += f"CALL {call}({types.text(name[1])}, {types.text(name[2])}, 'FULL'{case});\n"
    return made


def _clickhouse(layout: Layout, name: list[str], location: str) -> str:
    types = sql_types.CLICKHOUSE
    columns = SqlColumns.of(layout, types, "clickhouse")
    if found := re.search(r"[*?{]", location):
        raise UsageError(
            f"--for clickhouse takes {found[0]} in {location} for a pattern, and has no other spelling of it: move the "
            f"table, or give the --location of a copy"
        )
    pattern = f"{location.rstrip('/')}/{'*/' * len(layout.partitions)}*.parquet"
    where = f"\nWHERE {of_the_run(layout, types)}" if layout.registrations else ""
    if storage.is_local(location):
        source = f"file({types.text(pattern)}, 'Parquet'"
    elif location.startswith(("s3://", "https://", "http://")):
        source = f"s3({types.text(pattern)}, 'Parquet'"
    else:
        raise UsageError(f"--for clickhouse reads local paths, s3:// and https://, not {location}: give --location")
    source += f", {types.text(', '.join(columns.files))})"
    listed = [types.name(field.name) for field in layout.schema if types.of(field.type) is not None]
    listed += [f"{_from_path(layout, at, types)} AS {types.name(f.name)}" for at, f in enumerate(layout.partitions)]
    # Read as Hive folders, `03` would be 3, the folder of null a text, and what is URL-encoded would stay so; folders
    # above the table would take the place of columns of the files.
    end = "\nSETTINGS use_hive_partitioning = 0"
    return (
        f"CREATE OR REPLACE VIEW {_name(name, types)} AS\nSELECT\n  "
        + _lines(listed)
        + f"\nFROM {source}{where}{end};\n"
    )


def _from_path(layout: Layout, at: int, types: SqlTypes) -> str:
    """What a file's folder of one partition column says; the table may lie in a folder of the same name itself."""
    folder = layout.partitions.field(at)
    below = "[^/]*/" * (len(layout.partitions) - at - 1)
    found = f"extract(_path, {types.text(f'/{re.escape(folder.name)}=([^/]*)/{below}[^/]*$')})"
    value = f"nullIf(decodeURLComponent({found}), {types.text(NULL_FOLDER)})"
    return f"CAST({value}, {types.text(_spelled(folder, types, 'clickhouse'))})"


def _bigquery(layout: Layout, name: list[str], location: str) -> str:
    if not location.startswith("gs://"):
        raise UsageError(f"--for bigquery reads gs:// alone, not {location}: give --location gs://... of a copy")
    types = sql_types.BIGQUERY
    columns = SqlColumns.of(layout, types, "bigquery")
    place = location.rstrip("/")
    options = ["format = 'PARQUET'", f"uris = [{types.text(f'{place}/*')}]", "enable_list_inference = true"]
    if columns.folders:
        options += [f"hive_partition_uri_prefix = {types.text(place)}", "require_hive_partition_filter = false"]
    by = "\nWITH PARTITION COLUMNS (\n  " + _lines(columns.folders) + "\n)" if columns.folders else ""
    return (
        f"CREATE OR REPLACE EXTERNAL TABLE {types.name('.'.join(name))} (\n  "
        + _lines(columns.files)
        + f"\n){by}\nOPTIONS (\n  "
        + _lines(options)
        + "\n);\n"
    )


def _spelled(folder: pa.Field, types: SqlTypes, engine: str) -> str:
    spelled = types.of(folder.type)
    if spelled is None:
        raise UsageError(f"--for {engine} has no type for {folder.type}, which the folders of {folder.name} are")
    return spelled


def _lines(items: Iterable[str], indent: int = 2) -> str:
    return f",\n{' ' * indent}".join(items)


def _name(parts: list[str], types: SqlTypes) -> str:
    return ".".join(types.name(part) for part in parts)


_STATEMENTS: Mapping[str, Callable[[Layout, list[str], str], str]] = {
    "duckdb": _duckdb,
    "spark": _spark,
    "athena": _athena,
    "trino": _trino,
    "clickhouse": _clickhouse,
    "bigquery": _bigquery,
}
_BY_FILE = ("duckdb", "clickhouse")
