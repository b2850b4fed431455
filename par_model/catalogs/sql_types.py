"""Arrow's types as the engines' SQL spells them.

Unsigned integers come as the next larger signed ones, which hold all of their values. Sources: the types that
https://duckdb.org/docs/stable/sql/data_types/overview, https://spark.apache.org/docs/latest/sql-ref-datatypes.html,
https://docs.aws.amazon.com/athena/latest/ug/data-types.html, https://trino.io/docs/current/language/types.html,
https://clickhouse.com/docs/sql-reference/data-types and
https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

_KINDS: tuple[tuple[str, Callable[[pa.DataType], bool]], ...] = (
    ("string", lambda t: pa.types.is_string(t) or pa.types.is_large_string(t)),
    ("binary", lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t)),
    ("moment", lambda t: pa.types.is_timestamp(t) and t.tz is not None and t.unit != "ns"),
    ("timestamp", lambda t: pa.types.is_timestamp(t) and t.tz is None and t.unit != "ns"),
    ("date", pa.types.is_date),
    ("bool", pa.types.is_boolean),
    ("decimal", pa.types.is_decimal),
)


def _kind(kind: pa.DataType) -> str:
    return next((name for name, fits in _KINDS if fits(kind)), str(kind))


@dataclass(frozen=True)
class SqlTypes:
    """One engine's spelling. scalars: by kind, or by Arrow's own name of it; a kind that is not there has no type.
    array, struct, field: of a list, a struct and a field of it. map: of keys and values, None where there is no such
    type. quote: what names stand in, twice where it ends one. escape: what stands before a quote within a string, and
    before itself if it is no quote. escapes_names: whether the same is so within a name. nullable: how a value that may
    be null is spelled."""

    scalars: Mapping[str, str]
    array: str = "array<{}>"
    map: str | None = "map<{},{}>"
    struct: str = "struct<{}>"
    field: str = "{}:{}"
    quote: str = "`"
    escape: str = "'"
    escapes_names: bool = False
    nullable: str = "{}"

    def name(self, name: str) -> str:
        """A column's or a table's name, quoted."""
        return _quoted(name, self.quote, self.escape if self.escapes_names else self.quote)

    def text(self, text: str) -> str:
        """A string, quoted."""
        return _quoted(text, "'", self.escape)

    def of(self, kind: pa.DataType, *, nullable: bool = True) -> str | None:
        """The type's spelling; None where the engine has none for it."""
        if pa.types.is_struct(kind):
            fields = [(self.name(field.name), self.of(field.type)) for field in kind]
            if any(spelled is None for _, spelled in fields):
                return None
            return self.struct.format(", ".join(self.field.format(name, spelled) for name, spelled in fields))
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            spelled = self.of(kind.value_type, nullable=kind.value_field.nullable)
            return None if spelled is None else self.array.format(spelled)
        if pa.types.is_map(kind):
            key, value = self.of(kind.key_type, nullable=False), self.of(kind.item_type)
            return None if self.map is None or key is None or value is None else self.map.format(key, value)
        scalar = self.scalars.get(_kind(kind))
        if scalar is None:
            return None
        if pa.types.is_decimal(kind):
            scalar = scalar.format(kind.precision, kind.scale)
        return self.nullable.format(scalar) if nullable else scalar


def _quoted(text: str, quote: str, escape: str) -> str:
    escaped = text if escape == quote else text.replace(escape, escape * 2)
    return f"{quote}{escaped.replace(quote, escape + quote)}{quote}"


def _signed(tiny: str, small: str, whole: str, big: str, unsigned_big: str) -> dict[str, str]:
    """Integers by width, and unsigned ones in the width that holds them."""
    signed = {"int8": tiny, "int16": small, "int32": whole, "int64": big}
    return signed | {"uint8": small, "uint16": whole, "uint32": big, "uint64": unsigned_big}


_HIVE = _signed("tinyint", "smallint", "int", "bigint", "decimal(20,0)") | {
    "string": "string",
    "binary": "binary",
    "bool": "boolean",
    "float": "float",
    "double": "double",
    "date": "date",
    "moment": "timestamp",
    "timestamp": "timestamp",
    "decimal": "decimal({},{})",
}

ATHENA = SqlTypes(_HIVE, escape="\\")
SPARK = SqlTypes(_HIVE | {"timestamp": "timestamp_ntz"}, escape="\\")
TRINO = SqlTypes(
    _HIVE
    | {
        "int32": "integer",
        "uint16": "integer",
        "string": "varchar",
        "binary": "varbinary",
        "float": "real",
        "moment": "timestamp(3)",
        "timestamp": "timestamp(3)",
    },
    array="array({})",
    map="map({}, {})",
    struct="row({})",
    field="{} {}",
    quote='"',
)
DUCKDB = SqlTypes(
    {
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "uint8": "UTINYINT",
        "uint16": "USMALLINT",
        "uint32": "UINTEGER",
        "uint64": "UBIGINT",
        "string": "VARCHAR",
        "bool": "BOOLEAN",
        "date": "DATE",
        "moment": "TIMESTAMPTZ",
        "timestamp": "TIMESTAMP",
    },
    quote='"',
)
CLICKHOUSE = SqlTypes(
    {
        **{f"{sign}int{bits}": f"{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
        "string": "String",
        "binary": "String",
        "bool": "Bool",
        "float": "Float32",
        "double": "Float64",
        "date": "Date32",
        "moment": "DateTime64(6, 'UTC')",
        "timestamp": "DateTime64(6, 'UTC')",
        "decimal": "Decimal({}, {})",
    },
    array="Array({})",
    map="Map({}, {})",
    struct="Tuple({})",
    field="{} {}",
    escape="\\",
    escapes_names=True,
    nullable="Nullable({})",
)
BIGQUERY = SqlTypes(
    dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"), "INT64")
    | {
        "string": "STRING",
        "binary": "BYTES",
        "bool": "BOOL",
        "float": "FLOAT64",
        "double": "FLOAT64",
        "date": "DATE",
        "moment": "TIMESTAMP",
        "timestamp": "DATETIME",
        "time64[us]": "TIME",
        "decimal": "NUMERIC({}, {})",
    },
    array="ARRAY<{}>",
    map=None,
    struct="STRUCT<{}>",
    field="{} {}",
    escape="\\",
    escapes_names=True,
)
