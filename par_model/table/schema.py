"""The attribute table's columns, their order and their Arrow types."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import pyarrow as pa

from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.errors import ManifestError, UsageError

HEAD = (pa.field("status", pa.string()), pa.field("error", pa.string()), pa.field("message", pa.string()))
TAIL = (
    pa.field("sampled_frames", pa.list_(pa.int32())),
    pa.field("num_frames", pa.int32()),
    pa.field("model_id", pa.string()),
    pa.field("run_id", pa.string()),
)

_OF_EACH_ROW = ("message",)
_PARTITION_TYPES = "strings, integers, booleans, dates and timestamps"


def group_fields(group: AttributeGroup) -> tuple[pa.Field, pa.Field]:
    """A group's two columns: bool or string, and float32."""
    value = pa.bool_() if group.kind == "binary" else pa.string()
    return pa.field(group.column, value), pa.field(f"{group.column}_score", pa.float32())


def scores_type(schema: AttributeSchema) -> pa.StructType:
    """Struct of float32, one field a class, in schema order."""
    return pa.struct([pa.field(name, pa.float32()) for name in schema.score_fields])


def embedding_field(width: int | None) -> pa.Field:
    """Lists of float32, of a fixed size if there is a ``width``. What is in a list is never null, and says so:
    ClickHouse computes no distance of lists that may hold nulls."""
    element = pa.field("element", pa.float32(), nullable=False)
    return pa.field("embedding", pa.list_(element) if width is None else pa.list_(element, width))


def table_schema(
    passed_through: Sequence[pa.Field], schema: AttributeSchema, *, embedding: bool, embedding_width: int | None = None
) -> pa.Schema:
    """The Arrow schema of every file of the table.

    passed_through: the manifest's columns that the table keeps, ``tracklet_id`` among them, in the manifest's order.
    embedding_width: of lists of a fixed size; None for lists.

    Raises ManifestError if a manifest column, or SchemaError if a group, is called like one of the table's own.
    """
    by_name = {f.name: f for f in passed_through}
    groups = [field for group in schema.groups for field in group_fields(group)]
    fields = [
        pa.field("tracklet_id", pa.string()),
        *(f.with_nullable(True).remove_metadata() for name, f in by_name.items() if name != "tracklet_id"),
        *HEAD,
        *groups,
        pa.field("scores", scores_type(schema)),
        *TAIL,
        *([embedding_field(embedding_width)] if embedding else []),
    ]
    seen: set[str] = set()
    for field in fields:
        # DuckDB, Spark and Athena do not tell names apart by case.
        if field.name.lower() in seen:
            raise ManifestError(
                f"two columns of the table would be called {field.name!r}: rename the manifest's column or the group"
            )
        seen.add(field.name.lower())
    return pa.schema(fields)


def check_partition_columns(columns: Sequence[str], schema: pa.Schema) -> None:
    """Raises UsageError for a --partition-by that the table has no column for, or whose type is no folder name."""
    for index, name in enumerate(columns):
        if name in columns[:index]:
            raise UsageError(f"--partition-by {name} is given twice")
        if name not in schema.names:
            raise UsageError(f"--partition-by {name}: the table has no such column")
        if name.startswith(("_", ".")):
            raise UsageError(
                f"--partition-by {name}: pandas, pyarrow and Spark pass over folders whose name begins with "
                f"{name[0]!r}, and would read no row; rename the column"
            )
        if name in _OF_EACH_ROW:
            raise UsageError(f"--partition-by {name}: its values are sentences, which name no folders")
        if name != quote(name, safe=" "):
            raise UsageError(f"--partition-by {name!r}: a folder cannot spell this column's name; rename the column")
        kind = schema.field(name).type
        fits = (
            pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_integer(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_date(kind)
            or pa.types.is_timestamp(kind)
        )
        if name == "tracklet_id" or not fits:
            raise UsageError(f"--partition-by {name}: is {kind}; folders can be made of {_PARTITION_TYPES}, not of ids")
    if len(columns) == len(schema):
        raise UsageError("--partition-by names every column: leave at least one in the files")


def check_sort_columns(columns: Sequence[str], folders: Sequence[str], passed_through: Sequence[pa.Field]) -> None:
    """Raises UsageError for a --sort-by that is no column of the manifest with an order, or that is a folder.

    Results are not sorted by: a failed tracklet that is done again would have to move.
    """
    by_name = {field.name: field.type for field in passed_through}
    for index, name in enumerate(columns):
        if name in columns[:index]:
            raise UsageError(f"--sort-by {name} is given twice")
        if name not in by_name:
            raise UsageError(
                f"--sort-by {name}: is no column that the table has from the manifest, and rows are sorted by those"
            )
        if name in folders:
            raise UsageError(f"--sort-by {name}: it is a folder already, by --partition-by")
        if pa.types.is_nested(by_name[name]):
            raise UsageError(f"--sort-by {name}: is {by_name[name]}, which has no order")
