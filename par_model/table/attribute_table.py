"""The end of a job: outcomes become rows of the table, and the invariant is checked while that happens.

Two ways: new files, beside those that the table has already (``--add``) if any; or files of the same name with some
rows replaced (``--retry-failed``). Either can be done again after an interruption, with the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import OutputError
from par_model.manifest.plain import plain_type
from par_model.manifest.read import Manifest
from par_model.manifest.selection import Selection
from par_model.runs.parts import PartStore
from par_model.table.rows import Reading, table_rows
from par_model.table.writer import TableWriter, replacing

_MERGE_ROWS = 4096


@dataclass(frozen=True)
class AttributeTable:
    """The table's files below ``folder``, and how they are written. schema: with the columns that are folders."""

    folder: str
    schema: pa.Schema
    partition_by: tuple[str, ...]
    files: tuple[str, ...] = ()

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, in the files' order."""
        if not self.files:
            return iter(())
        fs, base = storage.arrow_filesystem(self.folder)
        folders = ds.partitioning(pa.schema([self.schema.field(n) for n in self.partition_by]), flavor="hive")
        dataset = ds.dataset(
            [storage.arrow_filesystem(uri)[1] for uri in self.files],
            schema=self.schema,
            filesystem=fs,
            format="parquet",
            partitioning=folders if self.partition_by else None,
            partition_base_dir=base,
        )
        return iter(dataset.to_batches(columns=columns))

    def refuse_other_types(self, output: str) -> None:
        """Raise OutputError where new files would have another type of a column than the files of earlier versions,
        which kept views, UUIDs and the like as the manifest had them."""
        for uri in self.files[:1]:
            fs, path = storage.arrow_filesystem(uri)
            stored = pq.read_schema(path, filesystem=fs)
            for field in stored:
                wanted = self.schema.field(field.name).type if field.name in self.schema.names else field.type
                if plain_type(field.type) != field.type and wanted != field.type:
                    raise OutputError(
                        f"{output} cannot be added to: an earlier version wrote its column {field.name} as "
                        f"{field.type}, which is {wanted} now, and a table has one type: give another --output"
                    )

    def ids(self, *, failed_only: bool = False) -> pa.Array:
        """The tracklet_ids of all rows, or of the failed ones."""
        batches = list(self.batches(["tracklet_id", "error"]))
        kept = [b.filter(b["error"].is_valid()) if failed_only else b for b in batches]
        return pa.concat_arrays([b["tracklet_id"] for b in kept]) if kept else pa.array([], pa.string())

    def counts(self, tracklets: int) -> dict[str, Any]:
        """Rows by status and error, read back from the files.

        Raises OutputError unless there are as many rows as tracklets.
        """
        total, errors = 0, Counter[str]()
        for batch in self.batches(["error"]):
            total += len(batch)
            errors.update(batch["error"].drop_null().to_pylist())
        if total != tracklets:
            raise OutputError(f"{self.folder} has {total} rows for {tracklets} tracklets: run the same command again")
        failed = errors.total()
        return {
            "tracklets": tracklets,
            "status": {"ok": tracklets - failed, "failed": failed},
            "error": dict(sorted(errors.items())),
        }

    def with_rows(
        self,
        manifest: Manifest,
        selection: Selection,
        left_out: NDArray[np.bool_],
        parts: PartStore,
        reading: Reading,
        before: storage.Before,
    ) -> Self:
        """Join manifest and outcomes, both in manifest order, into new files.

        left_out: for each row of the manifest, whether the table has it already. before: asked before each write.

        Raises OutputError if an outcome is missing or surplus.
        """
        outcomes = _Stream(parts.in_row_order(_MERGE_ROWS))
        with TableWriter(self.folder, self.schema, self.partition_by, self.files, before) as writer:
            for selected in selection.batches(manifest, manifest.pass_through):
                rows = selected.filter(pa.array(~left_out[selected["_row"].to_numpy()]))
                if not len(rows):
                    continue
                found = outcomes.take(len(rows))
                if not _same_tracklets(rows, found):
                    raise OutputError(f"{self.folder}: {_mismatch(rows, found)}; run the same command again")
                writer.write(table_rows(rows, found, reading, self.schema))
            surplus = outcomes.take(1)
            if len(surplus):
                raise OutputError(f"{self.folder}: row {surplus['_row'][0]} was recognised, but it is not wanted")
        return replace(self, files=(*self.files, *writer.files))

    def with_replaced(self, parts: PartStore, reading: Reading, before: storage.Before) -> Self:
        """Outcomes in the place of the rows of the same ids. Each file is replaced as a whole, so that a reader sees
        the old or the new row, never both or none. The order of rows stays."""
        outcomes = pa.concat_tables([*parts.in_row_order(_MERGE_ROWS)])
        for uri in self.files:
            fs, path = storage.arrow_filesystem(uri)
            with pq.ParquetFile(path, filesystem=fs, pre_buffer=False) as old:
                ids = old.read(["tracklet_id"])["tracklet_id"]
                if not pc.any(pc.is_in(ids, outcomes["tracklet_id"])).as_py():
                    continue
                with replacing(uri, old.schema_arrow, before) as writer:
                    for group in range(old.num_row_groups):
                        writer.write_table(_replaced(old.read_row_group(group), outcomes, reading))
        return self


def _replaced(old: pa.Table, outcomes: pa.Table, reading: Reading) -> pa.Table:
    """Rows of a table's file, those that ``outcomes`` has anew."""
    found = pc.index_in(outcomes["tracklet_id"], old["tracklet_id"].combine_chunks())
    at = found.drop_null().to_numpy()
    new = table_rows(old.take(pa.array(at)), outcomes.filter(found.is_valid()), reading, old.schema)
    order = np.arange(len(old))
    order[at] = len(old) + np.arange(len(at))
    return pa.concat_tables([old, new]).take(pa.array(order))


class _Stream:
    """Takes any number of rows from a stream of tables."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rest: pa.Table | None = None

    def take(self, count: int) -> pa.Table:
        """The next ``count`` rows, fewer only at the end."""
        while self._rest is None or len(self._rest) < count:
            more = next(self._tables, None)
            if more is None:
                break
            self._rest = more if self._rest is None else pa.concat_tables([self._rest, more])
        if self._rest is None:
            return pa.table({"_row": pa.array([], pa.int64()), "tracklet_id": pa.array([], pa.string())})
        taken, self._rest = self._rest.slice(0, count), self._rest.slice(count)
        return taken.combine_chunks()


def _same_tracklets(rows: pa.Table, found: pa.Table) -> bool:
    return bool(found["_row"].equals(rows["_row"]) and found["tracklet_id"].equals(rows["tracklet_id"]))


def _mismatch(rows: pa.Table, found: pa.Table) -> str:
    wanted, got = Counter(rows["_row"].to_pylist()), Counter(found["_row"].to_pylist())
    if missing := wanted - got:
        return f"{missing.total()} tracklets were not recognised, row {min(missing)} of the manifest among them"
    return "the results' ids are not the manifest's: it changed while the job ran"
