"""Casting a manifest's columns to their types: what other tools write is accepted, unless a value would be lost.

A column whose type cannot hold such values at all is "wrong-typed" (``type_problem``). A single value that does not
fit, such as 3 000 000 000 as an int32, makes its own row defective and becomes null (``cast_column``).
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from par_model.manifest.files import ManifestFile
from par_model.manifest.schema import BOX_FIELDS, COLUMNS

# pandas writes whole numbers as floating ones where a value is missing.
_NUMBERED = ("camera_id", "split")


def type_problem(name: str, found: pa.DataType) -> str | None:
    """Why a column of type ``found`` cannot be the manifest's column ``name``; None if it can."""
    wanted = COLUMNS.field(name).type
    if _accepts(wanted, found) or (name in _NUMBERED and pt.is_floating(found)):
        return None
    return f"column has type {found}, expected {wanted}"


def wrong_types(file: ManifestFile) -> dict[str, str]:
    """Those of the manifest's own columns that a file has in a wrong type, each with the reason."""
    problems = {name: type_problem(name, file.column_type(name)) for name in COLUMNS.names if name in file.column_names}
    return {name: problem for name, problem in problems.items() if problem is not None}


def cast_column(name: str, values: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[str | None]]:
    """A column in the type ``wanted``, and for each row the reason why its values became null, or None.

    A reason starts with the column's name and a colon.
    """
    problem = type_problem(name, values.type) if name in COLUMNS.names else None
    if problem is not None:
        reasons = [f"{name}: {problem}" if valid else None for valid in values.is_valid().to_pylist()]
        return pa.nulls(len(values), wanted), reasons
    if values.type == wanted:
        return values, [None] * len(values)
    values = _plain(values)
    try:
        return _cast(values, wanted), [None] * len(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _cast_rows(name, values, wanted)


def _accepts(wanted: pa.DataType, found: pa.DataType) -> bool:
    if pt.is_null(found):
        return True
    if pt.is_dictionary(found):
        return _accepts(wanted, found.value_type)
    if pt.is_list(wanted):
        return _is_list_like(found) and _accepts(wanted.value_type, found.value_type)
    if pt.is_struct(wanted):
        return pt.is_struct(found) and all(
            len(found.get_all_field_indices(field)) == 1 and _accepts(wanted.field(field).type, found.field(field).type)
            for field in BOX_FIELDS
        )
    if pt.is_string(wanted):
        return _is_text(found) or pt.is_integer(found)
    if pt.is_timestamp(wanted):
        return bool(pt.is_timestamp(found) or pt.is_date(found))
    if pt.is_int8(wanted) and pt.is_boolean(found):
        return True
    return bool(pt.is_integer(found) or pt.is_floating(found) or pt.is_decimal(found))


def _is_text(found: pa.DataType) -> bool:
    # Some writers leave out Parquet's mark of text, which makes it binary on reading.
    return any(
        is_kind(found)
        for is_kind in (
            pt.is_string,
            pt.is_large_string,
            pt.is_string_view,
            pt.is_binary,
            pt.is_large_binary,
            pt.is_binary_view,
        )
    )


def _is_list_view(found: pa.DataType) -> bool:
    return bool(pt.is_list_view(found) or pt.is_large_list_view(found))


def _is_list_like(found: pa.DataType) -> bool:
    return bool(pt.is_list(found) or pt.is_large_list(found) or pt.is_fixed_size_list(found) or _is_list_view(found))


def _plain(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if _is_list_view(values.type):
        # Arrow's own cast of list views with nulls gives wrong lists.
        values = pa.array(values.to_pylist(), pa.list_(values.type.value_type))
    return values


def _cast(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pt.is_timestamp(wanted):
        # Cameras do not know the time to the microsecond: what is finer is rounded down, not refused.
        if pt.is_timestamp(values.type) and values.type.unit in ("us", "ns"):
            values = pc.floor_temporal(values, unit="millisecond")
        return values.cast(wanted)
    if pt.is_string(wanted) and pt.is_floating(values.type):
        values = values.cast(pa.int64())  # refuses what is no whole number
    return values.cast(wanted)


def _cast_rows(name: str, values: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[str | None]]:
    """Halve until the rows whose values do not fit stand alone."""
    # Taking copies: a slice would still carry the values of the rows outside it, and a cast sees those.
    compact = values.take(pa.array(range(len(values))))
    try:
        return _cast(compact, wanted), [None] * len(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if len(values) == 1:
            line = " ".join(str(error).split())
            # A list keeps its length, which is the number of frames of a row that fails.
            lost = [None] * len(values[0]) if pt.is_list(wanted) else None
            return pa.array([lost], wanted), [f"{name}: does not fit {wanted}: {line}"]
    half = len(values) // 2
    left, left_reasons = _cast_rows(name, values.slice(0, half), wanted)
    right, right_reasons = _cast_rows(name, values.slice(half), wanted)
    return pa.concat_arrays([left, right]), left_reasons + right_reasons
