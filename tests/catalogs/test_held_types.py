"""Types in which catalogs hold what the files have: no value is lost, or there is none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from par_model.catalogs.held_types import Format, held_type

BOTH: tuple[Format, ...] = ("iceberg", "delta")


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    ("kind", "held"),
    [
        (pa.int8(), pa.int8()),
        (pa.uint8(), pa.int16()),
        (pa.uint16(), pa.int32()),
        (pa.uint32(), pa.int64()),
        (pa.uint64(), None),
        (pa.float16(), None),
        (pa.large_string(), pa.string()),
        (pa.large_binary(), pa.binary()),
        (pa.date64(), pa.date32()),
        (pa.timestamp("s"), pa.timestamp("us")),
        (pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC")),
        (pa.timestamp("ns"), None),
        (pa.duration("s"), None),
        (pa.decimal128(20, 3), pa.decimal128(20, 3)),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.list_(pa.uint8()), pa.list_(pa.field("element", pa.int16()))),
        (pa.list_(pa.float32(), 4), pa.list_(pa.field("element", pa.float32()))),
        (pa.list_(pa.uint64()), None),
        (pa.map_(pa.large_string(), pa.uint8()), pa.map_(pa.string(), pa.int16())),
        (pa.struct([("a", pa.uint16()), ("b", pa.bool_())]), pa.struct([("a", pa.int32()), ("b", pa.bool_())])),
        (pa.struct([("a", pa.uint64())]), None),
    ],
)
def test_a_type_holds_every_value_or_there_is_none(kind: pa.DataType, held: pa.DataType | None, form: Format) -> None:
    assert held_type(kind, form) == held


@pytest.mark.parametrize(
    ("kind", "iceberg", "delta"),
    [
        (pa.binary(16), pa.binary(16), pa.binary()),
        (pa.time64("us"), pa.time64("us"), None),
        (pa.timestamp("us", "Europe/Paris"), None, pa.timestamp("us", "UTC")),
    ],
)
def test_where_the_two_differ(kind: pa.DataType, iceberg: pa.DataType | None, delta: pa.DataType | None) -> None:
    assert (held_type(kind, "iceberg"), held_type(kind, "delta")) == (iceberg, delta)
