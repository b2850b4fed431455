"""Analytics tools read the table with its own types, a failed row included."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from par_model.inference.job import run_inference
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from tests.archive import write_archive

# column -> type in Arrow, DuckDB, Polars
TYPES = {
    "tracklet_id": ("string", "VARCHAR", pl.String),
    "video_uri": ("string", "VARCHAR", pl.String),
    "camera_id": ("string", "VARCHAR", pl.String),
    "start_time": ("timestamp[ms, tz=UTC]", "TIMESTAMP WITH TIME ZONE", pl.Datetime("ms", "UTC")),
    "split": ("string", "VARCHAR", pl.String),
    "zone": ("int64", "BIGINT", pl.Int64),
    "status": ("string", "VARCHAR", pl.String),
    "error": ("string", "VARCHAR", pl.String),
    "message": ("string", "VARCHAR", pl.String),
    "top_color": ("string", "VARCHAR", pl.String),
    "top_color_score": ("float", "FLOAT", pl.Float32),
    "hat": ("bool", "BOOLEAN", pl.Boolean),
    "hat_score": ("float", "FLOAT", pl.Float32),
    "sampled_frames": ("list<element: int32>", "INTEGER[]", pl.List(pl.Int32)),
    "num_frames": ("int32", "INTEGER", pl.Int32),
    "model_id": ("string", "VARCHAR", pl.String),
    "run_id": ("string", "VARCHAR", pl.String),
    "embedding": ("list<element: float not null>", "FLOAT[]", pl.List(pl.Float32)),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    manifest = write_archive(folder / "archive", bad=True)
    options = InferOptions(
        manifest=manifest, weights=str(tiny_weights), output=str(folder / "out"), embedding=True, partition_by=()
    )
    run_inference(options, lambda: nullcontext(LocalRunner("cpu")))
    return folder / "out" / "attributes"


def test_arrow(table: Path) -> None:
    schema = ds.dataset(table).schema
    assert {name: str(schema.field(name).type) for name in TYPES} == {name: t[0] for name, t in TYPES.items()}
    scores = schema.field("scores").type
    assert pa.types.is_struct(scores)
    assert [str(scores[i].type) for i in range(scores.num_fields)] == ["float"] * 30


def test_duckdb(table: Path) -> None:
    rows = duckdb.sql(f"DESCRIBE SELECT * FROM '{table}/*.parquet'").fetchall()
    types = {row[0]: row[1] for row in rows}
    assert {name: types[name] for name in TYPES} == {name: t[1] for name, t in TYPES.items()}
    counted = duckdb.sql(f"SELECT status, count(*), count(hat), count(scores.hat) FROM '{table}/*.parquet' GROUP BY 1")
    assert sorted(counted.fetchall()) == [("failed", 4, 0, 0), ("ok", 10, 10, 10)]


def test_polars(table: Path) -> None:
    frame = pl.read_parquet(f"{table}/*.parquet")
    assert {name: frame.schema[name] for name in TYPES} == {name: t[2] for name, t in TYPES.items()}
    ok = frame.filter(pl.col("status") == "ok")
    assert ok.select((pl.col("hat_score") == pl.col("scores").struct.field("hat")).all()).item()
    assert frame.filter(pl.col("status") == "failed")["hat"].null_count() == 4


def test_pandas(table: Path) -> None:
    frame = pd.read_parquet(table)
    assert len(frame) == 14
    assert str(frame["start_time"].dtype) == "datetime64[ms, UTC]"
    assert frame["hat_score"].dtype == "float32"
    assert frame.loc[frame.status == "failed", "hat"].isna().all()
    assert set(frame.loc[frame.status == "ok", "hat"]) <= {True, False}
