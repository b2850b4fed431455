"""Reading a manifest: one file, a folder or a pattern of files, as one stream of rows.

Files count in name order. In a folder those ending in ``.parquet`` are read (all, if none does), at any depth; files
and folders whose name starts with ``_`` or ``.`` are left out, and folders named ``column=value`` give a column.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.cast import cast_column
from par_model.manifest.files import (
    READ_BUFFER,
    ManifestFile,
    content_of,
    described_files,
    fetched,
    find_files,
    open_parquet,
    unified_schema,
)
from par_model.manifest.schema import DEFECT, NOT_PASSED_THROUGH, ROW

_BATCH_BYTES = 64 << 20
_AT_ONCE = 8  # files that are hashed at a time
# From stored boxes to the manifest's, and for each row why not.
CastBoxes = Callable[[pa.Array], tuple[pa.Array, list[str | None]]]


@dataclass(frozen=True)
class Manifest:
    """A manifest's files and the facts that their footers tell.

    folder: what relative URIs in the manifest are resolved against. schema: Arrow schema of what ``iter_batches``
    yields for all columns: the manifest's own first, then the further ones, in the files' order.
    """

    uri: str
    folder: str
    files: tuple[ManifestFile, ...]
    schema: pa.Schema

    @classmethod
    def open(cls, uri: str) -> Manifest:
        """Read the footers of a file, a folder or a pattern.

        Raises ManifestError where there is no such file, one is not Parquet, or two files contradict each other, and
        StorageError where they cannot be read.
        """
        place = storage.absolute(uri)
        folder, found = find_files(place)
        files = described_files(folder, found)
        return cls(uri=uri, folder=folder, files=files, schema=unified_schema(files))

    @property
    def num_rows(self) -> int:
        """Tracklets, over all files."""
        return sum(file.num_rows for file in self.files)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Columns that at least one file has, in the files' order."""
        return tuple(dict.fromkeys(name for file in self.files for name in file.column_names))

    @property
    def all_column_names(self) -> tuple[str, ...]:
        """As ``column_names``, but a name that one file has twice is there twice."""
        names = [file.column_names for file in self.files]
        return tuple(name for name in self.column_names for _ in range(max(of_file.count(name) for of_file in names)))

    @property
    def pass_through(self) -> tuple[str, ...]:
        """Columns that the attribute table repeats: all that the manifest has, but for the frames and the labels."""
        return tuple(name for name in self.column_names if name not in NOT_PASSED_THROUGH)

    @cached_property
    def label_schema(self) -> AttributeSchema | None:
        """The attribute schema of ``labels`` that the files' metadata hold.

        Raises ManifestError if two files hold different ones, SchemaError if one cannot be parsed.
        """
        first: tuple[AttributeSchema, str] | None = None
        for text, name in {f.label_schema_toml: f.name for f in reversed(self.files) if f.label_schema_toml}.items():
            schema = AttributeSchema.parse(text or "", f"in the metadata of {name}")
            if first is not None and schema != first[0]:
                raise ManifestError(
                    f"manifest {self.uri}: the labels of {first[1]} and {name} follow different attribute schemas; "
                    "keep them in separate manifests"
                )
            first = first or (schema, name)
        return first[0] if first else None

    def file_of(self, row: int) -> ManifestFile:
        """The file that holds a row."""
        return self.files[bisect_right(self._first_rows, row) - 1]

    def files_of(self, start: int, stop: int) -> tuple[ManifestFile, ...]:
        """The files that hold some of the rows ``start`` to ``stop - 1``."""
        first, end = max(0, bisect_right(self._first_rows, start) - 1), bisect_left(self._first_rows, stop)
        return tuple(f for f in self.files[first:end] if start < f.first_row + f.num_rows)

    @cached_property
    def _first_rows(self) -> list[int]:
        return [file.first_row for file in self.files]

    def tracklet_id(self, row: int) -> str | None:
        """The id of one row. Raises IndexError."""
        for batch in self.iter_batches(["tracklet_id"], rows=(row, row + 1)):
            return batch.column("tracklet_id")[0].as_py()  # type: ignore[no-any-return]
        raise IndexError(row)

    def where(self, row: int) -> str:
        """A row's position for a message, with its file where there are several."""
        if len(self.files) == 1:
            return f"row {row}"
        file = self.file_of(row)
        return f"row {row} (row {row - file.first_row} of {file.name})"

    def iter_batches(
        self,
        columns: Sequence[str] | None = None,
        rows_per_batch: int = 1024,
        *,
        rows: tuple[int, int] | None = None,
        boxes: CastBoxes | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The manifest's rows in order, every column in its own type, with bounded memory.

        columns: names to read, in order; None for all of ``schema``. A column that a file lacks is null.
        rows: the first, and the one behind the last; None for all. Only files and row groups that hold some are read.
        boxes: casts that column in place of ``cast_column``.
        Two columns are added: ``_row`` (int64), the row's position in the manifest, and ``_defect`` (string), null
        unless a value of the row does not fit its column's type and was made null: then one line ``column: why`` for
        each such value. Relative URIs are resolved.
        Raises ManifestError if a file is damaged, StorageError if it cannot be read.
        """
        names = list(self.schema.names) if columns is None else list(columns)
        unknown = [name for name in names if name not in self.schema.names]
        if unknown:
            raise ManifestError(f"manifest {self.uri}: has no column {unknown[0]!r}")
        start, stop = rows if rows is not None else (0, self.files[-1].first_row + self.files[-1].num_rows)
        for file in fetched(self.files_of(start, stop)):
            size = max(1, min(rows_per_batch, _BATCH_BYTES // max(1, file.bytes_per_row)))
            of_file = max(0, start - file.first_row), min(file.num_rows, stop - file.first_row)
            for row, stored in _stored_batches(file, names, size, *of_file):
                yield self._typed(file, stored, names, file.first_row + row, boxes)

    def content_fingerprint(self) -> str:
        """64 hex digits that change when any byte of any file, their order or their folders' columns change.

        Reads every byte once. The same files elsewhere, or under names in the same order, have the same fingerprint.
        """
        total = hashlib.sha256()
        with ThreadPoolExecutor(min(_AT_ONCE, len(self.files))) as pool:
            for file, digest in zip(self.files, pool.map(_sha256, self.files), strict=True):
                total.update(repr((file.partition, digest)).encode())
        return total.hexdigest()

    def refuse_if_changed(self, fingerprint: str) -> None:
        """Raise ManifestError unless its files are what they were when ``content_fingerprint`` was ``fingerprint``.

        They are read only where their versions are others. Files that have come to lie beside them do no harm.
        """
        versions = {info.uri: info.version for info in find_files(storage.absolute(self.uri))[1]}
        if all(file.version and versions.get(file.uri) == file.version for file in self.files):
            return
        now = replace(self, files=tuple(replace(file, content=None) for file in self.files))
        if any(file.uri not in versions for file in self.files) or now.content_fingerprint() != fingerprint:
            raise ManifestError(
                f"manifest {self.uri}: changed while the job ran: put it back as it was and run the same command "
                f"again, or give the new one another --output"
            )

    def _typed(
        self, file: ManifestFile, stored: pa.RecordBatch, names: list[str], first_row: int, boxes: CastBoxes | None
    ) -> pa.RecordBatch:
        rows, folders = stored.num_rows, dict(file.partition)
        arrays, reasons = [], []
        for name in names:
            wanted = self.schema.field(name).type
            indices = stored.schema.get_all_field_indices(name)
            if not indices and name not in folders:
                arrays.append(pa.nulls(rows, wanted))
                continue
            found = stored.column(indices[0]) if indices else pa.repeat(pa.scalar(folders[name], pa.string()), rows)
            own = boxes if name == "boxes" and not pa.types.is_null(found.type) else None
            values, column_reasons = own(found) if own is not None else cast_column(name, found, wanted)
            reasons += [column_reasons] if any(column_reasons) else []
            arrays.append(self._resolved(values) if name in ("video_uri", "image_uris") else values)
        defects: list[str | None] = [None] * rows
        if reasons:
            defects = ["\n".join(filter(None, row)) or None for row in zip(*reasons, strict=True)]
        arrays += [pa.array(range(first_row, first_row + rows), pa.int64()), pa.array(defects, pa.string())]
        fields = [self.schema.field(name) for name in names]
        schema = pa.schema([*fields, pa.field(ROW, pa.int64()), pa.field(DEFECT, pa.string())])
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _resolved(self, uris: pa.Array) -> pa.Array:
        flat = uris.flatten() if pa.types.is_list(uris.type) else uris
        if not pc.any(pc.invert(pc.match_substring_regex(flat, r"^/|://|^$"))).as_py():
            return uris

        def resolve(uri: str | None) -> str | None:
            return storage.absolute(uri, self.folder) if uri else uri

        values = uris.to_pylist()
        if pa.types.is_list(uris.type):
            return pa.array([row if row is None else [resolve(uri) for uri in row] for row in values], uris.type)
        return pa.array([resolve(uri) for uri in values], uris.type)


def _sha256(file: ManifestFile) -> str:
    content = content_of(file)
    digest = hashlib.sha256(content or b"")
    if content is None:
        with storage.guard(file.uri, "read"), storage.open_reader(file.uri, block_size=READ_BUFFER) as stream:
            while chunk := stream.read(READ_BUFFER):
                digest.update(chunk)
    return digest.hexdigest()


def _stored_batches(
    file: ManifestFile, names: list[str], size: int, start: int, stop: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows ``start`` to ``stop - 1`` of a file, each batch with the number of its first row in the file."""
    stored = [name for name in names if name in file.schema.names]
    with open_parquet(file) as parquet:
        if not stored:
            for row in range(start, stop, size):
                yield row, pa.RecordBatch.from_arrays([pa.nulls(min(size, stop - row))], names=[ROW])
            return
        row, groups = _row_groups(parquet.metadata, start, stop)
        for batch in parquet.iter_batches(batch_size=size, row_groups=groups, columns=stored, use_threads=False):
            first, last = max(row, start), min(row + batch.num_rows, stop)
            if first < last:
                yield first, batch.slice(first - row, last - first)
            row += batch.num_rows


def _row_groups(metadata: pq.FileMetaData, start: int, stop: int) -> tuple[int, list[int]]:
    """The row groups that hold some of the rows ``start`` to ``stop - 1``, and the number of their first row."""
    bounds = list(accumulate((metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)), initial=0))
    groups = [i for i, (first, end) in enumerate(pairwise(bounds)) if first < stop and start < end]
    return bounds[groups[0]] if groups else 0, groups
