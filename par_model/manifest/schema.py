"""The manifest's columns, and the names that its further columns must not take.

One row is one tracklet. Required are ``tracklet_id``, and either ``video_uri`` with ``frame_indices`` or
``image_uris``; every other column may be absent, which means null. Any further column is passed through to the
attribute table.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import pyarrow as pa

from par_model.attributes.attribute_schema import RESULT_COLUMNS, AttributeSchema

BOX_FIELDS = ("x", "y", "w", "h")
BOX = pa.struct([(name, pa.float32()) for name in BOX_FIELDS])

COLUMNS = pa.schema(
    [
        ("tracklet_id", pa.string()),
        ("video_uri", pa.string()),
        ("image_uris", pa.list_(pa.string())),
        ("frame_indices", pa.list_(pa.int32())),
        ("boxes", pa.list_(BOX)),
        ("camera_id", pa.string()),
        ("start_time", pa.timestamp("ms", tz="UTC")),
        ("split", pa.string()),
        ("labels", pa.list_(pa.int8())),
        ("video_stream", pa.int32()),
    ]
)

SPLITS = ("train", "val", "test")
LABEL_VALUES = (1, 0, -1)

# File metadata that holds the TOML text of the attribute schema of `labels`.
SCHEMA_METADATA = "par.schema"

# What describes the frames themselves stays in the manifest; all other columns appear in the attribute table.
NOT_PASSED_THROUGH = ("image_uris", "frame_indices", "boxes", "labels")

# Columns that reading adds: the row's position in the manifest, and why its values do not fit the columns' types.
ROW = "_row"
DEFECT = "_defect"


def reserved_columns(schema: AttributeSchema | None = None) -> frozenset[str]:
    """Names, in lower case, that a manifest's further columns must not have: the attribute table's own."""
    groups = schema.columns if schema is not None else ()
    return frozenset(name.lower() for name in (*RESULT_COLUMNS, ROW, DEFECT, *groups))


def colliding_columns(names: Iterable[str], schema: AttributeSchema | None = None) -> dict[str, str]:
    """Columns of a manifest that the attribute table could not hold, each with the reason.

    Names are compared without case, as DuckDB and Athena do.
    """
    reserved = reserved_columns(schema)
    known = set(COLUMNS.names)
    reasons: dict[str, str] = {}
    for lower, group in groupby(sorted(names, key=str.lower), key=str.lower):
        spellings = list(group)
        for name in spellings:
            if name in known and spellings.count(name) == 1:
                continue
            if lower in reserved:
                reasons[name] = f"column {name!r} has the name of a column of the attribute table; rename it"
            elif lower in known and name not in known:
                reasons[name] = f"column {name!r} differs from {lower!r} only in case; rename one"
            elif len(spellings) > 1:
                others = ", ".join(repr(other) for other in spellings)
                reasons[name] = f"columns {others} are the same name where case does not count; rename one"
    return reasons
