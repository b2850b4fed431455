"""Plain types for a manifest's further columns, so that whatever wrote them, every reader of the table can open it.

Views, dictionaries, runs, UUIDs, JSON, half floats and decimals of another width than 128 bits are how a tool keeps
values; some readers refuse a whole file that has one such column. Their plain types hold the same values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from par_model.times import offset_type, with_offset, with_zone

DECIMAL_DIGITS = 38  # what 128 bits, and SQL engines, have
_DOUBLE_DIGITS = 15  # decimal digits that a double keeps
_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_VARIANT = {"metadata", "value"}
_DASHES = (8, 12, 16, 20)


def further_problem(found: pa.DataType) -> str | None:
    """Why no plain type holds the values of a further column of type ``found``; None if one does."""
    if pt.is_decimal(found) and found.scale > DECIMAL_DIGITS:
        return f"column has type {found}, and tables hold at most {DECIMAL_DIGITS} digits: write text or double"
    if _is_variant(found):
        return "column is a variant, which only the tool that wrote it can read: write it as JSON text"
    return next((problem for problem in map(further_problem, _inner(found)) if problem is not None), None)


def plain_type(found: pa.DataType) -> pa.DataType:
    """The plain type of a column of type ``found``; a type that has a ``further_problem`` stays in part."""
    if pt.is_decimal(found) and not pt.is_decimal128(found) and found.scale <= DECIMAL_DIGITS:
        return pa.decimal128(min(found.precision, DECIMAL_DIGITS), found.scale)
    return with_zone(_carried(found, plain_type), "UTC")


def plain(values: pa.Array) -> pa.Array:
    """The same values in their plain type, but for zones and decimals, which a cast to it changes without help."""
    kind = values.type
    wanted = _carried(kind, _same)
    if kind == wanted:
        return values
    if isinstance(values, pa.DictionaryArray):
        indices, dictionary = values.indices, plain(values.dictionary)
        return pa.DictionaryArray.from_arrays(indices, dictionary).dictionary_decode()
    if isinstance(values, pa.RunEndEncodedArray):
        return plain(pc.run_end_decode(values))
    if isinstance(values, pa.ExtensionArray):
        return uuid_text(values.storage) if _is_uuid(kind) else plain(values.storage)
    if pt.is_string_view(kind) or pt.is_binary_view(kind) or pt.is_float16(kind):
        return values.cast(wanted)
    if pt.is_struct(kind):
        children = [plain(values.field(i)) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(wanted), mask=values.is_null())
    if pt.is_map(kind):
        ends = values.offsets.to_numpy()
        keys, items = (plain(part.slice(ends[0], ends[-1] - ends[0])) for part in (values.keys, values.items))
        return pa.MapArray.from_arrays(pa.array(ends - ends[0]), keys, items, type=wanted, mask=values.is_null())
    # By lengths: Arrow's own cast of list views with nulls gives wrong lists.
    lengths = np.asarray(pc.fill_null(pc.list_value_length(values), 0).to_numpy(), np.int64)
    made, offset = (pa.LargeListArray, pa.int64()) if pt.is_large_list(wanted) else (pa.ListArray, pa.int32())
    ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]), offset)
    return made.from_arrays(ends, plain(values.flatten()), type=wanted, mask=values.is_null())


def uuid_text(values: pa.Array) -> pa.Array:
    """UUIDs of 16 bytes as RFC 9562 writes them: 32 lower-case hex digits with four dashes."""
    filled = values.cast(pa.binary()).fill_null(b"\0" * 16)
    digits = np.frombuffer(b"".join(filled.to_pylist()).hex().encode(), np.uint8).reshape(-1, 32)
    text = np.insert(digits, _DASHES, ord("-"), axis=1)
    whole = pa.Array.from_buffers(pa.binary(36), len(values), [None, pa.py_buffer(np.ascontiguousarray(text))])
    return pc.if_else(values.is_valid(), whole.cast(pa.binary()).cast(pa.string()), None)


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The plain type that holds the values of two plain types, or is checked to when they are cast.

    Raises ArrowInvalid or ArrowTypeError where there is none.
    """
    pair = (one, other)
    decimals = [kind for kind in pair if pt.is_decimal(kind)]
    if decimals and any(pt.is_floating(kind) for kind in pair):
        if decimals[0].precision <= _DOUBLE_DIGITS:
            return pa.float64()
        raise pa.ArrowTypeError(f"{decimals[0]} has more digits than a double")
    if decimals and all(pt.is_decimal(kind) or pt.is_integer(kind) for kind in pair):
        exact = [k if pt.is_decimal(k) else pa.decimal128(_INTEGER_DIGITS[k.bit_width], 0) for k in pair]
        scale = max(k.scale for k in exact)
        return pa.decimal128(min(DECIMAL_DIGITS, max(k.precision - k.scale for k in exact) + scale), scale)
    schemas = [pa.schema([("column", kind)]) for kind in pair]
    return plain_type(pa.unify_schemas(schemas, promote_options="permissive").field(0).type)


