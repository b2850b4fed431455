"""How the table's Parquet files are laid out. benchmarks/layout.py measures what each choice is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 12 * 2**20  # in memory
_FALSE_POSITIVES = 0.01


def table_file(file: Any, schema: pa.Schema, sort_by: Sequence[str] = ()) -> pq.ParquetWriter:
    """A writer of one file of the table. sort_by: columns by which its rows are sorted, null last."""
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    by_id = {"tracklet_id": {"ndv": ROW_GROUP_ROWS, "fpp": _FALSE_POSITIVES}}  # Arrow makes it as small as it can be
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        # Scores and embeddings hardly repeat: dictionaries of them only take room.
        use_dictionary=[leaf for leaf, kind in leaves if not pt.is_floating(kind)],
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
    before = list(schema)[: schema.get_field_index(name)]
    return sum(len(_leaves(field.name, field.type)) for field in before)


def _leaves(path: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    """The plain columns that Parquet makes of a column, by their paths, with their types."""
    if pt.is_map(kind):
        inside = [(f"{path}.key_value.key", kind.key_type), (f"{path}.key_value.value", kind.item_type)]
    elif pt.is_struct(kind):
        inside = [(f"{path}.{field.name}", field.type) for field in kind]
    elif pt.is_nested(kind):
        inside = [(f"{path}.list.element", kind.value_type)]
    else:
        return [(path, kind)]
    return [leaf for name, of in inside for leaf in _leaves(name, of)]
