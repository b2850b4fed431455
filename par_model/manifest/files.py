"""The files of a manifest: which they are, and what their footers tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.plain import common_type, plain_type, settled_type
from par_model.manifest.schema import COLUMNS, DEFECT, ROW, SCHEMA_METADATA
from par_model.wording import one_line

READ_BUFFER = 4 << 20  # bytes read at a time for each column: bounds memory whatever the size of row groups
_SMALL_BYTES = 1 << 20  # of a file elsewhere: one request for all of it is less work than one a column
_KEPT_BYTES = 64 << 20  # of small files, from the reading of their footers on
_AT_ONCE = 16  # requests
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class ManifestFile:
    """One file of a manifest, as its footer describes it.

    name: relative to the manifest's folder. first_row: position of its first row in the manifest.
    schema: the columns as they are stored, without those of ``partition``, which the folders' names give.
    intervals: columns that hold Parquet's intervals, which Arrow reads as bytes without a meaning. groups: of each row
    group, its rows and its bytes before compression. content: of a small file elsewhere, which is fetched as a whole;
    None where it has to be fetched again. version: as of ``storage.FileInfo``.
    """

    uri: str
    name: str
    size: int
    num_rows: int
    first_row: int
    groups: tuple[tuple[int, int], ...]
    schema: pa.Schema
    label_schema_toml: str | None
    partition: tuple[tuple[str, str | None], ...] = ()
    intervals: frozenset[str] = frozenset()
    content: bytes | None = field(default=None, repr=False, compare=False)
    version: str = field(default="", compare=False)

    @property
    def is_fetched_whole(self) -> bool:
        """Whether all of it is fetched by one request."""
        return _is_small(self.uri, self.size)

    @property
    def bytes_per_row(self) -> int:
        """Of the row group with the largest rows, before compression."""
        return max((size // max(1, rows) for rows, size in self.groups), default=0)

    @property
    def column_names(self) -> list[str]:
        """Stored columns in order, then those of the folders' names."""
        return [*self.schema.names, *(key for key, _ in self.partition if key not in self.schema.names)]

    def column_type(self, name: str) -> pa.DataType | None:
        """The stored type of a column (of the first one by that name); None where the file has no such column."""
        indices = self.schema.get_all_field_indices(name)
        if indices:
            return self.schema.field(indices[0]).type
        return pa.string() if name in dict(self.partition) else None


def find_files(uri: str) -> tuple[str, list[storage.FileInfo]]:
    """The manifest's folder, and its files in name order."""
    if storage.is_glob(uri):
        folder = storage.parent(uri)
        found = visible(folder, storage.glob_files(uri))
    else:
        try:
            file = storage.file_info(uri)
        except storage.PlaceError as error:
            if error.reason is not storage.Reason.NOT_FOUND:
                raise
            raise ManifestError(f"manifest {uri}: {str(error).rpartition(': ')[2]}") from error
        if file is not None:  # who may read it need not be one who may list its folder
            return storage.parent(uri), [file]
        folder = uri.rstrip("/")
        found = visible(folder, storage.list_files(uri))
        found = [info for info in found if info.uri.lower().endswith(".parquet")] or found
    if not found:
        raise ManifestError(f"manifest {uri}: no Parquet files there; names that start with _ or . do not count")
    return folder, sorted(found, key=lambda info: path_below(folder, info.uri))


def path_below(folder: str, uri: str) -> str:
    """The path of a file that was listed below a folder, however the folder is spelt."""
    bare = (storage.local_path(folder) if storage.is_local(folder) else folder).rstrip("/") + "/"
    return uri.removeprefix("file://").removeprefix(bare)


def visible(folder: str, found: list[storage.FileInfo]) -> list[storage.FileInfo]:
    """Those that neither begin with _ or . nor lie in folders below ``folder`` that do."""
    return [
        info for info in found if not any(part[:1] in ("_", ".") for part in path_below(folder, info.uri).split("/"))
    ]


@contextmanager
def _reading(uri: str) -> Iterator[None]:
    """Turn what pyarrow raises for bytes that are not Parquet into a ManifestError."""
    with storage.guard(uri, "read"):
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and (error.errno or type(error) is not OSError):
                raise
            raise ManifestError(f"manifest file {uri}: is not Parquet, or is damaged: {one_line(error)}") from error


def _is_small(uri: str, size: int) -> bool:
    return 0 < size <= _SMALL_BYTES and not storage.is_local(uri)


@contextmanager
def _open_parquet(uri: str, content: bytes | None) -> Iterator[pq.ParquetFile]:
    with _reading(uri):
        if content is not None:
            source = pa.BufferReader(content)
        elif storage.is_local(uri):
            source = storage.local_path(uri)
        else:
            # Columns are read in turns, far apart in the file: a read-ahead cache would fetch most of it in vain.
            fs, path = storage.filesystem(uri)
            source = pa.PythonFile(fs.open(path, "rb", cache_type="none"), mode="r")
        # Without pre_buffer=False all column chunks would be read ahead, and kept to the end.
        with pq.ParquetFile(source, buffer_size=READ_BUFFER, pre_buffer=False) as file:
            yield file


