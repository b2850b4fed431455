"""The table as an Iceberg table, by pyiceberg and the catalogs that its own configuration names.

Files are named where they lie. They have no field ids, so the table gets a name mapping; a column that is a folder is
in no file, so its value is put into each file's partition, from which readers take it
(https://iceberg.apache.org/spec/#column-projection). Several outputs may be in one table: each changes its own files.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from par_model import storage
from par_model.catalogs.finished_table import Layout, TableFile
from par_model.catalogs.held_types import held_type
from par_model.catalogs.register import READERS, Change, NamedFile, State
from par_model.errors import CatalogError, ConflictError, OutputError, StorageError, UsageError
from par_model.extras import needed
from par_model.wording import one_line, typed_line

with needed("iceberg", "Iceberg"):
    from pyiceberg.catalog import Catalog, load_catalog
    from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, ValidationException
    from pyiceberg.io import PY_IO_IMPL
    from pyiceberg.io.pyarrow import parquet_file_to_data_file
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, TableProperties, Transaction
    from pyiceberg.typedef import Record
    from pyiceberg.utils.datetime import date_to_days, datetime_to_micros

_RUN = "parjob.run-id"


@dataclass(frozen=True)
class Iceberg:
    """A table of a catalog. catalog: as pyiceberg's configuration names it. table: with its namespace."""

    catalog: str
    table: str

    @classmethod
    def named(cls, name: str) -> Iceberg:
        """From ``CATALOG.NAMESPACE.TABLE``; a namespace may have several parts. Raises UsageError."""
        catalog, _, table = name.partition(".")
        if not all([catalog, *table.split(".")]) or "." not in table:
            raise UsageError(f"--iceberg {name}: is CATALOG.NAMESPACE.TABLE")
        return cls(catalog, table)

    @property
    def name(self) -> str:
        """See ``register.Catalog``."""
        return f"iceberg:{self.catalog}.{self.table}"

    def look(self, layout: Layout) -> State:
        """See ``register.Catalog``."""
        with self._told():
            self._refuse_signs(layout)  # what can never be committed is refused before OUT records it
            _held(layout)
            table = _load(self._open(layout), self.table)
            if table is None:
                return State()
            self._refuse_moved(table, layout)
            self._refuse_other_folders(table, layout)
            files = tuple(_named(file, name) for file, name in _below(table, layout))
            return State(files, table.properties.get(_run_property(layout)))

    def commit(self, layout: Layout, change: Change, before: storage.Before) -> str:
        """See ``register.Catalog``."""
        with self._told():
            catalog = self._open(layout)
            table = _load(catalog, self.table)
            removed = set() if table is None else self._removed(table, layout, change)
            with self._begun(catalog, table, layout) as transaction:
                self._change(transaction, layout, change, removed)
                before()
            snapshot = catalog.load_table(self.table).current_snapshot()
            assert snapshot is not None  # of the commit
            return str(snapshot.snapshot_id)

    def _refuse_signs(self, layout: Layout) -> None:
        """Raise CatalogError where pyiceberg would take a part of the path for something else."""
        if found := re.search("[#?]", layout.output):
            raise CatalogError(
                f"{self.name} cannot name files below {layout.output}: pyiceberg passes over what comes after "
                f"{found[0]} in a path; move the output to a path without"
            )

    def _refuse_other_folders(self, table: Table, layout: Layout) -> None:
        by = [table.schema().find_column_name(field.source_id) for field in table.spec().fields]
        if by != layout.partitions.names:
            raise CatalogError(
                f"{self.name} is partitioned by {', '.join(map(str, by)) or 'nothing'}, {layout.output} by "
                f"{', '.join(layout.partitions.names) or 'nothing'}: register it in another table"
            )

    def _refuse_moved(self, table: Table, layout: Layout) -> None:
        """Raise CatalogError where the table names files of OUT in the folder that it was moved or copied from."""
        known = layout.registrations.get(self.name)
        runs = {layout.run_id} if known is None else {layout.run_id, known.run_id}
        for name, run_id in table.properties.items():
            if name.startswith(f"{_RUN}.") and name != _run_property(layout) and run_id in runs:
                raise CatalogError(
                    f"{self.name} names the files of run {run_id} in another folder than {layout.output}, which was "
                    f"moved or copied: register it where it was, or drop the table there, and register anew"
                )

    def _open(self, layout: Layout) -> Catalog:
        try:
            catalog = load_catalog(self.catalog)
        except Exception as error:  # what is wrong in a configuration is said in many ways
            raise CatalogError(
                f"{self.name}: pyiceberg's configuration gives no catalog {self.catalog} that can be opened: "
                + one_line(error, 300)
            ) from error
        if layout.output.startswith("s3://"):
            # s3fs finds what botocore finds; pyiceberg's own choice asks AWS itself, whatever AWS_ENDPOINT_URL says.
            catalog.properties.setdefault(PY_IO_IMPL, "pyiceberg.io.fsspec.FsspecFileIO")
        return catalog

    @contextmanager
    def _begun(self, catalog: Catalog, table: Table | None, layout: Layout) -> Iterator[Transaction]:
        """A transaction that is committed at the end of the block: of a new table, or of one that fits."""
        schema = _held(layout)
        if table is None:
            catalog.create_namespace_if_not_exists(self.table.rpartition(".")[0])
            with catalog.create_table_transaction(self.table, schema) as transaction:
                with transaction.update_spec() as spec:
                    for name in layout.partitions.names:
                        spec.add_identity(name)
                yield transaction
            return
        self._refuse_other_folders(table, layout)
        with table.transaction() as transaction:
            with transaction.update_schema() as update:
                update.union_by_name(schema)
            yield transaction

    def _change(self, transaction: Transaction, layout: Layout, change: Change, removed: set[DataFile]) -> None:
        mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties(
            {TableProperties.DEFAULT_NAME_MAPPING: mapping, _run_property(layout): layout.run_id}
        )
        update = transaction.update_snapshot({_RUN: layout.run_id, "parjob.output": layout.output})
        with ThreadPoolExecutor(READERS) as readers:
            added = list(readers.map(lambda file: _data_file(transaction, file), change.add))
        with update.overwrite() if removed else update.fast_append() as snapshot:
            for file in added:
                snapshot.append_data_file(file)
            for one in removed:
                snapshot.delete_data_file(one)

    def _removed(self, table: Table, layout: Layout, change: Change) -> set[DataFile]:
        spelled = {file.spelled for file in change.remove}
        return {file for file, _ in _below(table, layout) if file.file_path in spelled}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what pyiceberg and what is below it raise within into one line."""
        try:
            yield
        except (CatalogError, StorageError, OutputError):
            raise
        except (CommitFailedException, ValidationException) as error:
            raise ConflictError(f"{self.name}: {one_line(error, 300)}") from error
        except Exception as error:  # pyiceberg, SQL drivers, HTTP clients and storage have no exception in common
            raise CatalogError(f"{self.name}: {typed_line(error, 300)}") from error


def _load(catalog: Catalog, table: str) -> Table | None:
    try:
        return catalog.load_table(table)
    except NoSuchTableError:
        return None


def _below(table: Table, layout: Layout) -> Iterator[tuple[DataFile, str]]:
    """Files of the current snapshot that lie in the table's folder, and what run.json calls them."""
    output, folder = f"{_real(layout.output)}/", f"{_real(layout.folder)}/"
    for task in table.scan().plan_files():
        place = _real(task.file.file_path)
        if place.startswith(folder):
            yield task.file, place.removeprefix(output)


