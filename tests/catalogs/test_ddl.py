"""Statements of ``parjob table ddl``: run where the engine is there, parsed where it is not."""

from __future__ import annotations

import json
import logging
import re
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pytest

from par_model import times
from par_model.catalogs import ddl
from par_model.catalogs.ddl import statement
from par_model.catalogs.engines import ENGINES
from par_model.catalogs.finished_table import Layout, TableFile
from par_model.errors import UsageError
from par_model.runs.output import Output
from par_model.table.registrations import Registration, write_registration
from tests.catalogs.tables import made_rows, rewritten, write_output, write_record

BY = [(), ("camera_id",), ("zone", "indoors"), ("day",), ("start_time", "camera_id")]
# What a folder's name may be mistaken for, or spells by signs of its own.
NAMES_OF_FOLDERS = (
    *("100%", "%20", "a=b", "a/b", "a\\b", " a ", "a+b", "a,b", "c:d", "it's", '"q"', "t\tb", "n\nl", "#1", "?", "*"),
    *("[1]", "{a,b}", "$a", ";", ".", "..", "~", "__x", "null", "NULL", "nan", "None", "true", "1e3", "2026-05-01"),
    *("ü", "e\u0301", None),
)
COLUMNS = ("tracklet_id", "camera_id", "start_time", "zone", "day", "indoors", "backpack", "sampled_frames")


def wanted(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    found = ((*(row.get(name) for name in COLUMNS), (row.get("scores") or {}).get("hat")) for row in rows)
    return sorted(found, key=lambda row: row[0])


def in_order(values: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in (*COLUMNS, "hat")) for row in values), key=lambda row: row[0])


def odd_rows() -> list[dict[str, Any]]:
    """One for each name."""
    rows = made_rows(len(NAMES_OF_FOLDERS))
    return [row | {"camera_id": name} for row, name in zip(rows, NAMES_OF_FOLDERS, strict=True)]


def test_every_engine_has_a_statement() -> None:
    assert tuple(ddl._STATEMENTS) == ENGINES


@pytest.mark.parametrize("rows", [made_rows(), odd_rows(), made_rows()[5::6]], ids=["", "odd", "failed"])
@pytest.mark.parametrize("by", BY, ids="+".join)
def test_duckdb_reads_every_value_as_it_was(by: tuple[str, ...], rows: list[dict[str, Any]], tmp_path: Path) -> None:
    out = write_output(tmp_path / "it's [1]*" / "out", rows, by)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(statement(Layout.of(out), "duckdb", 'main."strange"'))
        selected = ", ".join(COLUMNS)
        name = 'main."""strange"""'
        found = connection.sql(f"SELECT {selected}, scores.hat AS hat FROM {name}").to_arrow_table()
    values = times.to_pylist(found)
    assert in_order(values) == wanted(rows)
    kinds = {"camera_id": pa.string(), "zone": pa.int64(), "day": pa.date32(), "indoors": pa.bool_()}
    assert {name: found.schema.field(name).type for name in kinds} == kinds


def test_folders_above_the_table_are_no_columns_of_it(tmp_path: Path) -> None:
    """DuckDB makes columns of them too, and takes the first of two that have one name."""
    rows = made_rows()
    out = write_output(tmp_path / "month=5" / "out", rows, ("camera_id",))
    with duckdb.connect() as connection:
        connection.execute(statement(Layout.of(out), "duckdb"))
        names = connection.sql("SELECT * FROM attributes").columns
        cameras = connection.sql("SELECT tracklet_id, camera_id FROM attributes").fetchall()
    assert sorted(names) == sorted(field.name for field in Layout.of(out).columns())
    assert dict(cameras) == {row["tracklet_id"]: row["camera_id"] for row in rows}
    for above in ("camera_id=77", "Zone=5"):
        out = write_output(tmp_path / above / "out", rows, ("camera_id",))
        said = f"would read the column {above[:-2].rstrip('=')} from a folder above the table"
        with pytest.raises(UsageError, match=said):
            statement(Layout.of(out), "duckdb")


NAMES = {"trino": "hive.video.table", "bigquery": "project.video.table"}
PLACES = {"athena": "s3://b/out/attributes", "trino": "s3://b/out/attributes", "bigquery": "gs://b/out/attributes"}