@contextmanager
def open_parquet(file: ManifestFile) -> Iterator[pq.ParquetFile]:
    """Raises ManifestError where a file is damaged, StorageError where it cannot be read."""
    with _open_parquet(file.uri, content_of(file)) as parquet:
        yield parquet


def content_of(file: ManifestFile) -> bytes | None:
    """All of a file that is fetched as a whole; None for others. Raises StorageError."""
    return file.content if file.content is not None or not file.is_fetched_whole else _whole(file)


def fetched(files: Iterable[ManifestFile]) -> Iterator[ManifestFile]:
    """Files in order, those that are fetched whole with their content. Some requests are under way at a time."""
    ahead: deque[ManifestFile | Future[ManifestFile]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for file in files:
                to_fetch = file.is_fetched_whole and file.content is None
                ahead.append(pool.submit(_with_content, file) if to_fetch else file)
                if len(ahead) > _AT_ONCE:
                    yield _arrived(ahead.popleft())
            while ahead:
                yield _arrived(ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _with_content(file: ManifestFile) -> ManifestFile:
    return replace(file, content=_whole(file))


def _whole(file: ManifestFile | storage.FileInfo) -> bytes:
    return storage.read_bytes(file.uri, 0, file.size)  # without bounds, s3fs asks for the size first


def _arrived(file: ManifestFile | Future[ManifestFile]) -> ManifestFile:
    return file.result() if isinstance(file, Future) else file


@dataclass(frozen=True)
class _Footer:
    info: storage.FileInfo
    name: str
    metadata: pq.FileMetaData
    schema: pa.Schema
    content: bytes | None


def described_files(folder: str, found: list[storage.FileInfo]) -> tuple[ManifestFile, ...]:
    """What each file's footer tells. Raises ManifestError for what is not Parquet, StorageError."""
    sizes = accumulate(info.size if _is_small(info.uri, info.size) else 0 for info in found)
    kept = {info.uri for info, so_far in zip(found, sizes, strict=True) if so_far <= _KEPT_BYTES}

    def read(info: storage.FileInfo) -> _Footer:
        content = _whole(info) if _is_small(info.uri, info.size) else None
        with _open_parquet(info.uri, content) as file:
            of_file = file.metadata, file.schema_arrow, content if info.uri in kept else None
            return _Footer(info, path_below(folder, info.uri), *of_file)

    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(found))) as pool:
        footers = list(pool.map(read, found))
    starts = accumulate((footer.metadata.num_rows for footer in footers), initial=0)
    return tuple(_described(footer, start) for footer, start in zip(footers, starts, strict=False))


def _described(footer: _Footer, first_row: int) -> ManifestFile:
    metadata = footer.metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    toml = (metadata.metadata or {}).get(SCHEMA_METADATA.encode())
    folders = [part.partition("=") for part in footer.name.split("/")[:-1] if "=" in part]
    return ManifestFile(
        uri=footer.info.uri,
        name=footer.name,
        size=footer.info.size,
        num_rows=metadata.num_rows,
        first_row=first_row,
        groups=tuple((group.num_rows, group.total_byte_size) for group in groups),
        schema=footer.schema.remove_metadata(),
        label_schema_toml=toml.decode("utf-8", "replace") if toml is not None else None,
        partition=tuple((unquote(key), None if v == _HIVE_NULL else unquote(v)) for key, _, v in folders),
        content=footer.content,
        version=footer.info.version,
        intervals=frozenset(leaf.path.split(".")[0] for leaf in leaves if leaf.converted_type == "INTERVAL"),
    )


def unified_schema(files: Iterable[ManifestFile]) -> pa.Schema:
    """The manifest's own columns, then the further ones in a plain type that holds what every file has."""
    fields = {field.name: field for field in COLUMNS}
    origin: dict[str, str] = {}
    for file in files:
        for name in file.column_names:
            if name in COLUMNS.names or name in (ROW, DEFECT):
                continue
            field = pa.field(name, plain_type(file.column_type(name)))
            if name in fields:
                try:
                    field = field.with_type(common_type(fields[name].type, field.type))
                except pa.ArrowException as error:
                    raise ManifestError(
                        f"column {name!r} is {fields[name].type} in {origin[name]} and {field.type} in {file.name}; "
                        "write both in one type"
                    ) from error
            fields[name] = field
            origin.setdefault(name, file.name)
    return pa.schema([f.with_type(settled_type(f.type)) for f in fields.values()])


def missing_columns(file: ManifestFile) -> list[str]:
    """Required columns that a file lacks. Those of videos may be absent only where every row has stills."""
    names = set(file.column_names)
    missing = [] if "tracklet_id" in names else ["tracklet_id"]
    of_videos = [name for name in ("video_uri", "frame_indices") if name not in names]
    return missing + (of_videos if of_videos and not _all_stills(file) else [])


def _all_stills(file: ManifestFile) -> bool:
    if "image_uris" not in file.column_names:
        return False
    with open_parquet(file) as parquet:
        return all(batch.column(0).null_count == 0 for batch in parquet.iter_batches(columns=["image_uris"]))
