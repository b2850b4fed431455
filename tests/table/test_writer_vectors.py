"""Embeddings as lists and as vectors of a fixed size, with rows that have none, as tools take them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.table.schema import table_schema
from par_model.table.writer import TableWriter
from tests.guides.test_queries import DAFT, skip_without

VECTORS = [None, [0.6, 0.8], [0.0, 1.0], None, [1.0, 0.0], None]
IDS = [f"t{i}" for i in range(len(VECTORS))]
LIKE_T1 = {"t2": 0.8, "t4": 0.6}


@pytest.fixture(scope="module", params=[None, 2], ids=["list", "fixed"])
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int | None, str]:
    """The width of the vectors, and the folder."""
    schema = table_schema([], load_schema("street"), embedding=True, embedding_width=request.param)
    folder = str(tmp_path_factory.mktemp("vectors"))
    rows = [
        {"tracklet_id": i, "embedding": v, "status": "ok" if v else "failed"} for i, v in zip(IDS, VECTORS, strict=True)
    ]
    with TableWriter(folder, schema) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=schema))
    return request.param, folder


def test_arrow_and_polars_know_the_size(table: tuple[int | None, str]) -> None:
    width, folder = table
    read = pq.read_table(folder)
    assert read["embedding"].to_pylist() == pa.array(VECTORS, pa.list_(pa.float32())).to_pylist()
    assert pa.types.is_fixed_size_list(read.schema.field("embedding").type) == (width is not None)
    frame = pl.read_parquet(folder)
    assert frame.schema["embedding"] == (pl.List(pl.Float32) if width is None else pl.Array(pl.Float32, width))
    assert frame["embedding"].is_null().to_list() == [vector is None for vector in VECTORS]


def test_duckdb_compares_both(table: tuple[int | None, str]) -> None:
    asked = f"""
        WITH ok AS (SELECT tracklet_id, embedding::FLOAT[2] AS vector FROM '{table[1]}/*.parquet' WHERE status = 'ok')
        SELECT tracklet_id, array_cosine_similarity(vector, (SELECT vector FROM ok WHERE tracklet_id = 't1'))
        FROM ok WHERE tracklet_id <> 't1'
    """
    assert dict(duckdb.sql(asked).fetchall()) == pytest.approx(LIKE_T1)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_clickhouse_compares_both(table: tuple[int | None, str]) -> None:
    skip_without("chdb")
    from chdb import session

    source = f"file('{table[1]}/*.parquet', Parquet)"
    asked = f"""
        WITH (SELECT embedding FROM {source} WHERE tracklet_id = 't1') AS this
        SELECT tracklet_id, 1 - cosineDistance(embedding, this) AS like
        FROM {source} WHERE status = 'ok' AND tracklet_id <> 't1'
    """
    found = session.Session().query(asked, "ArrowTable").to_pylist()
    assert {row["tracklet_id"]: row["like"] for row in found} == pytest.approx(LIKE_T1)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_lancedb_searches_both(table: tuple[int | None, str], tmp_path: Path) -> None:
    skip_without("lancedb")
    import lancedb

    people = lancedb.connect(tmp_path).create_table("people", pq.read_table(table[1], filters=[("status", "=", "ok")]))
    assert people.schema.field("embedding").type.list_size == 2
    found = people.search(np.array([0.6, 0.8], np.float32)).distance_type("cosine").limit(3).to_list()
    assert [row["tracklet_id"] for row in found] == ["t1", "t2", "t4"]
    assert [1 - row["_distance"] for row in found] == pytest.approx([1.0, *LIKE_T1.values()])


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_daft_knows_the_size(table: tuple[int | None, str]) -> None:
    skip_without("daft")
    code = "import daft, json, os, sys; rows = daft.read_parquet(sys.argv[1]).select('embedding')"
    told = "print(json.dumps([str(rows.schema()['embedding'].dtype), rows.to_pydict()['embedding']]), flush=True)"
    end = "os._exit(0)"  # daft 0.7.26 now and then crashes while the interpreter ends
    asked = [DAFT, "-c", f"{code}; {told}; {end}", f"{table[1]}/*.parquet"]
    kind, values = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert kind == ("List[Float32]" if table[0] is None else "List[Float32; 2]")
    assert values == pa.array(VECTORS, pa.list_(pa.float32())).to_pylist()


def spark_rows(folder: str) -> list[list[float] | None]:
    from pyspark.sql import SparkSession

    rows = SparkSession.builder.getOrCreate().read.parquet(folder).orderBy("tracklet_id").collect()
    return [row["embedding"] for row in rows]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_spark_reads_lists_of_both(table: tuple[int | None, str]) -> None:
    skip_without("pyspark")
    assert spark_rows(table[1]) == pa.array(VECTORS, pa.list_(pa.float32())).to_pylist()
