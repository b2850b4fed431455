"""The end of a job: outcomes become results, and the invariant is checked while that happens.

Two ways: new files, beside those that the table has already (``--add``) if any; or files of the same name with some
rows replaced (``--retry-failed``). Either can be done again after an interruption, with the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import OutputError
from par_model.manifest.plain import coarse_type, plain_type
from par_model.manifest.read import Manifest
from par_model.manifest.selection import Selection
from par_model.runs.lock import Held
from par_model.runs.parts import PartStore
from par_model.table.by_all import Workers, done_by_all
from par_model.table.file_anew import FileAnew, write_anew
from par_model.table.results import Reading
from par_model.table.row_range import RowRange, WrittenRange, cut, write_range
from par_model.table.writer import first_free_number, named_anew, remove_others, remove_partial


@dataclass(frozen=True)
class AttributeTable:
    """The table's files below ``folder``, and how they are written. schema: with the columns that are folders. written:
    what is known of files that were just written. sort_by: as of ``TableWriter``. named: files that catalogs name, of
    this table or of an earlier state of it, which stay as they are; None where it is in no catalog."""

    folder: str
    schema: pa.Schema
    partition_by: tuple[str, ...]
    files: tuple[str, ...] = ()
    written: tuple[WrittenRange, ...] = ()
    sort_by: tuple[str, ...] = ()
    named: frozenset[str] | None = None

    def batches(self, columns: list[str], files: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Some columns of all results, or of those in some files, in the files' order."""
        files = self.files if files is None else files
        if not files:
            return iter(())
        fs, base = storage.arrow_filesystem(self.folder)
        folders = ds.partitioning(pa.schema([self.schema.field(n) for n in self.partition_by]), flavor="hive")
        dataset = ds.dataset(
            [storage.arrow_filesystem(uri)[1] for uri in files],
            schema=self.schema,
            filesystem=fs,
            format="parquet",
            partitioning=folders if self.partition_by else None,
            partition_base_dir=base,
        )
        return iter(dataset.to_batches(columns=columns))

    def as_stored(self, output: str) -> Self:
        """To add to: the columns in the order that its files have, each of one type in the whole table, that of its
        files where these hold the same values. Raises OutputError where they do not, or have other columns."""
        if not self.files:
            return self
        fs, path = storage.arrow_filesystem(self.files[0])
        stored = pq.read_schema(path, filesystem=fs)
        self._refuse_other_columns(stored.names, output)
        fields = []
        for field in (self.schema.field(name) for name in (*stored.names, *self.partition_by)):
            # A column of folders is in no file, and has no finer times.
            found = stored.field(field.name).type if field.name in stored.names else coarse_type(field.type)
            is_alike = field.name == "embedding" or coarse_type(found) == coarse_type(field.type)
            if found != field.type and not (is_alike and plain_type(found) == found):
                raise OutputError(
                    f"{output} cannot be added to: its files have the column {field.name} as {found}, which is "
                    f"{field.type} now, and a table has one type: give another --output"
                )
            fields.append(field.with_type(found))
        return replace(self, schema=pa.schema(fields))

    def _refuse_other_columns(self, stored: Sequence[str], output: str) -> None:
        now = [name for name in self.schema.names if name not in self.partition_by]
        said = f"{output} cannot be added to: files of a table have the same columns, and"
        for name in now:
            if name not in stored:
                # Without the number of its track another one of the video would be read.
                advice = "" if name == "video_stream" else "leave it out, or "
                raise OutputError(
                    f"{said} the column {name} of the manifest is in none of those that are there: {advice}"
                    f"give another --output"
                )
        for name in stored:
            if name not in now:
                raise OutputError(
                    f"{said} the manifest lacks the column {name} of those that are there: add it, with nulls if need "
                    f"be, or give another --output"
                )

    def with_times(self, finer: Collection[str], output: str) -> Self:
        """With times to the microsecond, which Spark and Athena need, but for columns ``finer``, whose values would be
        lost. Types of files that are there stay. Raises OutputError where those hold no finer times."""
        if not self.files:
            fields = [f if f.name in finer else f.with_type(coarse_type(f.type)) for f in self.schema]
            return replace(self, schema=pa.schema(fields))
        for name in finer:
            kind = self.schema.field(name).type
            if kind == coarse_type(kind):
                raise OutputError(
                    f"{output} cannot be added to: its files have the column {name} as {kind}, and the manifest has "
                    f"times in it that are finer: round them, or give another --output"
                )
        return self

    def ids(self, *, failed_only: bool = False) -> pa.Array:
        """The tracklet_ids of all results, or of the failed ones."""
        batches = list(self.batches(["tracklet_id", "error"]))
        kept = [b.filter(b["error"].is_valid()) if failed_only else b for b in batches]
        return pa.concat_arrays([b["tracklet_id"] for b in kept]) if kept else pa.array([], pa.string())

    def counts(self, tracklets: int) -> dict[str, Any]:
        """Rows by status and error: as they were written, or read back from the files.

        Raises OutputError unless there are as many results as tracklets.
        """
        total, errors = sum(one.rows for one in self.written), Counter[str]()
        known = {uri for one in self.written for uri in one.files}
        for one in self.written:
            errors.update(one.errors)
        for batch in self.batches(["error"], [uri for uri in self.files if uri not in known]):
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
        held: Held,
        spread: Workers,
    ) -> Self:
        """Join manifest and outcomes, both in manifest order, into new files, a range of rows at a time.

        left_out: for each row of the manifest, whether the table has it already. spread: does the ranges, where there
        are several; None: this process does.

        Raises OutputError if an outcome is missing or surplus.
        """
        whole = RowRange(
            folder=self.folder,
            schema=self.schema,
            partition_by=self.partition_by,
            sort_by=self.sort_by,
            manifest=manifest,
            selection=selection,
            reading=reading,
            before=held.look_only(),
            stripe=parts.stripe,
            stop=selection.stop(manifest),
        )
        beyond = [part for part in parts.parts if part.last_row >= manifest.num_rows]
        if beyond:
            raise OutputError(f"{self.folder}: {beyond[0].uri} has rows beyond the manifest's: it is of another job")
        ranges = cut(whole, parts.parts, left_out, number=first_free_number(self.files))
        written = done_by_all(write_range, ranges, held, spread)
        written.sort(key=lambda one: one.number)
        files = (*self.files, *(uri for one in written for uri in one.files))
        remove_others(self.folder, {*files, *(self.named or ())}, held.verify)
        return replace(self, files=files, written=tuple(written))

    def with_replaced(self, parts: PartStore, reading: Reading, held: Held, spread: Workers) -> Self:
        """Outcomes in place of the results of the same ids. Each file is replaced as a whole, so that a reader sees
        the old or the new result, never both or none; where catalogs name the files, others are written for them to
        swap. The order stays."""
        uris = tuple(part.uri for part in parts.parts)
        last = max((part.last_row for part in parts.parts), default=-1)
        is_named = self.named is not None
        if is_named:  # what a retry wrote that no catalog has seen, and another has written anew since
            remove_others(self.folder, {*self.files, *(self.named or ())}, held.verify)
        targets = {uri: named_anew(uri, parts.job_id) if is_named else uri for uri in self.files}
        files = [
            FileAnew(uri, targets[uri], uris, parts.stripe, last + 1, reading, held.look_only()) for uri in self.files
        ]
        now = dict(done_by_all(write_anew, files, held, spread))
        remove_partial(self.folder, held.verify)
        return replace(self, files=tuple(now[uri] for uri in self.files))