def may_lose(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a value of a further column of type ``found`` may not fit its type in the manifest."""
    return plain_type(found) != wanted or _has_wide_decimal(found)


def settled_type(kind: pa.DataType) -> pa.DataType:
    """A plain type with text for what is null in every row, at any depth, and has no type of its own."""
    return pa.string() if pt.is_null(kind) else _carried(kind, settled_type)


def coarse_type(kind: pa.DataType) -> pa.DataType:
    """A plain type with microseconds for nanoseconds since an epoch, at any depth."""
    if pt.is_timestamp(kind):
        return pa.timestamp("us", kind.tz) if kind.unit == "ns" else kind
    return _carried(kind, coarse_type)


def coarse(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Values of a plain type in its ``coarse_type``, those with a zone as offsets from UTC; None where one is lost."""
    wanted = coarse_type(values.type)
    if wanted == values.type:
        return values
    try:
        return with_offset(values).cast(offset_type(wanted))
    except pa.ArrowInvalid:
        return None


def _same(kind: pa.DataType) -> pa.DataType:
    return _carried(kind, _same)


def _carried(found: pa.DataType, inner: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """The type without views, dictionaries, runs, half floats and extension types. inner: the same for the types
    within."""
    if _is_uuid(found) or pt.is_string_view(found):
        return pa.string()
    if isinstance(found, pa.BaseExtensionType):
        return inner(found.storage_type)
    if pt.is_dictionary(found) or pt.is_run_end_encoded(found):
        return inner(found.value_type)
    if pt.is_float16(found):
        return pa.float32()
    if pt.is_binary_view(found):
        return pa.binary()
    if pt.is_struct(found):
        return pa.struct([field.with_type(inner(field.type)) for field in found])
    if pt.is_map(found):
        return pa.map_(inner(found.key_type), inner(found.item_type))
    if not is_list_like(found) or (pt.is_fixed_size_list(found) and inner(found.value_type) == found.value_type):
        return found
    large = pt.is_large_list(found) or pt.is_large_list_view(found)
    return (pa.large_list if large else pa.list_)(found.value_field.with_type(inner(found.value_type)))


def is_list_like(found: pa.DataType) -> bool:
    """Lists of any kind."""
    kinds = (pt.is_list, pt.is_large_list, pt.is_fixed_size_list, pt.is_list_view, pt.is_large_list_view)
    return any(is_kind(found) for is_kind in kinds)


def _inner(found: pa.DataType) -> list[pa.DataType]:
    if isinstance(found, pa.BaseExtensionType):
        return [found.storage_type]
    if pt.is_dictionary(found) or pt.is_run_end_encoded(found):
        return [found.value_type]
    return [found.field(i).type for i in range(found.num_fields)]


def _is_uuid(found: pa.DataType) -> bool:
    return isinstance(found, pa.UuidType)


def _is_variant(found: pa.DataType) -> bool:
    """As Parquet's specification lays variants out: binary ``metadata`` and ``value``, and maybe ``typed_value``."""
    if not pt.is_struct(found):
        return False
    names = {field.name: field for field in found}
    return names.keys() - {"typed_value"} == _VARIANT and all(pt.is_binary(names[name].type) for name in _VARIANT)


def _has_wide_decimal(found: pa.DataType) -> bool:
    wide = pt.is_decimal(found) and found.precision > DECIMAL_DIGITS
    return wide or any(map(_has_wide_decimal, _inner(found)))
