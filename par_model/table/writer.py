"""The files of the attribute table: a few large ones, or Hive folders of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from par_model import storage
from par_model.errors import UsageError

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"

_NAME_BYTES = 255
_FILE_BYTES = 256 * 2**20  # in memory; about half of it on disk
_BUFFERED_BYTES = 768 * 2**20  # over all partitions
_ROW_GROUP_ROWS = 65_536


@dataclass
class _Folder:
    tables: list[pa.Table] = field(default_factory=list)
    nbytes: int = 0
    files: int = 0


class TableWriter:
    """Writes rows below ``folder`` in the order in which they come; every file appears whole.

    partition_by: columns that become folders (``camera_id=3``) and leave the files. keep: files of the table that stay
    as they are; new ones are numbered after them.
    """

    def __init__(
        self, folder: str, schema: pa.Schema, partition_by: Sequence[str] = (), keep: Sequence[str] = ()
    ) -> None:
        self._folder = folder
        self._partition_by = tuple(partition_by)
        self._schema = pa.schema([f for f in schema if f.name not in self._partition_by])
        self._keep = frozenset(keep)
        self._open: dict[str, _Folder] = {}
        self.files: list[str] = []

    def write(self, rows: pa.Table) -> None:
        """Add rows of the whole table schema."""
        for folder, part in self._split(rows):
            waiting = self._open.setdefault(folder, _Folder(files=self._kept_in(folder)))
            waiting.tables.append(part)
            waiting.nbytes += part.nbytes
            if waiting.nbytes >= _FILE_BYTES:
                self._flush(folder)
        while sum(f.nbytes for f in self._open.values()) > _BUFFERED_BYTES:
            self._flush(max(self._open, key=lambda name: self._open[name].nbytes))

    def close(self) -> None:
        """Write what is left, and remove files that an earlier, interrupted writing left. A table without rows is one
        file without rows, so that readers find its schema."""
        if not self._open and not self._keep:
            self._open[""] = _Folder([self._schema.empty_table()])
        for folder in sorted(self._open):
            self._flush(folder)
        written = self._keep | set(self.files)
        for file in storage.list_files(self._folder):
            if file.uri not in written:
                storage.remove(file.uri)

    def _split(self, rows: pa.Table) -> list[tuple[str, pa.Table]]:
        if not self._partition_by:
            return [("", rows)]
        keys = rows.select(list(self._partition_by))
        distinct = keys.group_by(keys.column_names, use_threads=False).aggregate([])
        parts = []
        for key in distinct.to_pylist():
            mask = None
            for name, value in key.items():
                column = rows[name]
                here = pc.is_null(column) if value is None else pc.equal(column, pa.scalar(value, column.type))
                mask = here if mask is None else pc.and_(mask, here)
            part = rows.filter(pc.fill_null(mask, False)).select(self._schema.names)
            parts.append(("/".join(f"{name}={folder_value(value)}" for name, value in key.items()), part))
        return parts

    def _kept_in(self, folder: str) -> int:
        """How many numbers are taken by files that stay."""
        place = storage.join(self._folder, folder)
        names = [storage.name(uri) for uri in self._keep if storage.parent(uri) == place]
        return 1 + max((int(n.removeprefix("part-").removesuffix(".parquet")) for n in names), default=-1)

    def _flush(self, folder: str) -> None:
        waiting = self._open[folder]
        if not waiting.tables:
            return
        uri = storage.join(self._folder, folder, f"part-{waiting.files:05d}.parquet")
        write_file(uri, pa.concat_tables(waiting.tables))
        self.files.append(uri)
        waiting.tables, waiting.nbytes, waiting.files = [], 0, waiting.files + 1


def write_file(uri: str, rows: pa.Table) -> None:
    """One file of the table, in the place of what is there; a reader sees the old file or the new one."""
    with storage.atomic_writer(uri) as file:
        pq.write_table(rows, file, compression="zstd", row_group_size=_ROW_GROUP_ROWS)


def check_folder_value(column: str, value: object) -> None:
    """Raise UsageError for a value that no folder can be named after so that it reads back the same."""
    if value == NULL_FOLDER:
        raise UsageError(f"--partition-by {column}: a row has the value {NULL_FOLDER!r}, which readers take for null")
    name = f"{quote(column, safe='')}={folder_value(value)}"
    if len(name) > _NAME_BYTES:
        raise UsageError(
            f"--partition-by {column}: the folder of the value {str(value)[:40]!r}... would have a name of {len(name)} "
            f"bytes, and file systems take {_NAME_BYTES}: partition by another column"
        )


def folder_value(value: object) -> str:
    """A partition's value as Hive writes it: URL-encoded text, ``true``/``false``, ISO dates; null by its own name."""
    if value is None:
        return NULL_FOLDER
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return quote(text, safe="")
