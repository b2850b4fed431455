"""What the layout of the table's files is worth: their size, and five queries in five engines.

    python -m benchmarks.layout [--rows 200000] [--again 5]

One table, of the schema ``mars`` and with embeddings of 512 numbers, is written in several layouts. Each engine answers
the questions in a process of its own, and all answers have to be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.layout_engines import ENGINES, ENOUGH, QUESTIONS, answers
from benchmarks.results import table, write_section
from par_model.attributes import load_schema
from par_model.table.schema import embedding_field, table_schema
from par_model.table.writer import TableWriter

_WIDTH, _CAMERAS, _DAYS = 512, 20, 10
_BEFORE = {"compression": "zstd"}
_GROUP_MIB = 48
_EXPLAINED = """{rows} rows of 43 classes with embeddings of 512 numbers, clustered by video as importers write them:
{cameras} cameras, {days} days. Milliseconds are of the processor, all threads together, the least of up to {again}, of
which the last begins within {enough} s, with warm file caches. Load average: {load:.0f}.
Before: zstd, row groups of 48 MiB in memory, and nothing else. Every other row differs from it in what its name says;
the last is what `parjob infer --sort-by camera_id --sort-by start_time` writes. BYTE_STREAM_SPLIT is
measured and not chosen, since fastparquet 2026.9 cannot read it."""


def made(rows: int) -> pa.Table:
    """Rows in the order of a manifest: video by video, each of one camera and day."""
    schema, rng = load_schema("mars"), np.random.default_rng(0)
    video = np.arange(rows) * _CAMERAS * _DAYS // rows
    camera, day = video % _CAMERAS, video // _CAMERAS
    start = datetime(2026, 5, 1, tzinfo=UTC)
    seconds = day * 86_400 + rng.integers(86_400, size=rows)
    times = [start + timedelta(seconds=int(one)) for one in seconds]
    frames = rng.integers(5000, size=(rows, 1)) + np.arange(6) * 7
    offsets = np.arange(0, rows * _WIDTH + 1, _WIDTH, dtype=np.int32)
    scores = {name: rng.beta(0.4, 0.8, rows).astype(np.float32) for name in schema.score_fields}
    vectors = rng.standard_normal((rows, _WIDTH), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns: dict[str, Any] = {
        "tracklet_id": [f"camera{camera[i]:02d}-2026050{day[i]}-{i}" for i in range(rows)],
        "video_uri": [f"s3://archive/camera{camera[i]:02d}/2026050{day[i]}.mp4" for i in range(rows)],
        "camera_id": [f"{c:02d}" for c in camera],
        "start_time": pa.array(times, pa.timestamp("ms", "UTC")),
        "status": ["ok"] * rows,
        "num_frames": rng.integers(10, 200, rows).astype(np.int32),
        "model_id": ["0123456789ab"] * rows,
        "run_id": ["ba9876543210"] * rows,
        "sampled_frames": pa.array(frames.tolist(), pa.list_(pa.int32())),
        "embedding": pa.ListArray.from_arrays(offsets, vectors.ravel(), type=embedding_field(None).type),
    }
    for group in schema.groups:
        of_group = np.stack([scores[field] for field in group.score_fields], axis=1)
        best = of_group.argmax(axis=1)
        values = np.array([one.value for one in group.classes])[best]
        columns[group.column] = of_group[:, 0] > 0.5 if group.kind == "binary" else values
        columns[f"{group.column}_score"] = of_group[np.arange(rows), best]
    columns["scores"] = pa.StructArray.from_arrays([pa.array(v) for v in scores.values()], list(scores))
    fields = [pa.field(name, pa.string()) for name in ("tracklet_id", "video_uri", "camera_id")]
    fields.append(pa.field("start_time", pa.timestamp("ms", "UTC")))
    kind = table_schema(fields, schema, embedding=True)
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(rows, f.type) for f in kind]
    return pa.table(arrays, schema=kind)


def _floats(schema: pa.Schema) -> list[str]:
    scores = [f"scores.{field.name}" for field in schema.field("scores").type]
    return [f.name for f in schema if f.type == pa.float32()] + scores + ["embedding.list.element"]


def _written(mib: int = _GROUP_MIB, **options: Any) -> Callable[[str, pa.Table], None]:
    """Writes files of half the rows each, as large as those of a job."""

    def write(folder: str, rows: pa.Table) -> None:
        size = int(mib * 2**20 / (rows.nbytes / len(rows)))
        half = -(-len(rows) // 2)
        for number in range(2):
            part = rows.slice(number * half, half)
            pq.write_table(part, f"{folder}/part-{number:05d}.parquet", row_group_size=size, **(_BEFORE | options))

    return write


def _as_jobs_write(*sort_by: str) -> Callable[[str, pa.Table], None]:
    def write(folder: str, rows: pa.Table) -> None:
        with TableWriter(folder, rows.schema, sort_by=sort_by) as writer:
            for start in range(0, len(rows), 4096):
                writer.write(rows.slice(start, 4096))

    return write


def layouts(rows: pa.Table) -> dict[str, Callable[[str, pa.Table], None]]:
    """What is compared, by its name in the report."""
    floats = _floats(rows.schema)
    others = [leaf for leaf in _leaves(rows.schema) if leaf not in floats]
    by_id = {"tracklet_id": {"ndv": 65_536, "fpp": 0.01}}
    return {
        "before": _written(),
        "page index": _written(write_page_index=True),
        "bloom filter on tracklet_id": _written(bloom_filter_options=by_id),
        "BYTE_STREAM_SPLIT for floats": _written(use_byte_stream_split=floats, use_dictionary=others),
        "no dictionary for floats": _written(use_dictionary=others),
        "row groups of 12 MiB": _written(mib=12),
        "as `parjob infer` writes": _as_jobs_write(),
        "and sorted": _as_jobs_write("camera_id", "start_time"),
    }


def _leaves(schema: pa.Schema) -> list[str]:
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    leaves = pq.read_metadata(pa.BufferReader(sink.getvalue())).schema
    return [leaves.column(i).path for i in range(len(leaves))]


def measure(folder: str, this: str, again: int) -> dict[str, dict[str, float]]:
    """Milliseconds of processor time by engine and question. Raises AssertionError where engines disagree."""
    found, said = {}, {}
    for engine in ENGINES:
        command = [sys.executable, "-m", "benchmarks.layout", "--again", str(again), "--ask", engine, folder, this]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[engine], said[engine] = json.loads(out.splitlines()[-1])
    for engine, told in said.items():
        assert told == said["duckdb"], (engine, told, said["duckdb"])
    return found


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--again", type=int, default=5)
    parser.add_argument("--ask", nargs=3, metavar=("ENGINE", "FOLDER", "ID"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ask:
        print(json.dumps(answers(*asked.ask, asked.again)))
        return
    rows, sizes, times = made(asked.rows), {}, {}
    this = rows["tracklet_id"][asked.rows // 2].as_py()
    with tempfile.TemporaryDirectory() as root:
        for name, write in layouts(rows).items():
            folder = Path(root, f"layout-{len(sizes)}")
            folder.mkdir()
            write(str(folder), rows)
            sizes[name] = sum(path.stat().st_size for path in folder.iterdir())
            times[name] = measure(str(folder), this, asked.again)
            print(name, sizes[name], times[name], file=sys.stderr)
            for path in folder.iterdir():
                path.unlink()
    write_section("Layout", report(asked, sizes, times))


def report(asked: argparse.Namespace, sizes: dict[str, int], times: dict[str, dict[str, dict[str, float]]]) -> str:
    """The section's text: sizes, then a table a question."""
    first = sizes["before"]
    told = {"rows": f"{asked.rows:,}", "cameras": _CAMERAS, "days": _DAYS, "again": asked.again, "enough": ENOUGH}
    lines = [
        _EXPLAINED.format(**told, load=os.getloadavg()[0]),
        table(["layout", "MiB", "of before"], [[n, f"{s / 2**20:.1f}", f"{s / first:.3f}"] for n, s in sizes.items()]),
    ]
    for question, text in QUESTIONS.items():
        body = [[name, *(f"{times[name][engine][question]:.0f}" for engine in ENGINES)] for name in times]
        lines += [f"{text}:", table([question, *ENGINES], body)]
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