def _real(uri: str) -> str:
    """One spelling, whatever links lead there."""
    place = storage.canonical(uri)
    return os.path.realpath(place) if storage.is_local(place) else place


def _named(file: DataFile, name: str) -> NamedFile:
    return NamedFile(name, file.file_size_in_bytes, file.file_path)


def _run_property(layout: Layout) -> str:
    """Which run of OUT was committed last: a property, since snapshots expire."""
    return f"{_RUN}.{hashlib.sha256(_real(layout.output).encode()).hexdigest()[:12]}"


def _data_file(transaction: Transaction, file: TableFile) -> DataFile:
    place = f"file://{file.uri}" if storage.is_local(file.uri) else file.uri
    made = parquet_file_to_data_file(transaction._table.io, transaction.table_metadata, place)
    made[3] = Record(*(_internal(value) for value in file.values))
    return made


def _internal(value: Any) -> Any:
    """A partition's value as manifests hold it: days, or microseconds."""
    if isinstance(value, datetime):
        return datetime_to_micros(value)
    return date_to_days(value) if isinstance(value, date) else value


def _held(layout: Layout) -> pa.Schema:
    """The table's columns in Iceberg's types. Raises CatalogError: pyiceberg reads no file that has another."""
    fields = []
    for field in layout.columns():
        held = held_type(field.type, "iceberg")
        if held is None:
            raise CatalogError(
                f"the column {field.name} is {field.type}, which Iceberg has no type for: cast it in the manifest or "
                f"leave it out there, and run the job into another --output"
            )
        fields.append(pa.field(field.name, held))
    return pa.schema(fields)
