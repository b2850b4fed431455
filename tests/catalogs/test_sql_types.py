"""Types, names and texts as each engine's SQL spells them. Real engines read them in test_ddl.py."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.catalogs.sql_types import ATHENA, BIGQUERY, CLICKHOUSE, DUCKDB, SPARK, TRINO, SqlTypes

MOMENT, LOCAL = pa.timestamp("ms", "UTC"), pa.timestamp("us")
NESTED = pa.list_(pa.field("item", pa.struct([("a`b", pa.uint32()), ("c", pa.string())]), nullable=False))


@pytest.mark.parametrize(
    ("engine", "kind", "spelled"),
    [
        (ATHENA, pa.uint64(), "decimal(20,0)"),
        (ATHENA, pa.decimal128(12, 3), "decimal(12,3)"),
        (ATHENA, NESTED, "array<struct<`a``b`:bigint, `c`:string>>"),
        (ATHENA, pa.timestamp("ns"), None),
        (SPARK, MOMENT, "timestamp"),
        (SPARK, LOCAL, "timestamp_ntz"),
        (SPARK, pa.map_(pa.string(), pa.int8()), "map<string,tinyint>"),
        (TRINO, pa.list_(pa.float32()), "array(real)"),
        (TRINO, pa.struct([("a", pa.int32())]), 'row("a" integer)'),
        (DUCKDB, MOMENT, "TIMESTAMPTZ"),
        (DUCKDB, pa.date32(), "DATE"),
        (CLICKHOUSE, pa.int32(), "Nullable(Int32)"),
        (CLICKHOUSE, pa.list_(pa.field("item", pa.int8(), nullable=False)), "Array(Int8)"),
        (CLICKHOUSE, pa.map_(pa.string(), pa.int8()), "Map(String, Nullable(Int8))"),
        (BIGQUERY, pa.map_(pa.string(), pa.int8()), None),
        (BIGQUERY, pa.list_(pa.uint64()), None),
        (BIGQUERY, pa.time64("us"), "TIME"),
    ],
)
def test_a_type_is_spelled_or_the_engine_has_none(engine: SqlTypes, kind: pa.DataType, spelled: str | None) -> None:
    assert engine.of(kind) == spelled


@pytest.mark.parametrize(
    ("engine", "text", "quoted"),
    [
        (TRINO, r"it's a\b", r"'it''s a\b'"),
        (ATHENA, r"it's a\b", r"'it\'s a\\b'"),
        (SPARK, r"it's a\b", r"'it\'s a\\b'"),
        (BIGQUERY, "''", r"'\'\''"),
        (DUCKDB, "", "''"),
    ],
)
def test_a_text_ends_where_it_should(engine: SqlTypes, text: str, quoted: str) -> None:
    assert engine.text(text) == quoted


def test_a_name_stands_in_the_engines_quotes() -> None:
    assert DUCKDB.name('a"b`c') == '"a""b`c"'
    assert SPARK.name('a"b`c') == '`a"b``c`'
    assert SPARK.name(r"a\nb") == r"`a\nb`"
    assert CLICKHOUSE.name(r"a\nb`c") == BIGQUERY.name(r"a\nb`c") == r"`a\\nb\`c`"


@pytest.mark.slow  # since only `make test-slow` installs engines
def test_clickhouse_reads_columns_of_odd_names(tmp_path: Path) -> None:
    chdb = pytest.importorskip("chdb.session", reason="chdb is not installed")
    columns = {r"a\nb": [1], "c`d": [2], "e\"f'": [3], "?{}*": [4]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    told = ", ".join(f"{CLICKHOUSE.name(name)} {CLICKHOUSE.of(pa.int32())}" for name in columns)
    place = CLICKHOUSE.text(str(tmp_path / "t.parquet"))
    session = chdb.Session(str(tmp_path / "chdb"))
    try:
        found = session.query(f"SELECT * FROM file({place}, 'Parquet', {CLICKHOUSE.text(told)})", "JSONCompact")
    finally:
        session.close()
    assert json.loads(str(found))["data"] == [[1, 2, 3, 4]]
