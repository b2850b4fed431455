"""The types in which catalogs hold what the files have: Iceberg and Delta know fewer than Arrow.

Readers turn a file's values into these without losing any. https://iceberg.apache.org/spec/#primitive-types and
https://github.com/delta-io/delta/blob/master/PROTOCOL.md#primitive-types list what there is; pyiceberg 0.12 and
deltalake 1.6 read less than that: no nanoseconds, and pyiceberg no zone but UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pyarrow as pa
import pyarrow.types as pt

Format = Literal["iceberg", "delta"]

_WIDER = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}
_AS_THEY_ARE = (pt.is_boolean, pt.is_signed_integer, pt.is_float32, pt.is_float64, pt.is_decimal128)


def held_type(kind: pa.DataType, form: Format) -> pa.DataType | None:
    """The type that holds all values of ``kind``; None where there is none. Any value of it may be null."""
    if pt.is_struct(kind):
        return _of_parts([field.type for field in kind], form, lambda held: pa.struct(_named(kind, held)))
    if pt.is_map(kind):
        return _of_parts([kind.key_type, kind.item_type], form, lambda held: pa.map_(*held))
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return _of_parts([kind.value_type], form, lambda held: pa.list_(pa.field("element", held[0])))
    if pt.is_dictionary(kind):
        return held_type(kind.value_type, form)
    return _held_scalar(kind, form)


def _of_parts(
    kinds: list[pa.DataType], form: Format, whole: Callable[[list[pa.DataType]], pa.DataType]
) -> pa.DataType | None:
    held = [held_type(kind, form) for kind in kinds]
    return None if any(one is None for one in held) else whole(held)


def _named(struct: pa.StructType, held: list[pa.DataType]) -> list[pa.Field]:
    return [pa.field(field.name, kind) for field, kind in zip(struct, held, strict=True)]


def _held_scalar(kind: pa.DataType, form: Format) -> pa.DataType | None:
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return pa.string()
    if pt.is_fixed_size_binary(kind) and form == "iceberg":
        return kind
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind) or pt.is_binary_view(kind):
        return pa.binary()
    if pt.is_timestamp(kind):
        # A zone is how a moment is shown; in the file it is of UTC.
        is_read = kind.unit != "ns" and (kind.tz in (None, "UTC", "+00:00") or form == "delta")
        return pa.timestamp("us", None if kind.tz is None else "UTC") if is_read else None
    if pt.is_date(kind):
        return pa.date32()
    if pt.is_time64(kind) and kind.unit == "us":
        return kind if form == "iceberg" else None
    return kind if any(fits(kind) for fits in _AS_THEY_ARE) else _WIDER.get(kind)
