"""The queries of docs/queries.md, run as they stand, against the same questions asked of the rows in plain Python."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.table.schema import table_schema
from par_model.table.writer import TableWriter
from tests.blocks import Block, blocks

SCHEMA = load_schema("street")
FIELDS = [
    pa.field("tracklet_id", pa.string()),
    pa.field("camera_id", pa.string()),
    pa.field("start_time", pa.timestamp("ms", "UTC")),
]
QUERIES = [block for block in blocks("docs/queries.md") if block.language == "python"]
TEN = datetime(2026, 5, 1, 10, tzinfo=UTC)


def made_rows() -> list[dict[str, Any]]:
    """400 tracklets of four cameras from 8 to 13 o'clock, every fifteenth of which failed; few colours, so that every
    question has an answer."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(400):
        row = {
            "tracklet_id": f"{i % 4 + 1}-{i // 4}",
            "camera_id": str(i % 4 + 1),
            "start_time": TEN + timedelta(minutes=int(rng.integers(-120, 180))),
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
        answers: dict[str, Any] = {}
        for group in SCHEMA.groups:
            best = max(group.score_fields, key=lambda field: scores[field])
            value = (
                scores[best] > 0.5 if group.kind == "binary" else group.classes[group.score_fields.index(best)].value
            )
            answers |= {group.column: value, f"{group.column}_score": scores[best]}
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
    return folder


def expected(question: str) -> list[dict[str, Any]]:
    """The answer to the question whose name a block gives its result."""
    if question == "people":
        chosen = [
            row
            for row in OK
            if (row["top_color"], row["backpack"], row["camera_id"]) == ("red", True, "2")
            and TEN <= row["start_time"] < TEN + timedelta(hours=1)
        ]
        columns = ("tracklet_id", "top_color_score", "backpack_score")
        return [{name: row[name] for name in columns} for row in sorted(chosen, key=lambda row: row["tracklet_id"])]
    if question == "together":
        pairs = Counter((row["top_color"], row["bottom_color"]) for row in OK)
        return [{"top_color": a, "bottom_color": b, "people": n} for (a, b), n in sorted(pairs.items())]
    if question == "hours":
        found: dict[Any, list[bool]] = {}
        for row in OK:
            hour = row["start_time"].replace(minute=0)
            found.setdefault((row["camera_id"], hour), []).append(row["backpack"])
        keys = sorted(found)
        return [{"camera_id": k[0], "hour": k[1], "people": len(found[k]), "backpacks": sum(found[k])} for k in keys]
    if question == "nearest":
        this = next(np.array(row["embedding"]) for row in OK if row["tracklet_id"] == "2-8")
        likeness = {row["tracklet_id"]: float(this @ row["embedding"]) for row in OK if row["tracklet_id"] != "2-8"}
        best = sorted(likeness, key=lambda name: -likeness[name])[:5]
        return [{"tracklet_id": name, "likeness": pytest.approx(likeness[name], abs=1e-5)} for name in best]
    if question == "strict":
        return [{"tracklet_id": n} for n in sorted(r["tracklet_id"] for r in OK if r["scores"]["backpack"] > 0.9)]
    if question == "cameras":
        return [{"camera_id": str(camera), "people": 100} for camera in (1, 2, 3, 4)]
    assert question == "colors"
    counted = Counter(row.get("top_color") for row in ROWS)
    return [{"top_color": color, "people": counted[color]} for color in ("blue", "green", "red", None)]


def as_rows(answer: Any) -> list[dict[str, Any]]:
    """What any of the tools answered, as plain Python."""
    if isinstance(answer, duckdb.DuckDBPyRelation):
        answer = answer.to_arrow_table()
    if isinstance(answer, pd.DataFrame):
        answer = pa.Table.from_pandas(answer, preserve_index=False)
    rows = answer.to_pylist() if isinstance(answer, pa.Table) else answer.to_dicts()
    for row in rows:
        if "hour" in row:  # in DuckDB's answer a local time, of UTC
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


@pytest.mark.parametrize("block", QUERIES, ids=lambda block: block.name)
def test_a_query_answers_its_question(
    block: Block, place: Path, s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    if "s3://archive/out" in block.code and "statement" not in block.code:
        if not fsspec.filesystem("s3").exists("s3://archive"):
            fsspec.filesystem("s3").mkdir("s3://archive")
        write("s3://archive/out/attributes")
    names = run(block)
    question = block.code.strip().splitlines()[-1].removeprefix("print(").removesuffix(")")
    if question == "statement":
        columns = [line.split("`")[1] for line in names["statement"].splitlines() if line.startswith("  `")]
        assert columns == pq.read_schema(next((place / "out" / "attributes").glob("*.parquet"))).names
        assert "`top_color` string,\n  `top_color_score` float" in names["statement"]
        assert "`start_time` timestamp," in names["statement"]
        assert "`scores` struct<top_color_black:float," in names["statement"]
        return
    wanted = expected(question)
    assert len(wanted) > 1
    assert as_rows(names[question]) == wanted


def test_every_tool_answers_every_question_that_has_a_name() -> None:
    tools = {"duckdb": duckdb, "polars": pl, "pandas": pd, "pyarrow.dataset": pa}
    for heading in ("People with a red top", "What goes with what", "How many an hour", "Who looks most like this one"):
        code = [block.code for block in QUERIES if block.heading.startswith(heading)]
        for tool in tools:
            assert any(f"import {tool}" in one for one in code), (heading, tool)
