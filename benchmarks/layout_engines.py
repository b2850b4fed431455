"""The five questions of benchmarks/layout.py in five engines: answers as plain values, and what each costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

QUESTIONS = {
    "colours": "How many people in each colour of the top",
    "hour": "How many people with a backpack on one camera in one hour",
    "one": "All columns of one tracklet, by its id",
    "scores": "How many tracklets have a score above 0.9, in the struct",
    "nearest": "The five tracklets whose embeddings are nearest to one's",
}
ENOUGH = 0.5  # seconds of processor for one question, after which it is not asked again
_FROM, _TO = datetime(2026, 5, 4, 10, tzinfo=UTC), datetime(2026, 5, 4, 11, tzinfo=UTC)
_SQL = {
    "colours": "SELECT top_color, count(*) AS n FROM {t} WHERE status = 'ok' GROUP BY top_color ORDER BY top_color",
    "hour": (
        "SELECT count(*) FROM {t} WHERE camera_id = '07' AND backpack AND start_time >= {from_} AND start_time < {to}"
    ),
    "one": "SELECT * FROM {t} WHERE tracklet_id = '{this}'",
    "scores": "SELECT count(*) FROM {t} WHERE scores.backpack > 0.9",
}
_NEAREST = (
    "SELECT tracklet_id FROM {t} WHERE tracklet_id <> '{this}' ORDER BY {far}(embedding, "
    "(SELECT embedding FROM {t} WHERE tracklet_id = '{this}')) {order} LIMIT 5"
)


def _sql(source: str, moment: str, far: str, order: str, this: str) -> dict[str, str]:
    words = {"t": source, "far": far, "order": order, "this": this}
    words |= {"from_": moment.format(_FROM), "to": moment.format(_TO)}
    return {name: text.format(**words) for name, text in (_SQL | {"nearest": _NEAREST}).items()}


def duckdb(folder: str, this: str) -> dict[str, Callable[[], Any]]:
    """By question, what asks it."""
    import duckdb as engine

    asked = _sql(f"'{folder}/*.parquet'", "TIMESTAMPTZ '{:%F %T}+00'", "list_dot_product", "DESC", this)
    connection = engine.connect()
    return {name: lambda sql=sql: connection.sql(sql).fetchall() for name, sql in asked.items()}


def datafusion(folder: str, this: str) -> dict[str, Callable[[], Any]]:
    """By question, what asks it."""
    from datafusion import SessionContext

    context = SessionContext()
    context.register_parquet("t", folder)
    asked = _sql("t", "TIMESTAMP '{:%F %T}Z'", "array_distance", "", this) | {
        "scores": "SELECT count(*) FROM t WHERE scores['backpack'] > 0.9"
    }
    return {name: lambda sql=sql: _rows(context.sql(sql).to_arrow_table()) for name, sql in asked.items()}


def chdb(folder: str, this: str) -> dict[str, Callable[[], Any]]:
    """By question, what asks it."""
    from chdb import session

    connection = session.Session()
    moment = "toDateTime64('{:%F %T}', 3, 'UTC')"
    asked = _sql(f"file('{folder}/*.parquet', Parquet)", moment, "cosineDistance", "", this)
    return {name: lambda sql=sql: _rows(connection.query(sql, "ArrowTable")) for name, sql in asked.items()}


def polars(folder: str, this: str) -> dict[str, Callable[[], Any]]:
    """By question, what asks it."""
    import numpy as np
    import polars as pl

    scan, column = pl.scan_parquet(f"{folder}/*.parquet"), pl.col
    hour = scan.filter(column("backpack"), column("start_time").is_between(_FROM, _TO, closed="left"), camera_id="07")

    def nearest() -> Any:
        found = scan.select("tracklet_id", "embedding").collect()
        vectors = found["embedding"].explode().to_numpy().reshape(len(found), -1)
        return _nearest(found["tracklet_id"].to_list(), vectors, this, np)

    return {
        "colours": lambda: scan.filter(status="ok").group_by("top_color").len().sort("top_color").collect().rows(),
        "hour": lambda: hour.select(pl.len()).collect().rows(),
        "one": lambda: scan.filter(tracklet_id=this).collect().rows(),
        "scores": lambda: (
            scan.filter(column("scores").struct.field("backpack") > 0.9).select(pl.len()).collect().rows()
        ),
        "nearest": nearest,
    }


def pyarrow(folder: str, this: str) -> dict[str, Callable[[], Any]]:
    """By question, what asks it."""
    import numpy as np
    import pyarrow.dataset as ds

    data, field = ds.dataset(folder), ds.field
    hour = (field("camera_id") == "07") & field("backpack")
    hour &= (field("start_time") >= _FROM) & (field("start_time") < _TO)

    def colours() -> Any:
        found = data.to_table(["top_color"], filter=field("status") == "ok")
        return _rows(found.group_by("top_color").aggregate([([], "count_all")]).sort_by("top_color"))

    def nearest() -> Any:
        found = data.to_table(["tracklet_id", "embedding"])
        vectors = np.concatenate([chunk.flatten().to_numpy() for chunk in found["embedding"].chunks])
        return _nearest(found["tracklet_id"].to_pylist(), vectors.reshape(len(found), -1), this, np)

    return {
        "colours": colours,
        "hour": lambda: [(data.count_rows(filter=hour),)],
        "one": lambda: _rows(data.to_table(filter=field("tracklet_id") == this)),
        "scores": lambda: [(data.count_rows(filter=field("scores", "backpack") > 0.9),)],
        "nearest": nearest,
    }


ENGINES = ("duckdb", "polars", "pyarrow", "datafusion", "chdb")


def _rows(found: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in found.to_pylist()]


def _nearest(ids: list[str], vectors: Any, this: str, np: Any) -> list[tuple[str]]:
    likeness = vectors @ vectors[ids.index(this)]
    best = np.argpartition(-likeness, 6)[:6]
    return [(ids[i],) for i in best[np.argsort(-likeness[best])] if ids[i] != this][:5]


def answers(engine: str, folder: str, this: str, again: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Milliseconds of processor time, the least of up to ``again``, and what was answered; of a whole row the id."""
    taken, said = {}, {}
    for name, ask in globals()[engine](folder, this).items():
        times: list[float] = []
        while not times or (len(times) < again and sum(times) < ENOUGH):
            started = time.process_time()
            rows = ask()
            times.append(time.process_time() - started)
        taken[name] = min(times) * 1000
        said[name] = [row[:1] for row in rows] if name == "one" else rows
    return taken, said