@pytest.mark.parametrize("engine", ["athena", "trino", "bigquery", "spark", "clickhouse", "duckdb"])
def test_statements_parse(engine: str, tmp_path: Path) -> None:
    """Of Athena, Trino and BigQuery nothing more is tried: no test has them."""
    sqlglot = pytest.importorskip("sqlglot", reason="sqlglot is not installed")
    for by in ((), ("camera_id", "zone")):
        layout = Layout.of(write_output(tmp_path / "_".join(("out", *by)), made_rows(5), by))
        made = statement(layout, engine, NAMES.get(engine, "a.b"), PLACES.get(engine))
        if engine == "bigquery" and by:  # a clause that sqlglot does not know
            made, found = re.subn(r"WITH PARTITION COLUMNS \(\n  `camera_id` STRING,\n  `zone` INT64\n\)\n", "", made)
            assert found == 1
        first, *more = [one for one in sqlglot.parse(made, dialect=engine) if one is not None]
        assert isinstance(first, sqlglot.exp.Create)
        assert len(more) == (engine in ("athena", "trino", "spark") and len(by) > 0)
        if engine in ("athena", "trino", "bigquery", "spark"):
            columns = [column.name for column in first.this.expressions]
            folders = list(by) if engine in ("trino", "spark") else []
            assert columns == [*layout.schema.names, *folders]


def test_folders_whose_names_engines_would_decode_wrongly_are_listed(tmp_path: Path) -> None:
    rows = [row for row in made_rows() if row["camera_id"] in ("a b/ü", None)]
    layout = Layout.of(write_output(tmp_path / "out", rows, ("camera_id",)))
    assert statement(layout, "athena", "t", "s3://b/out").partition(";\n")[2] == (
        "ALTER TABLE `t` ADD IF NOT EXISTS\n"
        "  PARTITION (`camera_id` = '__HIVE_DEFAULT_PARTITION__') LOCATION 's3://b/out/camera_id=__HIVE_DEFAULT_PARTITION__'\n"
        "  PARTITION (`camera_id` = 'a b/ü') LOCATION 's3://b/out/camera_id=a%20b%2F%C3%BC';\n"
    )
    assert "  PARTITION (`camera_id` = null) LOCATION 's3a://b/out/" in statement(layout, "spark", "t", "s3://b/out")
    assert "') LOCATION 's3://b/o[1]/camera_id=a%20b" in statement(layout, "athena", "t", "s3://b/o[1]")
    plain = Layout.of(write_output(tmp_path / "plain", made_rows(2), ("camera_id",)))
    assert statement(plain, "athena", "t", "s3://b/out").endswith(";\nMSCK REPAIR TABLE `t`;\n")


@pytest.mark.slow  # since only `make test-slow` installs engines
@pytest.mark.parametrize("rows", [made_rows(), odd_rows(), made_rows()[5::6]], ids=["", "odd", "failed"])
@pytest.mark.parametrize("by", BY, ids="+".join)
def test_clickhouse_reads_every_value_as_it_was(
    by: tuple[str, ...], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    chdb = pytest.importorskip("chdb.session", reason="chdb is not installed")
    # Folders above it are none of the table's own.
    out = write_output(tmp_path / "it's" / "camera_id=77" / "out", rows, by)
    session = chdb.Session(str(tmp_path / "chdb"))
    try:
        session.query("CREATE DATABASE video")
        session.query(statement(Layout.of(out), "clickhouse", "video.people"))
        found = session.query(f"SELECT {', '.join(COLUMNS)}, scores.hat AS hat FROM video.people", "JSONEachRow")
    finally:
        session.close()
    values = [json.loads(line) for line in str(found).splitlines()]
    for row in values:
        row["day"] = row["day"] and date.fromisoformat(row["day"])
        row["start_time"] = row["start_time"] and datetime.fromisoformat(row["start_time"]).replace(tzinfo=UTC)
        row["zone"] = None if row["zone"] is None else int(row["zone"])
        row["sampled_frames"] = row["sampled_frames"] or None  # lists cannot be null there
    assert in_order(values) == wanted(rows)


@pytest.mark.slow
def test_clickhouse_reads_the_last_run_of_a_registered_table_of_thousands_of_files(tmp_path: Path) -> None:
    chdb = pytest.importorskip("chdb.session", reason="chdb is not installed")
    out = write_output(tmp_path / "out", made_rows(1))
    (first,) = Layout.of(out).files
    names = [f"attributes/part-{number:05}.parquet" for number in range(5000)]
    for name in names[1:]:
        Path(out, name).hardlink_to(first.uri)
    with Output(out).lock() as held:
        write_registration(Output(out), held, Registration("delta", None, [], names))
    rewritten(out, (), "00000000000c", "anew")
    retried = f"{out}/attributes/part-00000-00000000000c.parquet"
    anew = [name.replace(".parquet", "-00000000000c.parquet") for name in names]
    for name in anew[1:]:
        Path(out, name).hardlink_to(retried)
    added = "attributes/part-05000.parquet"
    Path(out, added).hardlink_to(first.uri)
    write_record(out, [*anew, added], 5001, (), "aa")
    # What later jobs write, and what is of no job.
    for later in ("part-05001.parquet", "part-00000-00000000000d.parquet", "copy.parquet"):
        Path(out, "attributes", later).hardlink_to(first.uri)
    made = statement(Layout.of(out), "clickhouse")
    assert len(made) < 10_000
    session = chdb.Session(str(tmp_path / "chdb"))
    try:
        session.query("CREATE DATABASE video")
        session.query(statement(Layout.of(out), "clickhouse", "video.people"))
        counted = session.query("SELECT count(), countIf(message = 'anew') FROM video.people", "CSV")
    finally:
        session.close()
    assert str(counted) == "5001,5000\n"


@pytest.mark.slow
def test_spark_reads_every_value_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed")
    if shutil.which("java") is None:
        pytest.skip("java is not installed")
    from pyspark.sql import SparkSession

    monkeypatch.chdir(tmp_path)
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(tmp_path / "spark"))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    try:
        cases = [*((by, made_rows()) for by in BY), (("camera_id", "zone"), odd_rows())]
        for number, (by, rows) in enumerate(cases):
            # Taken for a pattern, the first name is also one of the second.
            out = write_output(tmp_path / f"it's {number}?[{number}]", rows, by)
            write_output(tmp_path / f"it's {number}-{number}", made_rows(7), by)
            for made in statement(Layout.of(out), "spark", f"people{number}").split(";\n"):
                if made.strip():
                    session.sql(made)
            found = session.sql(f"SELECT {', '.join(COLUMNS)}, scores.hat AS hat FROM people{number}").toArrow()
            assert in_order(times.to_pylist(found)) == wanted(rows), by
    finally:
        session.stop()


