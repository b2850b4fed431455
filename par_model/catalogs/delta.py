"""The table as a Delta table, by deltalake: its log lies in OUT, above the files, as ``OUT/_delta_log``.

Paths in the log are relative to OUT, since readers do not agree on absolute ones. Protocol:
https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage
from par_model.catalogs.finished_table import Layout, TableFile
from par_model.catalogs.held_types import held_type
from par_model.catalogs.register import READERS, Change, NamedFile, State
from par_model.errors import CatalogError, ConflictError
from par_model.extras import needed
from par_model.object_stores import object_store_options
from par_model.table.read import FOLDER
from par_model.wording import one_line, without_colours

with needed("delta", "a Delta table"):
    from deltalake import CommitProperties, DeltaTable, Schema, Transaction
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
    from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

_log = logging.getLogger(__name__)
# Under this name the log keeps the run that was committed last, as a number.
_APPLICATION = "parjob"


class Delta:
    """The Delta table whose log lies in OUT."""

    name = "delta"

    def look(self, layout: Layout) -> State:
        """See ``Catalog``."""
        _refuse_percent(layout.output)
        table = _open(layout)
        if table is None:
            return State()
        with _told(layout):
            actions = table.get_add_actions(flatten=True)
            found = pa.table(actions).select(["path", "size_bytes"]).to_pylist()
            run = table.transaction_version(_APPLICATION)
        # Actions are made with paths as they are, and the log has them URL-encoded.
        files = [NamedFile(path := unquote(one["path"]), one["size_bytes"], path) for one in found]
        # Maintenance puts its own files beside the table's folder.
        ours = tuple(file for file in files if file.name.startswith(f"{FOLDER}/"))
        return State(ours, None if run is None else f"{run:012x}")

    def commit(self, layout: Layout, change: Change, before: storage.Before) -> str:
        """See ``Catalog``. The snapshot is the table's version."""
        with ThreadPoolExecutor(READERS) as readers:
            adds = list(readers.map(lambda file: _added(file, layout), change.add))
        run = Transaction(app_id=_APPLICATION, version=int(layout.run_id, 16))
        # Not tried again by itself: it would take out what a compaction has put into other files meanwhile.
        told = CommitProperties({"parjob.run_id": layout.run_id}, max_commit_retries=0, app_transactions=[run])
        schema = Schema.from_arrow(_held(layout))
        by = layout.partitions.names
        options = object_store_options(layout.output)
        table = _open(layout)
        before()
        with _told(layout):
            if table is None:
                create_table_with_add_actions(
                    layout.output, schema, adds, "error", by, storage_options=options, commit_properties=told
                )
            else:
                removes = [_removed(file) for file in change.remove]
                table.create_write_transaction([*removes, *adds], "append", schema, by, commit_properties=told)
            return str(DeltaTable(layout.output, storage_options=options).version())


def _refuse_percent(output: str) -> None:
    """Raise CatalogError for a path in which deltalake would decode something: it would look into another folder."""
    if found := re.search("%[0-9A-Fa-f]{2}", output):
        raise CatalogError(
            f"{output} cannot be a Delta table: deltalake takes {found[0]} in a path for another sign; move the output "
            f"to a path without"
        )


def _open(layout: Layout) -> DeltaTable | None:
    try:
        with _told(layout):
            return DeltaTable(layout.output, storage_options=object_store_options(layout.output))
    except TableNotFoundError:
        return None


def _held(layout: Layout) -> pa.Schema:
    """The columns that Delta has types for, in those; says which it leaves out. Raises CatalogError for a folder's."""
    fields = []
    for field in layout.columns():
        held = held_type(field.type, "delta")
        said = f"the column {field.name} is {field.type}, which Delta has no type for"
        if held is not None:
            fields.append(pa.field(field.name, held))
        elif field.name in layout.partitions.names:
            raise CatalogError(f"{said}: partition by another column")
        else:
            _log.warning(f"{said}: its readers do not see it")
    return pa.schema(fields)


def _added(file: TableFile, layout: Layout) -> Any:
    names = layout.partitions.names
    values = {name: _serialised(value) for name, value in zip(names, file.values, strict=True)}
    fs, path = storage.arrow_filesystem(file.uri)
    rows = pq.read_metadata(path, filesystem=fs).num_rows
    stats = json.dumps({"numRecords": rows})
    return AddAction(file.name, file.size, values, int(time.time() * 1000), True, stats)


def _serialised(value: Any) -> str | None:
    """A partition's value as the protocol's "Partition Value Serialization" has it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _removed(file: NamedFile) -> Any:
    return RemoveAction(file.spelled, True, int(time.time() * 1000))


@contextmanager
def _told(layout: Layout) -> Iterator[None]:
    """Turn what deltalake raises within into one line, except that there is no such table."""
    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError) as error:
        # Colours for a terminal, and a backtrace of its own.
        line = one_line(without_colours(re.split(r"\n\s+0: ", str(error))[0]), 300)
        kind = ConflictError if isinstance(error, CommitFailedError) else CatalogError
        raise kind(f"the Delta table at {layout.output}: {line}") from error
