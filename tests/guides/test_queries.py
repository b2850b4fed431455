"""The queries of README and docs/tools, run as they stand, and the same questions asked of the rows in plain Python.

Tools of the extra ``engines`` are asked in `make test-slow`, which installs them.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.table.schema import table_schema
from par_model.table.writer import TableWriter
from tests.blocks import PAGES, ROOT, Block, blocks

SCHEMA = load_schema("street")
FIELDS = [
    pa.field("tracklet_id", pa.string()),
    pa.field("camera_id", pa.string()),
    pa.field("start_time", pa.timestamp("ms", "UTC")),
]
TOOLS = sorted(page for page in PAGES if page.startswith("docs/tools/"))
QUERIES = [(page, block) for page in ("README.md", *TOOLS) for block in blocks(page) if block.language == "python"]
# daft 0.7 and par-model need different versions of pyarrow.
DAFT = ROOT / ".venv-daft" / "bin" / "python"
# Spark for a few rows, on loopback.
SMALL_SPARK = {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_SUBMIT_ARGS": "--master local[1] --driver-java-options -XX:TieredStopAtLevel=1 "
    "--conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=1 pyspark-shell",
}
ENGINES = ("chdb", "daft", "dask", "datafusion", "fastparquet", "lancedb", "pyspark")
TEN = datetime(2026, 5, 1, 10, tzinfo=UTC)


CAMERAS = ("Zürich 1", "2", "3", "03", None)


def made_rows() -> list[dict[str, Any]]:
    """500 tracklets from 9 to 12 o'clock, of cameras whose names a tool may change and of none; every seventh has no
    time, every fifteenth failed, every thirteenth lacks the answers of two groups. Few colours, so that every question
    has an answer."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(500):
        camera = CAMERAS[i % len(CAMERAS)]
        row = {
            "tracklet_id": f"{camera}-{i // len(CAMERAS)}",
            "camera_id": camera,
            "start_time": None if i % 7 == 3 else TEN + timedelta(minutes=int(rng.integers(-60, 120))),
            "num_frames": 9,
            "model_id": "m",
            "run_id": "r",
        }
        if i % 15 == 14:
            rows.append(row | {"status": "failed", "error": "video-not-found", "message": "gone"})
            continue
        scores = dict.fromkeys(SCHEMA.score_fields, 0.25)
        top, bottom = rng.choice(["red", "blue", "green"], p=[0.5, 0.3, 0.2]), rng.choice(["black", "blue"])
        scores |= {f"top_color_{top}": 0.75, f"bottom_color_{bottom}": 0.625, "backpack": int(rng.integers(64)) / 64}
        scores |= {f"gait_{rng.choice(['running', 'walking'])}": 0.875, "hat": int(rng.integers(64)) / 64}
        answers: dict[str, Any] = {}
        for group in SCHEMA.groups:
            best = max(group.score_fields, key=lambda field: scores[field])
            value = (
                scores[best] > 0.5 if group.kind == "binary" else group.classes[group.score_fields.index(best)].value
            )
            answers |= {group.column: value, f"{group.column}_score": scores[best]}
        if i % 13 == 7:  # as in a table joined with that of weights to which these groups are new
            answers |= dict.fromkeys(("bottom_color", "bottom_color_score", "backpack", "backpack_score"))
        vector = rng.normal(size=8)
        embedding = (vector / np.linalg.norm(vector)).astype(np.float32).tolist()
        rows.append(row | answers | {"status": "ok", "scores": scores, "sampled_frames": [0], "embedding": embedding})
    return rows


ROWS = made_rows()
OK = [row for row in ROWS if row["status"] == "ok"]


def write(folder: str, partition_by: tuple[str, ...] = ()) -> None:
    schema = table_schema(FIELDS, SCHEMA, embedding=True)
    with TableWriter(folder, schema, partition_by) as writer:
        writer.write(pa.Table.from_pylist(ROWS, schema=schema))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("queries")
    write(str(folder / "out" / "attributes"))
    write(str(folder / "folders" / "attributes"), ("camera_id",))
    (folder / "parjob-demo").mkdir()
    (folder / "parjob-demo" / "table-0").symlink_to(folder / "out")
    return folder


