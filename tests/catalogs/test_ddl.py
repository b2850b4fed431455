"""Statements of ``parjob table ddl``: run where the engine is there, parsed where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from par_model import times
from par_model.catalogs import ddl
from par_model.catalogs.ddl import statement
from par_model.catalogs.engines import ENGINES
from par_model.catalogs.layout import Layout
from tests.catalogs.tables import made_rows, write_output

BY = [(), ("camera_id",), ("zone", "indoors"), ("day",), ("start_time", "camera_id")]
COLUMNS = ("tracklet_id", "camera_id", "start_time", "zone", "day", "indoors", "backpack", "sampled_frames")


def wanted(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((*(row.get(name) for name in COLUMNS), (row.get("scores") or {}).get("hat")) for row in rows)


def test_every_engine_has_a_statement() -> None:
    assert tuple(ddl._STATEMENTS) == ENGINES


@pytest.mark.parametrize("by", BY, ids="+".join)
def test_duckdb_reads_every_value_as_it_was(by: tuple[str, ...], tmp_path: Path) -> None:
    rows = made_rows()
    out = write_output(tmp_path / "it's [1]*" / "out", rows, by)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(statement(Layout.of(out), "duckdb", 'main."strange"'))
        selected = ", ".join(COLUMNS)
        name = 'main."""strange"""'
        found = connection.sql(f"SELECT {selected}, scores.hat AS hat FROM {name}").to_arrow_table()
    values = times.to_pylist(found)
    assert sorted(tuple(row[name] for name in (*COLUMNS, "hat")) for row in values) == wanted(rows)
    kinds = {"camera_id": pa.string(), "zone": pa.int64(), "day": pa.date32(), "indoors": pa.bool_()}
    assert {name: found.schema.field(name).type for name in kinds} == kinds
