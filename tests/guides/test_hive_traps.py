"""What tools make of Hive folders where nothing tells them the type: the table of docs/queries.md, cell by cell."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from par_model.table.writer import NULL_FOLDER, TableWriter
from tests.blocks import ROOT
from tests.guides.test_queries import DAFT, OTHERS, skip_without

SCHEMA = pa.schema([("id", pa.string()), ("camera_id", pa.string())])
CAMERAS: dict[str, list[str | None]] = {"numbers": ["1", "3", "03"], "null": ["1", None], "names": ["a b", "Zürich"]}
Read = Callable[[str], list[Any]]

ONE = [1, 3, 3]
MISREAD = ["a b", "Zürich".encode().decode("latin-1")]
ENCODED = ["a%20b", "Z%C3%BCrich"]
ERROR = "an error"
NO_COLUMN = "no column"
EITHER = ([1, None], ["1", None])
NULL_FOLDER_OR_ERROR = ([1, NULL_FOLDER], ERROR)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("folders")
    for name, cameras in CAMERAS.items():
        rows = [{"id": str(i), "camera_id": camera} for i, camera in enumerate(cameras)]
        with TableWriter(str(place / name), SCHEMA, ["camera_id"]) as writer:
            writer.write(pa.Table.from_pylist(rows, schema=SCHEMA))
    return place


def by_id(table: pa.Table) -> list[Any]:
    return table.sort_by("id")["camera_id"].to_pylist()


def of_pandas(frame: pd.DataFrame) -> list[Any]:
    values = frame.sort_values("id")["camera_id"].astype(object)
    return [None if pd.isna(value) else value for value in values]


def duckdb_pattern(folder: str) -> list[Any]:
    return [row[0] for row in duckdb.sql(f"SELECT camera_id FROM '{folder}/**/*.parquet' ORDER BY id").fetchall()]


def polars_folder(folder: str) -> list[Any]:
    return pl.read_parquet(folder).sort("id")["camera_id"].to_list()


def polars_pattern(folder: str) -> list[Any]:
    return pl.read_parquet(f"{folder}/**/*.parquet").sort("id")["camera_id"].to_list()


def pyarrow_plain(folder: str) -> list[Any]:
    return by_id(ds.dataset(folder).to_table())


def pyarrow_hive(folder: str) -> list[Any]:
    return by_id(ds.dataset(folder, partitioning="hive").to_table())


def pandas_folder(folder: str) -> list[Any]:
    return of_pandas(pd.read_parquet(folder))


def dask_folder(folder: str) -> list[Any]:
    import dask.dataframe as dd

    return of_pandas(dd.read_parquet(folder).compute())


def fastparquet_folder(folder: str) -> list[Any]:
    from fastparquet import ParquetFile

    return of_pandas(ParquetFile(folder).to_pandas())


def chdb_pattern(folder: str) -> list[Any]:
    from chdb import session

    asked = f"SELECT id, camera_id FROM file('{folder}/**/*.parquet', Parquet)"
    return by_id(session.Session().query(asked, "ArrowTable"))


def datafusion_undeclared(folder: str) -> list[Any]:
    return _datafusion(folder)


def datafusion_declared(folder: str) -> list[Any]:
    return _datafusion(folder, table_partition_cols=[("camera_id", pa.string())])


def _datafusion(folder: str, **declared: Any) -> list[Any]:
    from datafusion import SessionContext

    context = SessionContext()
    context.register_parquet("t", folder, **declared)
    return list(context.sql("SELECT * FROM t ORDER BY id").to_arrow_table()["camera_id"].to_pylist())


def daft_pattern(folder: str) -> list[Any]:
    code = (
        "import daft, json, os, sys; "
        "rows = daft.read_parquet(sys.argv[1], hive_partitioning=True).sort('id').to_pydict(); "
        "print(json.dumps(rows['camera_id']), flush=True); "
        "os._exit(0)"  # daft 0.7.26 now and then crashes while the interpreter ends
    )
    asked = [DAFT, "-c", code, f"{folder}/**/*.parquet"]
    return list(json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout))


def spark_guessing(folder: str) -> list[Any]:
    return _spark(folder, "true")


def spark_with_the_setting(folder: str) -> list[Any]:
    return _spark(folder, "false")


def _spark(folder: str, guesses: str) -> list[Any]:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", guesses)
    return [row["camera_id"] for row in spark.read.parquet(folder).orderBy("id").collect()]


# By the first cell of a row of the page, and what it needs: how to read, and what comes of each set of cameras.
READS: dict[str, tuple[str | None, Read, Any, Any, Any]] = {
    "DuckDB, a pattern": (None, duckdb_pattern, CAMERAS["numbers"], [1, None], CAMERAS["names"]),
    "Polars, a folder": (None, polars_folder, ONE, [1, None], CAMERAS["names"]),
    "Polars, a pattern without `hive_partitioning`": (None, polars_pattern, NO_COLUMN, NO_COLUMN, NO_COLUMN),
    'pyarrow, `dataset("folders/attributes")`': (None, pyarrow_plain, NO_COLUMN, NO_COLUMN, NO_COLUMN),
    'pyarrow, `partitioning="hive"`': (None, pyarrow_hive, ONE, [1, None], CAMERAS["names"]),
    'pandas, `read_parquet("folders/attributes")`': (None, pandas_folder, ERROR, ERROR, CAMERAS["names"]),
    'dask, `read_parquet("folders/attributes")`': ("dask", dask_folder, ERROR, ERROR, CAMERAS["names"]),
    "Spark, without the setting": ("pyspark", spark_guessing, ONE, [1, None], MISREAD),
    "Spark, with the setting": ("pyspark", spark_with_the_setting, CAMERAS["numbers"], ["1", None], MISREAD),
    "ClickHouse": ("chdb", chdb_pattern, ONE, ["1", NULL_FOLDER], ENCODED),
    "DataFusion, undeclared": ("datafusion", datafusion_undeclared, NO_COLUMN, NO_COLUMN, NO_COLUMN),
    "DataFusion, declared": (
        "datafusion", datafusion_declared, CAMERAS["numbers"], ["1", NULL_FOLDER], CAMERAS["names"],
    ),
    "daft": ("daft", daft_pattern, ONE, EITHER, CAMERAS["names"]),
    "fastparquet": ("fastparquet", fastparquet_folder, ONE, NULL_FOLDER_OR_ERROR, ENCODED),
}  # fmt: skip


@pytest.mark.parametrize("read", [pytest.param(name, marks=OTHERS if row[0] else []) for name, row in READS.items()])
def test_a_read_without_types_gives_what_the_page_says(read: str, folders: Path) -> None:
    engine, ask, *wanted = READS[read]
    skip_without(engine)
    found: list[Any] = []
    for cameras in CAMERAS:
        try:
            found.append(ask(str(folders / cameras)))
        except (pl.exceptions.ColumnNotFoundError, KeyError):
            found.append(NO_COLUMN)
        except (ValueError, pa.ArrowException):
            found.append(ERROR)
    for outcome, expected in zip(found, wanted, strict=True):
        assert outcome in (expected if isinstance(expected, tuple) else (expected,))


def test_duckdb_takes_numbers_for_numbers_where_no_name_says_otherwise(folders: Path) -> None:
    files = [str(next((folders / "numbers" / f"camera_id={n}").iterdir())) for n in (1, 3)]
    assert duckdb.sql(f"SELECT camera_id FROM read_parquet({files}) ORDER BY 1").fetchall() == [(1,), (3,)]


def test_pandas_looks_for_another_folder_on_s3_unless_it_has_options(s3: Callable[[], str]) -> None:
    out = s3()
    with TableWriter(out, SCHEMA, ["camera_id"]) as writer:
        writer.write(pa.Table.from_pylist([{"id": "0", "camera_id": "a b"}], schema=SCHEMA))
    folder = f"{out}/camera_id=a%20b"
    with pytest.raises(FileNotFoundError, match="camera_id=a b"):
        pd.read_parquet(folder)
    assert pd.read_parquet(folder, storage_options={"anon": False})["id"].to_list() == ["0"]
    assert pd.read_parquet(out)["camera_id"].to_list() == ["a b"]


def test_the_page_has_a_row_for_each_of_these_reads() -> None:
    page = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8").partition("\n## Hive folders\n")[2]
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    assert [line[0] for line in cells] == list(READS)
    words = {
        str(ONE): "**`3` and `03` are one camera**",
        str(MISREAD): f"**`{MISREAD[0]}`, `{MISREAD[1]}`**",
        str(ENCODED): f"**`{ENCODED[0]}`, `{ENCODED[1]}`**",
        ERROR: "an error",
        NO_COLUMN: "no column",
        str([1, None]): "number and null",
        str(["1", None]): "text and null",
        str(["1", NULL_FOLDER]): f"**`{NULL_FOLDER}`**",
        str(EITHER): "number or text, by which file answers first, and null",
        str(NULL_FOLDER_OR_ERROR): f"**`{NULL_FOLDER}`**, or an error, by the order of files",
        str(CAMERAS["numbers"]): "right",
        str(CAMERAS["names"]): "right",
    }
    for line in cells:
        wanted = [words[str(outcome)] for outcome in READS[line[0]][2:]]
        wanted[0] = "text; of `1` and `3` alone numbers" if line[0].startswith("DuckDB") else wanted[0]
        assert line[1:] == wanted, line[0]