def test_what_an_engine_cannot_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layout = Layout.of(write_output(tmp_path / "out", made_rows(5)))
    for engine, said in (("athena", "s3:// alone"), ("bigquery", "gs:// alone"), ("trino", "object stores")):
        with pytest.raises(UsageError, match=f"--for {engine} reads {said}, not {tmp_path}/out/attributes: give"):
            statement(layout, engine)
    with pytest.raises(UsageError, match=r"--name takes catalog\.schema\.table"):
        statement(layout, "trino", "people", "s3://b/out")
    with pytest.raises(UsageError, match="names without blanks"):
        statement(layout, "duckdb", "a b")
    for sign in "*?{":
        with pytest.raises(
            UsageError, match=f"clickhouse takes {re.escape(sign)} in /a{re.escape(sign)} for a pattern"
        ):
            statement(layout, "clickhouse", "t", f"/a{sign}")
    odd = replace(layout, schema=layout.schema.append(pa.field("seen", pa.time64("us"))))
    monitored = logging.getLogger("par_model")
    monitored.addHandler(caplog.handler)
    made = statement(odd, "spark")
    monitored.removeHandler(caplog.handler)
    assert "seen" not in made
    assert caplog.messages == ["the column seen is time64[us], which spark has no type for: it is left out"]
    folders = replace(layout, partitions=pa.schema([("seen", pa.time64("us"))]))
    with pytest.raises(UsageError, match=r"--for athena has no type for time64\[us\], which the folders of seen are"):
        statement(folders, "athena", location="s3://b/out")


@pytest.mark.parametrize(
    ("engine", "spelled"),
    [
        ("spark", "`seen` map<string,int>"),
        ("athena", "`seen` map<string,int>"),
        ("trino", '"seen" map(varchar, integer)'),
        ("clickhouse", "`seen` Map(String, Nullable(Int32))"),
    ],
)
def test_maps_have_a_type(engine: str, spelled: str, tmp_path: Path) -> None:
    layout = Layout.of(write_output(tmp_path / "out", made_rows(5)))
    odd = replace(layout, schema=layout.schema.append(pa.field("seen", pa.map_(pa.string(), pa.int32()))))
    assert spelled in statement(odd, engine, NAMES.get(engine, "t"), PLACES.get(engine))


def test_statements_for_a_registered_table_name_its_files(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("camera_id",))
    with Output(out).lock() as held:
        write_registration(Output(out), held, Registration("delta", None, [], [f.name for f in Layout.of(out).files]))
    rewritten(out, ("camera_id",), "00000000000c", "anew")
    with pytest.raises(UsageError, match=r"--for spark reads all files below a folder, .* registered in delta"):
        statement(Layout.of(out), "spark")
    with duckdb.connect() as connection:
        connection.execute(statement(Layout.of(out), "duckdb"))
        found = connection.sql("SELECT count(*), count(DISTINCT camera_id), any_value(message) FROM attributes")
        assert found.fetchall() == [(25, 4, "anew")]


