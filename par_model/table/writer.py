"""The files of the attribute table: a few large ones, or Hive folders of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from par_model import storage, times
from par_model.table.layout import ROW_GROUP_BYTES, ROW_GROUP_ROWS, sorted_by, table_file

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"

_THOUSANDTHS = re.compile(r"(\.\d{3})000(?!\d)")
_NAME_BYTES = 255
# The number, a further one where a folder has several of that number, and the job that wrote it anew for a catalog.
_FILE_NAME = re.compile(r"part-(?P<number>\d+)(?:_\d+)?(?:-(?P<job>[0-9a-f]+))?\.parquet")
FILE_BYTES = 256 * 2**20  # in memory; about half of it on disk
_BUFFERED_BYTES = 256 * 2**20  # over all partitions
_OPEN_FILES = 16


@dataclass
class _Folder:
    """waiting: results for the next row group. written: bytes of the open file."""

    waiting: list[pa.Table] = field(default_factory=list)
    nbytes: int = 0
    rows: int = 0
    files: int = 0
    written: int = 0


class TableWriter:
    """Writes results below ``folder`` in the order given; every file appears whole, or not at all where the
    ``with`` block ends with an exception.

    partition_by: columns that become folders (``camera_id=3``) and leave the files. before: asked before each write, as
    in ``storage.atomic_writer``. number: what files are called by; where a folder comes to have several, those after
    the first have a number of their own behind it. sort_by: columns by which the rows of each file are sorted, null
    last, those that are alike in the order given; none of ``partition_by``. files: those that were begun so far.
    """

    def __init__(
        self,
        folder: str,
        schema: pa.Schema,
        partition_by: Sequence[str] = (),
        before: storage.Before | None = None,
        number: int = 0,
        sort_by: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._partition_by = tuple(partition_by)
        self._schema = pa.schema([f for f in schema if f.name not in self._partition_by])
        self._before = before
        self._number = number
        self._sort_by = tuple(sort_by)
        self._folders: dict[str, _Folder] = {}
        self._open: dict[str, tuple[ExitStack, pq.ParquetWriter]] = {}  # the one written to last comes last
        self.files: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._cut_off(error)
            return
        try:
            self._finish()
        except BaseException as late:
            self._cut_off(late)
            raise

    def _cut_off(self, error: BaseException) -> None:
        """Files that are not whole do not appear."""
        for stack, _ in self._open.values():
            with suppress(Exception):  # of a writer that is cut off; the first error is the one to tell
                stack.__exit__(type(error), error, error.__traceback__)

    def write(self, rows: pa.Table) -> None:
        """Add results of the whole table schema."""
        for name, part in self._split(rows):
            folder = self._folders.setdefault(name, _Folder())
            folder.waiting.append(part)
            folder.nbytes += part.nbytes
            folder.rows += len(part)
            if self._is_enough(folder):
                self._flush(name)
        while sum(f.nbytes for f in self._folders.values()) > _BUFFERED_BYTES:
            self._flush(max(self._folders, key=lambda name: self._folders[name].nbytes))

    def _is_enough(self, folder: _Folder) -> bool:
        """For a row group; where rows are sorted, for a file."""
        if self._sort_by:
            return folder.nbytes >= FILE_BYTES
        return folder.rows >= ROW_GROUP_ROWS or folder.nbytes >= ROW_GROUP_BYTES

    def _finish(self) -> None:
        for name in sorted(self._folders):
            self._flush(name)
            if name in self._open:
                self._close(name)

    def _split(self, rows: pa.Table) -> list[tuple[str, pa.Table]]:
        if not self._partition_by:
            return [("", rows)]
        keys = rows.select(list(self._partition_by))
        distinct = keys.group_by(keys.column_names, use_threads=False).aggregate([])
        parts = []
        for at, key in enumerate(times.to_pylist(distinct)):
            mask = None
            for name, value in key.items():
                here = pc.is_null(rows[name]) if value is None else pc.equal(rows[name], distinct[name][at])
                mask = here if mask is None else pc.and_(mask, here)
            part = rows.filter(pc.fill_null(mask, False)).select(self._schema.names)
            parts.append(("/".join(f"{name}={folder_value(value)}" for name, value in key.items()), part))
        return parts

    def _flush(self, name: str) -> None:
        """What waits becomes a row group of the folder's open file; where rows are sorted, a file."""
        folder = self._folders[name]
        if not folder.waiting:
            return
        rows = pa.concat_tables(folder.waiting)
        if self._sort_by:
            rows = rows.take(pc.sort_indices(rows, [(column, "ascending") for column in self._sort_by]))
        stack, writer = self._open.pop(name) if name in self._open else self._begin(name)
        self._open[name] = stack, writer
        groups = max(-(-len(rows) // ROW_GROUP_ROWS), round(rows.nbytes / ROW_GROUP_BYTES))
        writer.write_table(rows, row_group_size=-(-len(rows) // groups))
        folder.written += folder.nbytes
        folder.waiting, folder.nbytes, folder.rows = [], 0, 0
        if self._sort_by or folder.written >= FILE_BYTES:
            self._close(name)
        elif len(self._open) > _OPEN_FILES:
            self._close(next(iter(self._open)))

    def _begin(self, name: str) -> tuple[ExitStack, pq.ParquetWriter]:
        folder = self._folders[name]
        # In name order they are in the rows' order: "." comes before "_".
        more = f"_{folder.files:03d}" if folder.files else ""
        uri = storage.join(self._folder, name, f"part-{self._number:05d}{more}.parquet")
        folder.files += 1
        folder.written = 0
        self.files.append(uri)
        stack = ExitStack()
        file = stack.enter_context(storage.atomic_writer(uri, self._before))
        return stack, stack.enter_context(table_file(file, self._schema, self._sort_by))

    def _close(self, name: str) -> None:
        stack, _ = self._open.pop(name)
        stack.close()


def first_free_number(files: Sequence[str]) -> int:
    """The lowest number that no file of a table, in any folder, has, nor one above it."""
    return 1 + max((named[0] for uri in files if (named := number_and_job(uri))), default=-1)


def number_and_job(uri: str) -> tuple[int, str] | None:
    """A file's number, and the job that wrote it anew for a catalog, or an empty text; None where it has another name
    than a table's files have."""
    found = _FILE_NAME.fullmatch(storage.name(uri))
    return None if found is None else (int(found["number"]), found["job"] or "")


def named_anew(uri: str, job_id: str) -> str:
    """What a file of the table is called once a job has written it anew without touching it."""
    stem = storage.name(uri).removesuffix(".parquet").partition("-")[2].partition("-")[0]
    return storage.join(storage.parent(uri), f"part-{stem}-{job_id[:12]}.parquet")


def remove_others(folder: str, files: Iterable[str], before: storage.Before) -> None:
    """Remove what lies below a table's folder beside its ``files``: what an interrupted writing left."""
    written = set(files)
    for file in storage.list_files(folder):
        if file.uri not in written:
            before()
            storage.remove(file.uri)


def remove_partial(folder: str, before: storage.Before) -> None:
    """Remove what killed writers left below a local folder, where it may be removed."""
    with suppress(storage.PlaceError):
        for file in storage.list_files(folder) if storage.is_local(folder) else ():
            if storage.name(file.uri).startswith(storage.PARTIAL):
                before()
                storage.remove(file.uri)


@contextmanager
def replacing(old: pq.ParquetFile, uri: str, before: storage.Before | None = None) -> Iterator[pq.ParquetWriter]:
    """A writer of one file of the table, laid out as ``old``, which is what is there; a reader sees the old file or the
    new one."""
    with storage.atomic_writer(uri, before) as file, table_file(file, old.schema_arrow, sorted_by(old)) as writer:
        yield writer


def folder_problem(column: str, value: object) -> str | None:
    """Why no folder can be named after a value so that every reader finds it again; None if one can."""
    if value == NULL_FOLDER:
        return f"has the value {NULL_FOLDER!r}, which readers take for null"
    if value == "":
        return "has an empty value, and Spark reads no table with an empty folder name: write null, or a text"
    name = f"{column}={folder_value(value)}"
    if len(name) > _NAME_BYTES:
        return (
            f"has the value {str(value)[:40]!r}..., whose folder would have a name of {len(name)} bytes, and file "
            f"systems take {_NAME_BYTES}: partition by another column"
        )
    return None


def folder_value(value: object) -> str:
    """A partition's value as Hive writes it: URL-encoded text, ``true``/``false``, ISO dates; null by its own name."""
    if value is None:
        return NULL_FOLDER
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, datetime):
        text = _THOUSANDTHS.sub(r"\1", text)  # Arrow takes no more digits than the type has
    return quote(text, safe="")