def in_order(rows: Iterable[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """Rows in the order of these columns, null last."""
    return sorted(rows, key=lambda row: [(row[key] is None, "" if row[key] is None else row[key]) for key in keys])


def count_by(rows: Iterable[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    counted = Counter(tuple(row.get(key) for key in keys) for row in rows)
    return in_order((dict(zip(keys, group, strict=True)) | {"people": n} for group, n in counted.items()), *keys)


def people() -> list[dict[str, Any]]:
    wanted = ("red", True, "2")
    chosen = [row for row in OK if (row["top_color"], row["backpack"], row["camera_id"]) == wanted]
    chosen = [row for row in chosen if row["start_time"] and TEN <= row["start_time"] < TEN + timedelta(hours=1)]
    return [
        {name: row[name] for name in ("tracklet_id", "top_color_score", "backpack_score")}
        for row in in_order(chosen, "tracklet_id")
    ]


def hours() -> list[dict[str, Any]]:
    timed = [row | {"hour": row["start_time"] and row["start_time"].replace(minute=0)} for row in OK]
    backpacks = Counter((row["camera_id"], row["hour"]) for row in timed if row["backpack"])
    return [
        row | {"backpacks": backpacks[row["camera_id"], row["hour"]]} for row in count_by(timed, "camera_id", "hour")
    ]


def nearest(top_color: str | None = None) -> list[dict[str, Any]]:
    this = next(np.array(row["embedding"]) for row in OK if row["tracklet_id"] == "2-8")
    others = [row for row in OK if row["tracklet_id"] != "2-8" and top_color in (None, row["top_color"])]
    likeness = {row["tracklet_id"]: float(this @ row["embedding"]) for row in others}
    best = sorted(likeness, key=lambda name: -likeness[name])[:5]
    return [{"tracklet_id": name, "likeness": pytest.approx(likeness[name], abs=1e-5)} for name in best]


def hats() -> list[dict[str, Any]]:
    chosen = [row for row in OK if row["top_color"] == "red" or row["backpack"]]
    scores = {camera: [row["hat_score"] for row in chosen if row["camera_id"] == camera] for camera in CAMERAS}
    return [row | {"hats": pytest.approx(np.mean(scores[row["camera_id"]]))} for row in count_by(chosen, "camera_id")]


def running() -> list[dict[str, Any]]:
    columns = ("tracklet_id", "start_time", "top_color")
    return [{name: row[name] for name in columns} for row in OK if row["scores"]["gait_running"] > 0.5]


def carried() -> list[dict[str, Any]]:
    """Shares of the answers that are not null."""
    shares = []
    for camera in CAMERAS:
        rows = [row for row in OK if row["camera_id"] == camera]
        share = {"camera_id": camera}
        for name in ("hat", "backpack", "hand_bag"):
            answers = [row[name] for row in rows if row[name] is not None]
            share[name] = pytest.approx(sum(answers) / len(answers))
        shares.append(share)
    return in_order(shares, "camera_id")


# By the name that a block gives its answer.
QUESTIONS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "people": people,
    "together": lambda: count_by(OK, "top_color", "bottom_color"),
    "hours": hours,
    "nearest": nearest,
    "strict": lambda: [
        {"tracklet_id": n} for n in sorted(row["tracklet_id"] for row in OK if row["scores"]["backpack"] > 0.9)
    ],
    "each": lambda: [{"tracklet_id": row["tracklet_id"]} | row["scores"] for row in in_order(OK, "tracklet_id")],
    "cameras": lambda: count_by(ROWS, "camera_id"),
    "colors": lambda: count_by(OK, "top_color"),
    "hats": hats,
    "running": running,
    "carried": carried,
    "red": lambda: nearest("red"),
}


def as_rows(answer: Any) -> list[dict[str, Any]]:
    """What any of the tools answered, as plain Python."""
    if isinstance(answer, duckdb.DuckDBPyRelation):
        answer = answer.to_arrow_table()
    if isinstance(answer, pd.DataFrame):
        answer = pa.Table.from_pandas(answer, preserve_index=False)
    if hasattr(answer, "to_arrow_table"):  # of DataFusion
        answer = answer.to_arrow_table()
    rows = answer.to_pylist() if isinstance(answer, pa.Table) else answer
    if isinstance(rows, pl.DataFrame):
        rows = rows.to_dicts()
    for row in rows:
        if row.get("hour"):  # in DuckDB's answer a local time, of UTC
            row["hour"] = row["hour"].replace(tzinfo=UTC)
    return list(rows)


def run(block: Block) -> dict[str, Any]:
    """The block's names, after it printed something."""
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.code, block.name, "exec"), names)
    assert printed.getvalue().strip()
    return names


def run_by_daft(block: Block, question: str) -> dict[str, Any]:
    """The same in the environment that has daft."""
    kept = (
        f"import os, sys, pyarrow.feather\npyarrow.feather.write_feather({question}, 'answer.arrow')\n"
        "sys.stdout.flush()\nos._exit(0)\n"  # daft 0.7.26 now and then crashes while the interpreter ends
    )
    done = subprocess.run([DAFT, "-c", block.code + kept], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    return {question: pyarrow.feather.read_table("answer.arrow")}


# What other tools warn of within themselves is not ours to mend.
OTHERS = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def engine_of(code: str) -> str | None:
    """What a query needs of the extra ``engines``."""
    return next((name for name in ENGINES if re.search(rf"^(import|from) {name}\b", code, re.MULTILINE)), None)


def skip_without(engine: str | None) -> None:
    if engine == "daft":
        if not DAFT.exists():
            pytest.skip("daft is not installed: make .venv-daft/installed")
    elif engine is not None and find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed: pip install 'par-model[engines]'")
    if engine == "pyspark":
        if shutil.which("java") is None:
            pytest.skip("Spark needs Java: apt-get install default-jre-headless")
        os.environ |= SMALL_SPARK


def end_spark_elsewhere() -> None:
    """Java keeps the folder in which it was started: another test's is no good for the paths of the pages."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    gateway = SparkContext._gateway
    if gateway is None or gateway.jvm.java.lang.System.getProperty("user.dir") == os.getcwd():
        return
    if (session := SparkSession.getActiveSession()) is not None:
        session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(60)
    SparkContext._gateway = SparkContext._jvm = None


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{Path(page).stem}-{block.name}", marks=OTHERS if engine_of(block.code) else [])
        for page, block in QUERIES
    ],
)
def test_a_query_answers_its_question(
    block: Block, place: Path, s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(engine_of(block.code))
    monkeypatch.chdir(place)
    if engine_of(block.code) == "pyspark":
        end_spark_elsewhere()
    if "s3://archive/out" in block.code:
        if not fsspec.filesystem("s3").exists("s3://archive"):
            fsspec.filesystem("s3").mkdir("s3://archive")
        write("s3://archive/out/attributes")
    question = block.code.strip().splitlines()[-1].removeprefix("print(").removesuffix(")")
    names = run_by_daft(block, question) if engine_of(block.code) == "daft" else run(block)
    wanted = QUESTIONS[question]()
    assert len(wanted) > 1
    assert as_rows(names[question]) == wanted


def test_every_tool_answers_every_question_that_has_a_name() -> None:
    tools = {"duckdb": duckdb, "polars": pl, "pandas": pd, "pyarrow.dataset": pa}
    for question in ("people", "together", "hours", "nearest", "strict", "each", "cameras"):
        code = [block.code for _, block in QUERIES if block.code.endswith(f"print({question})\n")]
        for tool in tools:
            assert any(f"import {tool}" in one for one in code), (question, tool)


def test_every_engine_has_a_page_and_every_page_is_on_the_overview() -> None:
    assert {engine_of(block.code) for _, block in QUERIES} - {None} == set(ENGINES)
    overview = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\((tools/\w+\.md)\)", overview)
    assert sorted(f"docs/{page}" for page in linked) == TOOLS


def test_no_page_has_a_query_that_no_test_runs() -> None:
    found = {page: [block for block in blocks(page) if block.language == "python"] for page in PAGES}
    # Those of catalogs run in tests/catalogs/test_register_page.py; Athena's has a command.
    wanted = {*TOOLS, "docs/catalogs.md", "docs/examples.md"} - {"docs/tools/athena.md"}
    assert {page for page, python in found.items() if python} == wanted
    shown = "".join(block.code for block in found["docs/examples.md"])
    # Whole scripts, which tests/guides/test_examples.py runs.
    scripts = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
    assert sorted(shown.splitlines()) == [f'--8<-- "examples/{name}"' for name in scripts]


def test_the_query_of_the_first_commands_counts_who_was_recognised(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (query,) = re.findall(r'duckdb\.sql\(\\"(.*?)\\"\)', (ROOT / "README.md").read_text(encoding="utf-8"))
    monkeypatch.chdir(place)
    assert dict(duckdb.sql(query).fetchall()) == {row["top_color"]: row["people"] for row in QUESTIONS["colors"]()}


@pytest.mark.slow
def test_what_the_page_of_clickhouse_warns_of_happens(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without("chdb")
    from chdb import session

    monkeypatch.chdir(place)
    ask = session.Session().query
    source = "file('out/attributes/*.parquet', Parquet)"
    counted = ask(f"SELECT count() AS n FROM {source} WHERE scores IS NULL", "ArrowTable").to_pylist()
    assert counted == [{"n": 0}]
    assert len(OK) < len(ROWS)
    optional = pa.list_(pa.float32())
    ok = pq.read_table("out/attributes", columns=["embedding"], filters=[("status", "=", "ok")])
    pq.write_table(pa.table({"embedding": pa.array(ok["embedding"].to_pylist(), optional)}), "earlier.parquet")
    asked = "SELECT sum(cosineDistance({}, {})) AS d FROM file('earlier.parquet', Parquet)"
    with pytest.raises(RuntimeError, match="Nullable"):
        ask(asked.format("embedding", "embedding"), "ArrowTable")
    cast = "CAST(embedding, 'Array(Float32)')"
    assert ask(asked.format(cast, cast), "ArrowTable").to_pylist()[0]["d"] == pytest.approx(0, abs=1e-3)


def test_what_the_pages_warn_of_happens(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(pl.exceptions.DuplicateError):
        pl.read_parquet("out/attributes").unnest("scores")
    doubled = duckdb.sql("SELECT backpack, unnest(scores) FROM 'out/attributes/*.parquet'").columns
    assert doubled.count("backpack") == 2
    lone = pd.DataFrame({"camera_id": ["1"], "backpack": pd.Series([True], dtype=object)})
    assert lone.groupby("camera_id").backpack.sum().iloc[0] is True
