"""Columns that some engines cannot read, said before a job begins. Tests ask the engines which these are."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.types as pt


def unread_columns(schema: pa.Schema) -> Iterator[str]:
    """A line for each column of a table that Spark or Athena cannot read, with what to do."""
    for field in schema:
        found = _unread(field.type)
        if found is not None:
            kind, advice = found
            yield f"Spark and Athena cannot read the column {field.name}, which has the type {kind}: for them, {advice}"


def _unread(kind: pa.DataType) -> tuple[pa.DataType, str] | None:
    """The first type within that is not read, and what to do about it."""
    if pt.is_timestamp(kind) and kind.unit == "ns":
        return kind, "round it to microseconds in the manifest"
    if pt.is_time(kind):
        return kind, "write it as text or seconds in the manifest"
    inner = (kind.field(i).type for i in range(kind.num_fields))
    return next((found for found in map(_unread, inner) if found is not None), None)
