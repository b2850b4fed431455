"""What tools make of a camera that is asked for as a number: the table of docs/queries.md, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from par_model.table.writer import TableWriter
from tests.blocks import ROOT
from tests.guides.test_queries import OTHERS, skip_without

SCHEMA = pa.schema([("tracklet_id", pa.string()), ("camera_id", pa.string())])
NUMBERS = ["3", "03", "10", None]
CAMERAS = {"numbers": NUMBERS, "names": [*NUMBERS, "Zürich 1"]}
Ask = Callable[[str], list[Any]]

BOTH = ["03", "3"]
ONE = ["3"]
NONE: list[str] = []
ERROR = "an error"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tables")
    for name, cameras in CAMERAS.items():
        rows = [{"tracklet_id": str(i), "camera_id": camera} for i, camera in enumerate(cameras)]
        with TableWriter(str(place / name), SCHEMA) as writer:
            writer.write(pa.Table.from_pylist(rows, schema=SCHEMA))
    return place


def by_duckdb(condition: str) -> Ask:
    return lambda table: [
        row[0] for row in duckdb.sql(f"SELECT camera_id FROM '{table}/*.parquet' WHERE {condition}").fetchall()
    ]


def by_datafusion(table: str) -> list[Any]:
    from datafusion import SessionContext

    context = SessionContext()
    context.register_parquet("t", table)
    found = context.sql("SELECT camera_id FROM t WHERE camera_id = 3").to_arrow_table()
    return list(found["camera_id"].to_pylist())


def by_spark(table: str) -> list[Any]:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    return [row["camera_id"] for row in spark.read.parquet(table).where("camera_id = 3").collect()]


def by_clickhouse(condition: str) -> Ask:
    def ask(table: str) -> list[Any]:
        from chdb import session

        asked = f"SELECT camera_id FROM file('{table}/*.parquet', Parquet) WHERE {condition}"
        return list(session.Session().query(asked, "ArrowTable")["camera_id"].to_pylist())

    return ask


def by_polars_sql(table: str) -> list[Any]:
    return pl.scan_parquet(table).sql("SELECT camera_id FROM self WHERE camera_id = 3").collect()["camera_id"].to_list()


def by_polars(table: str) -> list[Any]:
    return pl.scan_parquet(table).filter(pl.col("camera_id") == 3).collect()["camera_id"].to_list()


def by_pandas(table: str) -> list[Any]:
    return list(pd.read_parquet(table).query("camera_id == 3")["camera_id"])


def by_pyarrow(table: str) -> list[Any]:
    return ds.dataset(table).to_table(filter=ds.field("camera_id") == 3)["camera_id"].to_pylist()


# By the first cell of a row of the page: what it needs, how to ask, and what comes of each set of cameras.
ASKED: dict[str, tuple[str | None, Ask, Any, Any]] = {
    "DuckDB, `camera_id = 3`": (None, by_duckdb("camera_id = 3"), BOTH, ERROR),
    "DuckDB, `camera_id IN (3)`": (None, by_duckdb("camera_id IN (3)"), BOTH, ERROR),
    "DuckDB, `camera_id < 9`": (None, by_duckdb("camera_id < 9"), ERROR, ERROR),
    "DataFusion, `camera_id = 3`": ("datafusion", by_datafusion, BOTH, ERROR),
    "Spark, `camera_id = 3`": ("pyspark", by_spark, BOTH, ERROR),
    "Polars, `camera_id = 3` in SQL": (None, by_polars_sql, ONE, ONE),
    'Polars, `pl.col("camera_id") == 3`': (None, by_polars, ERROR, ERROR),
    "ClickHouse, `camera_id = 3`": ("chdb", by_clickhouse("camera_id = 3"), ERROR, ERROR),
    "ClickHouse, `camera_id IN (3)`": ("chdb", by_clickhouse("camera_id IN (3)"), ONE, ONE),
    "pandas, `camera_id == 3`": (None, by_pandas, NONE, NONE),
    'pyarrow, `ds.field("camera_id") == 3`': (None, by_pyarrow, ERROR, ERROR),
}
WORDS = {str(BOTH): "**`3` and `03`**", str(ONE): "`3`", str(NONE): "**nothing**", ERROR: "an error"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=OTHERS if row[0] else []) for name, row in ASKED.items()])
def test_a_camera_asked_for_as_a_number_gives_what_the_page_says(name: str, tables: Path) -> None:
    engine, ask, *wanted = ASKED[name]
    skip_without(engine)
    found: list[Any] = []
    for cameras in CAMERAS:
        try:
            found.append(sorted(ask(str(tables / cameras))))
        except Exception:  # noqa: BLE001  # DataFusion raises no narrower one
            found.append(ERROR)
    assert found == wanted


def test_the_page_has_a_row_for_each_of_these_questions() -> None:
    page = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8").partition("\n## Cameras are text\n")[2]
    lines = page.partition("\n## ")[0].splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    assert cells == [[name, *(WORDS[str(outcome)] for outcome in row[2:])] for name, row in ASKED.items()]
