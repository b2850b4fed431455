"""A line names the columns that Spark refuses, and no others: Spark itself is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.table.schema import table_schema
from par_model.table.unread import unread_columns
from tests.guides.test_queries import skip_without

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
REFUSED = {
    "ns": pa.array([NOON], pa.timestamp("ns")),
    "ns_utc": pa.array([NOON], pa.timestamp("ns", "UTC")),
    "ns_inside": pa.array([[{"t": NOON}]], pa.list_(pa.struct([("t", pa.timestamp("ns"))]))),
    "ns_of_a_map": pa.array([[("a", NOON)]], pa.map_(pa.string(), pa.timestamp("ns"))),
    "time_ms": pa.array([1], pa.time32("ms")),
    "time_us": pa.array([1], pa.time64("us")),
    "time_ns": pa.array([1000], pa.time64("ns")),
}
READ = {
    "us": pa.array([NOON], pa.timestamp("us", "UTC")),
    "seconds": pa.array([NOON], pa.timestamp("s")),
    "day": pa.array([date(2026, 5, 1)]),
    "unsigned": pa.array([2**63 + 5], pa.uint64()),
    "digits": pa.array([Decimal("1.5")], pa.decimal128(38, 2)),
    "lasted": pa.array([timedelta(seconds=5)], pa.duration("us")),
    "pairs": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
    "vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)),
    "bytes": pa.array([b"\xff"], pa.binary(1)),
    "a name, with: signs": pa.array(["x"]),
}


def test_a_line_says_which_column_and_what_to_do() -> None:
    schema = pa.schema([(name, values.type) for name, values in (READ | REFUSED).items()])
    lines = list(unread_columns(schema))
    assert [line.split("column ")[1].split(",")[0] for line in lines] == list(REFUSED)
    assert lines[2].endswith("timestamp[ns]: for them, round it to microseconds in the manifest")
    assert lines[4].endswith("time32[ms]: for them, write it as text or seconds in the manifest")


def test_no_column_of_the_tables_own_is_unread() -> None:
    assert list(unread_columns(table_schema([], load_schema("mars"), embedding=True, embedding_width=4))) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_spark_refuses_these_and_no_others(tmp_path: Path) -> None:
    skip_without("pyspark")
    from pyspark.errors import AnalysisException
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    refused = []
    for number, (name, values) in enumerate((READ | REFUSED).items()):
        pq.write_table(pa.table({name: values}), tmp_path / f"{number}.parquet")
        try:
            assert len(spark.read.parquet(str(tmp_path / f"{number}.parquet")).collect()) == 1
        except AnalysisException:
            refused.append(name)
    assert refused == list(REFUSED)
