"""How the table's Parquet files are laid out. benchmarks/layout.py measures what each choice is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 48 * 2**20  # in memory
_FALSE_POSITIVES = 0.01


def table_file(file: Any, schema: pa.Schema, rows: int, sort_by: Sequence[str] = ()) -> pq.ParquetWriter:
    """A writer of one file of the table.

    rows: of the largest row group, or of more. sort_by: columns by which each row group's rows are sorted, null last.
    """
    by_id = {"tracklet_id": {"ndv": max(1, rows), "fpp": _FALSE_POSITIVES}}
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        write_page_index=True,
        bloom_filter_options=by_id if "tracklet_id" in schema.names else None,
        sorting_columns=[pq.SortingColumn(_leaf(schema, name)) for name in sort_by] or None,
    )


def sorted_by(file: pq.ParquetFile) -> tuple[str, ...]:
    """The columns by which a file's rows are sorted, as it says itself."""
    if not file.num_row_groups:
        return ()
    leaves = file.metadata.schema
    found = file.metadata.row_group(0).sorting_columns
    return tuple(leaves.column(one.column_index).path for one in found)


def _leaf(schema: pa.Schema, name: str) -> int:
    """The number of a plain column among the leaves, by which Parquet counts."""
    return sum(_leaves(field.type) for field in list(schema)[: schema.get_field_index(name)])


def _leaves(kind: pa.DataType) -> int:
    if pt.is_nested(kind):
        return sum(_leaves(kind.field(i).type) for i in range(kind.num_fields))
    return 1