@pytest.mark.parametrize("name", ["a*", "a?", "[a]", "{a,b}", "a\\b"])
def test_spark_is_told_that_a_place_is_no_pattern(name: str, tmp_path: Path) -> None:
    made = statement(Layout.of(write_output(tmp_path / name, made_rows(2))), "spark")
    assert "\nUSING parquet\nOPTIONS ('__globPaths__' = 'false')\nLOCATION 'file:///" in made
    assert "OPTIONS" not in statement(Layout.of(write_output(tmp_path / "a b", made_rows(2))), "spark")


def test_folders_that_athena_and_trino_would_pass_over_are_found(tmp_path: Path) -> None:
    """As the pages of AWS and of Trino say of values with a colon and of columns in capitals."""
    at = Layout.of(write_output(tmp_path / "at", made_rows(2), ("start_time",)))
    made = statement(at, "athena", "t", "s3://b/out")
    assert "MSCK" not in made
    place = "s3://b/out/start_time=2026-05-01%2010%3A00%3A01.250%2B00%3A00"
    assert f"  PARTITION (`start_time` = '2026-05-01 10:00:01.250000') LOCATION '{place}'" in made
    with pytest.raises(
        UsageError, match="the folders of start_time are times with an offset, which the Hive connector"
    ):
        statement(at, "trino", "h.v.t", "s3://b/out")
    layout = Layout.of(write_output(tmp_path / "out", made_rows(2), ("camera_id",)))
    capitals = replace(layout, partitions=pa.schema([("Camera", pa.string())]))
    assert "  PARTITION (`Camera` = '3') LOCATION" in statement(capitals, "athena", "t", "s3://b/out")
    assert "'t', 'FULL', false);" in statement(capitals, "trino", "h.v.t", "s3://b/out")
    assert "'t', 'FULL');" in statement(layout, "trino", "h.v.t", "s3://b/out")


def test_quotes_and_backslashes_are_what_hives_own_grammar_has_for_them(tmp_path: Path) -> None:
    """Athena defines tables by Hive's grammar: a quote doubled is two texts, a backslash changes the sign after it."""
    sqlglot = pytest.importorskip("sqlglot", reason="sqlglot is not installed")
    rows = [row | {"camera_id": name} for row, name in zip(made_rows(2), ("ü it's", "ü a\\nb"), strict=True)]
    layout = Layout.of(write_output(tmp_path / "out", rows, ("camera_id",)))
    made = statement(layout, "athena", "t", "s3://b/it's")
    read = [one.text for one in sqlglot.tokenize(made, dialect="hive") if one.token_type.name == "STRING"]
    assert read[0] == "s3://b/it's/"
    assert {row["camera_id"]: f"s3://b/it's/camera_id={quote(row['camera_id'])}" for row in rows} == dict(
        zip(read[1::2], read[2::2], strict=True)
    )


def test_a_statement_of_many_folders_comes_in_parts_that_athena_takes(tmp_path: Path) -> None:
    layout = Layout.of(write_output(tmp_path / "out", made_rows(3), ("camera_id",)))
    names = [f"ü{'x' * 60}{number:04}" for number in range(5000)]
    places = [f"attributes/camera_id={quote(name)}/part-00000.parquet" for name in names]
    files = [TableFile(p, f"{layout.output}/{p}", 9, (name,)) for p, name in zip(places, names, strict=True)]
    made = statement(replace(layout, files=tuple(files)), "athena", "t", "s3://b/out").split(";\n")
    assert made.pop() == ""
    assert made[0].startswith("CREATE EXTERNAL TABLE")
    assert len(made) == 6
    assert all(len(one.encode()) < 262_144 for one in made)
    assert all(one.startswith("ALTER TABLE `t` ADD IF NOT EXISTS\n  PARTITION (") for one in made[1:])
    assert re.findall(r"= '(ü\w+)'", "".join(made)) == names


def test_a_statement_for_clickhouse_is_short_however_many_files_a_registered_table_has(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("camera_id",))
    layout = Layout.of(out)
    registration = Registration("delta", None, [], [file.name for file in layout.files])
    many = [f"attributes/camera_id=3/part-{number:05}-00000000000c.parquet" for number in range(5000)]
    many += [f"attributes/camera_id=3/part-{number:05}.parquet" for number in (5000, 5001, 5003)]
    files = tuple(TableFile(name, f"{layout.output}/{name}", 9, ("3",)) for name in many)
    made = statement(replace(layout, files=files, registrations={"delta": registration}), "clickhouse")
    part = r"\^part-\[0-9\]\+\(\?:_\[0-9\]\+\)\?-\?\(\[0-9a-f\]\*\)\[\.\]parquet\$"
    found = re.findall(rf"extract\(_file, '{part}'\) = '(\w*)' AND .* BETWEEN (\d+) AND (\d+)", made)
    assert found == [("", "5000", "5001"), ("", "5003", "5003"), ("00000000000c", "0", "4999")]
    assert len(made) < 5000
