"""Casting a manifest's columns to their types: what other tools write is accepted, unless a value would be lost.

A column whose type cannot hold such values at all is "wrong-typed" (``type_problem``). A single value that does not
fit, such as 3 000 000 000 as an int32, makes its own row defective and becomes null (``cast_column``).
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from par_model.manifest.files import ManifestFile
from par_model.manifest.plain import further_problem, is_list_like, plain, plain_type, uuid_text
from par_model.manifest.schema import BOX_FIELDS, COLUMNS
from par_model.times import with_offset
from par_model.wording import one_line

# pandas writes whole numbers as floating ones where a value is missing.
_NUMBERED = ("camera_id", "split")
_IDS = ("tracklet_id", "camera_id")
_UUID_BYTES = 16


def type_problem(name: str, found: pa.DataType) -> str | None:
    """Why a column of type ``found`` cannot be the manifest's column ``name``; None if it can."""
    wanted = COLUMNS.field(name).type
    if _accepts(wanted, plain_type(found)) or (name in _NUMBERED and pt.is_floating(found)):
        return None
    if _is_bare_uuid(name, found):
        return None
    problem = f"column has type {found}, expected {wanted}"
    if name == "boxes" and are_listed(found):
        problem += "; `parjob manifest convert --box-format xywh` (or xyxy) makes it of lists of four"
    return problem


def are_listed(boxes: pa.DataType) -> bool:
    """Whether a column of boxes holds lists of lists of numbers."""
    kind = plain_type(boxes)
    if not is_list_like(kind) or not is_list_like(kind.value_type):
        return False
    number = kind.value_type.value_type
    return bool(pt.is_integer(number) or pt.is_floating(number) or pt.is_decimal(number))


def wrong_types(file: ManifestFile) -> dict[str, str]:
    """Those columns of a file that the manifest, or its table, cannot have in their type, each with the reason."""
    problems = {name: type_problem(name, file.column_type(name)) for name in COLUMNS.names if name in file.column_names}
    further = [name for name in file.column_names if name not in COLUMNS.names]
    problems |= {name: further_problem(file.column_type(name)) for name in further}
    problems |= dict.fromkeys(file.intervals, "column is an interval, which few tools read: write seconds, or text")
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
    values = uuid_text(values) if _is_bare_uuid(name, values.type) else plain(values)
    try:
        return _cast(values, wanted), [None] * len(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _cast_rows(name, values, wanted)


def _accepts(wanted: pa.DataType, found: pa.DataType) -> bool:
    if pt.is_null(found):
        return True
    if pt.is_list(wanted):
        return is_list_like(found) and _accepts(wanted.value_type, found.value_type)
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


def _is_bare_uuid(name: str, found: pa.DataType) -> bool:
    """16 bytes are a UUID whose mark a writer left out, where ids are meant."""
    return bool(name in _IDS and pt.is_fixed_size_binary(found) and found.byte_width == _UUID_BYTES)


def _is_text(found: pa.DataType) -> bool:
    # Some writers leave out Parquet's mark of text, which makes it binary on reading.
    kinds = (pt.is_string, pt.is_large_string, pt.is_binary, pt.is_large_binary)
    return any(is_kind(found) for is_kind in kinds)


def _cast(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pt.is_timestamp(wanted):
        # Cameras do not know the time to the microsecond: what is finer is rounded down, not refused.
        if pt.is_timestamp(values.type) and wanted.unit == "ms":
            values = pc.floor_temporal(with_offset(values), unit="millisecond")
        return values.cast(wanted)
    if pt.is_string(wanted) and pt.is_floating(values.type):
        values = values.cast(pa.int64())  # refuses what is no whole number
    if pt.is_decimal(wanted) and pt.is_integer(values.type):
        values = values.cast(
            pa.decimal128(20, 0)
        )  # Arrow asks for room for every integer, not for those that are there
    return values.cast(wanted)


def _cast_rows(name: str, values: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[str | None]]:
    """Halve until the rows whose values do not fit stand alone."""
    # Taking copies: a slice would still carry the values of the rows outside it, and a cast sees those.
    compact = values.take(pa.array(range(len(values))))
    try:
        return _cast(compact, wanted), [None] * len(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if len(values) == 1:
            # A list keeps its length, which is the number of frames of a row that fails.
            lost = [None] * len(values[0]) if pt.is_list(wanted) else None
            return pa.array([lost], wanted), [f"{name}: does not fit {wanted}: {one_line(error)}"]
    half = len(values) // 2
    left, left_reasons = _cast_rows(name, values.slice(0, half), wanted)
    right, right_reasons = _cast_rows(name, values.slice(half), wanted)
    return pa.concat_arrays([left, right]), left_reasons + right_reasons
