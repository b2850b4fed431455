"""Writing a manifest: one Parquet file, clustered by video, that appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.manifest.schema import COLUMNS, SCHEMA_METADATA
from par_model.overwriting import refuse_other_kind

# A row group ends with a video once it has so many rows, and at the latest at the maximum.
_GROUP_ROWS = 512
_GROUP_ROWS_MAX = 4096


def refuse_no_manifest(uri: str) -> None:
    """Raises UsageError where something is at ``uri`` that is no Parquet file, and would be lost."""
    refuse_other_kind(uri, f"output {uri}", "Parquet file", lambda start: start.startswith(b"PAR1"))


def write_manifest(
    uri: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    further: Sequence[pa.Field] = (),
    label_schema: AttributeSchema | None = None,
) -> int:
    """Write rows (column -> value; what is absent is null) over the manifest that is at ``uri``; return their number.

    Rows come out clustered by video, in the order given within one. further: fields of columns beyond the
    manifest's own, of which ``video_stream`` is written only where a row has it.
    label_schema: kept in the file's metadata, so that the labels are known by name. Raises StorageError, and UsageError
    where ``uri`` is a file that is no Parquet.
    """
    refuse_no_manifest(uri)
    rows = list(rows)
    has_streams = any(row.get("video_stream") is not None for row in rows)
    schema = pa.schema([field for field in [*COLUMNS, *further] if has_streams or field.name != "video_stream"])
    if label_schema is not None:
        schema = schema.with_metadata({SCHEMA_METADATA: label_schema.to_toml()})
    clustered = sorted(rows, key=lambda row: (row.get("video_uri") is None, row.get("video_uri") or ""))
    with storage.atomic_writer(uri) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _row_groups(clustered):
            writer.write_table(pa.Table.from_pylist(group, schema=schema), row_group_size=len(group))
    return len(clustered)


def write_manifest_tables(uri: str, tables: Iterable[pa.Table], schema: pa.Schema, before: storage.Before) -> int:
    """Write tables of ``schema``, one for each video, in that order; return the number of rows.

    No more than a row group is in memory. before: as of ``storage.atomic_writer``. Raises StorageError.
    """
    rows = 0
    with storage.atomic_writer(uri, before) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        for table in tables:
            waiting.append(table)
            rows += len(table)
            if sum(map(len, waiting)) >= _GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting), row_group_size=_GROUP_ROWS_MAX)
                waiting = []
        writer.write_table(pa.concat_tables([*waiting, schema.empty_table()]), row_group_size=_GROUP_ROWS_MAX)
    return rows


def _row_groups(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for row in rows:
        new_video = bool(group) and row.get("video_uri") != group[-1].get("video_uri")
        if len(group) >= _GROUP_ROWS_MAX or (new_video and len(group) >= _GROUP_ROWS):
            yield group
            group = []
        group.append(dict(row))
    if group:
        yield group
