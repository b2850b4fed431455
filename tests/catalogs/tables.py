"""Finished outputs without a job: a table of two dozen rows, whose folders have names that tools change."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage
from par_model.attributes import load_schema
from par_model.table.schema import table_schema
from par_model.table.writer import TableWriter, named_anew, replacing

SCHEMA = load_schema("street")
FIELDS = [
    pa.field("tracklet_id", pa.string()),
    pa.field("camera_id", pa.string()),
    pa.field("start_time", pa.timestamp("ms", "UTC")),
    pa.field("zone", pa.int64()),
    pa.field("day", pa.date32()),
    pa.field("indoors", pa.bool_()),
]
CAMERAS = ("3", "03", "a b/ü", "it's", None)
TABLE_SCHEMA = table_schema(FIELDS, SCHEMA, embedding=True)


def made_rows(count: int = 25, first: int = 0) -> list[dict[str, Any]]:
    """Rows of every camera, time, zone (0 too), day and truth value, and of none; every fifth of a camera failed."""
    rows = []
    for i in range(first, first + count):
        row: dict[str, Any] = {
            "tracklet_id": f"t{i}",
            "camera_id": CAMERAS[i % len(CAMERAS)],
            "start_time": None if i % 4 == 3 else datetime(2026, 5, 1, 10, i % 4, 1, 250_000, UTC),
            "zone": (0, 1, -7, None)[i % 4],
            "day": (date(2026, 5, 1), date(1999, 12, 31), None)[i % 3],
            "indoors": (True, False, None)[i % 3],
            "num_frames": 9,
            "model_id": "m",
            "run_id": "r",
        }
        if i % 6 == 5:
            rows.append(row | {"status": "failed", "error": "video-not-found", "message": "gone"})
            continue
        scores = {name: ((i + j) % 64) / 64 for j, name in enumerate(SCHEMA.score_fields)}
        answers = {"backpack": i % 2 == 0, "backpack_score": scores["backpack"], "top_color": "red"}
        row |= answers | {"status": "ok", "scores": scores, "sampled_frames": [0, i]}
        rows.append(row | {"embedding": [float(i), -1.0]})
    return rows


def write_output(
    place: Path | str, rows: list[dict[str, Any]], partition_by: tuple[str, ...] = (), run_id: str = "0123456789ab"
) -> str:
    """OUT of a finished ``infer`` with these rows; returns its URI."""
    out = str(place)
    folder = storage.join(out, "attributes")
    with TableWriter(folder, TABLE_SCHEMA, partition_by) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=TABLE_SCHEMA))
    write_record(out, [uri.removeprefix(out).lstrip("/") for uri in writer.files], len(rows), partition_by, run_id)
    return out


def write_record(out: str, files: list[str], tracklets: int, partition_by: tuple[str, ...], run_id: str) -> None:
    """run.json of OUT, as far as the table is read by it."""
    record = {
        "command": "infer",
        "job_id": run_id * 2,
        "run_id": run_id,
        "counts": {"tracklets": tracklets},
        "partitions": {name: str(TABLE_SCHEMA.field(name).type) for name in partition_by},
        "files": files,
        "fingerprint": {},
    }
    storage.write_bytes(storage.join(out, "run.json"), json.dumps(record).encode())


def rewritten(out: str, partition_by: tuple[str, ...], run_id: str, message: str) -> None:
    """What a retry of a registered output leaves: each file anew under another name, with ``message`` in every row."""
    record = json.loads(storage.read_bytes(storage.join(out, "run.json")))
    files = []
    for name in record["files"]:
        fs, path = storage.arrow_filesystem(storage.join(out, name))
        anew = named_anew(storage.join(out, name), run_id)
        with pq.ParquetFile(path, filesystem=fs) as old, replacing(old, anew) as writer:
            table = old.read()
            column = table.schema.get_field_index("message")
            writer.write_table(table.set_column(column, "message", pa.repeat(pa.scalar(message), len(table))))
        files.append(anew.removeprefix(out).lstrip("/"))
    write_record(out, files, record["counts"]["tracklets"], partition_by, run_id)
