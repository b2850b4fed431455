"""Times without a look-up: Arrow and Python ask the system's time-zone database even for UTC, and slim containers have
none. An offset such as +00:00 they read themselves."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.types as pt

_OFFSET = "+00:00"


def to_pylist(values: pa.Array | pa.ChunkedArray | pa.RecordBatch | pa.Table) -> list[Any]:
    """As Arrow's own ``to_pylist``; a time that has a zone is a datetime in UTC, at any depth."""
    return with_offset(values).to_pylist()  # type: ignore[no-any-return]


def with_offset(values: Any) -> Any:
    """An array, chunked array, batch or table, whose times with a zone have the offset +00:00 instead."""
    if isinstance(values, pa.RecordBatch | pa.Table):
        fields = [field.with_type(offset_type(field.type)) for field in values.schema]
        schema = pa.schema(fields)
        return values if schema.equals(values.schema) else values.cast(schema)
    wanted = offset_type(values.type)
    return values if wanted == values.type else values.cast(wanted)


def offset_type(kind: pa.DataType) -> pa.DataType:
    """The type with +00:00 for every zone. Dictionaries and extension types stay as they are."""
    return with_zone(kind, _OFFSET)


def with_zone(kind: pa.DataType, zone: str) -> pa.DataType:
    """The type with ``zone`` for every zone; times without one stay without."""
    if pt.is_timestamp(kind):
        return kind if kind.tz is None else pa.timestamp(kind.unit, zone)
    if pt.is_struct(kind):
        return pa.struct([field.with_type(with_zone(field.type, zone)) for field in kind])
    if pt.is_map(kind):
        return pa.map_(
            kind.key_field.with_type(with_zone(kind.key_type, zone)),
            kind.item_field.with_type(with_zone(kind.item_type, zone)),
        )
    if pt.is_fixed_size_list(kind):
        return pa.list_(_value_field(kind, zone), kind.list_size)
    if pt.is_large_list(kind):
        return pa.large_list(_value_field(kind, zone))
    return pa.list_(_value_field(kind, zone)) if pt.is_list(kind) else kind


def _value_field(kind: Any, zone: str) -> pa.Field:
    return kind.value_field.with_type(with_zone(kind.value_type, zone))
