"""What the job costs beside decoding and the network: planning, keeping, joining, writing, resuming.

A stand-in takes the place of both stages: it answers every row of every unit at once. So what is left is the driver's
own work and memory, at 10 thousand, 100 thousand and a million tracklets.

    python -m benchmarks.scale [--rows 10000 100000 1000000]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.results import peak_mib, table, write_section
from par_model.inference.job import run_inference
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.planned import Units
from par_model.inference.wire import OUTCOME_WIRE_SCHEMA
from par_model.manifest.schema import COLUMNS

_EXPLAINED = """Both stages are stand-ins that answer at once: what is left is the work of the process that the user
starts, with a manifest of forty boxes a tracklet, fifty tracklets a video, rows of one video far apart. Times until the
first work unit is ready include hashing, checking and sorting the manifest. Load average over the last 15 minutes:
{load:.0f}; what is above the number of cores is other work, and makes times longer, not memory larger."""
_VIDEO_TRACKLETS = 50
_FRAMES = 40
_CHUNK = 50_000


class StandIn:
    """Answers units at once. Stops, as a kill would, after ``stop`` rows."""

    decode_workers = 64

    def __init__(self, classes: int, stop: int | None = None) -> None:
        self._classes, self._stop = classes, stop
        self.planned: float | None = None
        self._started = time.perf_counter()

    def device(self) -> Literal["cpu", "cuda"]:
        return "cpu"

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[pa.Table]:
        done = 0
        for unit in units:
            if self.planned is None:
                self.planned = time.perf_counter() - self._started
            yield self._answer(unit)
            done += len(unit)
            if self._stop is not None and done >= self._stop:
                raise KeyboardInterrupt

    def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(work, items)

    def shares(self, uri: str) -> bool:
        return True

    def _answer(self, unit: pa.Table) -> pa.Table:
        rows = len(unit)
        scores = pa.array(np.full(rows * self._classes, 0.25, np.float32))
        offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * self._classes)
        columns = {
            "_row": unit["_row"],
            "tracklet_id": unit["tracklet_id"],
            "num_frames": pa.repeat(pa.scalar(_FRAMES, pa.int32()), rows),
            "sampled_frames": pa.repeat(pa.scalar([1, 2, 3], pa.list_(pa.int32())), rows),
            "scores": pa.ListArray.from_arrays(offsets, scores),
        }
        fields = [columns[f.name] if f.name in columns else _zero_or_null(f.type, rows) for f in OUTCOME_WIRE_SCHEMA]
        return pa.table(fields, schema=OUTCOME_WIRE_SCHEMA)


def _zero_or_null(kind: pa.DataType, rows: int) -> pa.Array:
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return pa.repeat(pa.scalar(0, kind), rows) if numeric else pa.nulls(rows, kind)


def write_manifest(path: Path, rows: int) -> None:
    """Tracklets of forty boxes, fifty to a video, the videos' rows far apart: planning has to sort."""
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(path, COLUMNS) as writer:
        for start in range(0, rows, _CHUNK):
            count = min(_CHUNK, rows - start)
            ids = np.arange(start, start + count)
            videos = ids % max(1, rows // _VIDEO_TRACKLETS)
            first = rng.integers(0, 50_000, count)
            frames = (first[:, None] + np.arange(_FRAMES)).astype(np.int32)
            offsets = pa.array(np.arange(count + 1, dtype=np.int32) * _FRAMES)
            values = [pa.array(rng.integers(0, 500, count * _FRAMES).astype(np.float32)) for _ in "xywh"]
            box = pa.StructArray.from_arrays(values, fields=list(COLUMNS.field("boxes").type.value_type))
            columns = {
                "tracklet_id": pa.array([f"t{i:09}" for i in ids]),
                "video_uri": pa.array([f"s3://archive/videos/{v:07}.mp4" for v in videos]),
                "frame_indices": pa.ListArray.from_arrays(offsets, pa.array(frames.ravel())),
                "boxes": pa.ListArray.from_arrays(offsets, box),
                "camera_id": pa.array([str(v % 40) for v in videos]),
            }
            arrays = [columns.get(f.name, pa.nulls(count, f.type)) for f in COLUMNS]
            writer.write_table(pa.table(arrays, schema=COLUMNS))


def measure(rows: int, weights: str, folder: str, pipe: Any) -> None:
    """In a process of its own, so that its peak memory is its own."""
    from par_model.model.weights import read_header

    classes = read_header(weights).schema.num_classes
    manifest = str(Path(folder) / f"m{rows}.parquet")
    options = InferOptions(manifest=manifest, weights=weights, output=str(Path(folder) / f"out{rows}"))
    sys.stderr = open("/dev/null", "w")  # noqa: SIM115  # progress is not what is measured
    stopped = StandIn(classes, stop=rows // 2)
    started = time.perf_counter()
    try:
        run_inference(options, lambda: nullcontext(stopped))
    except KeyboardInterrupt:
        first_half = time.perf_counter() - started
    resumed = StandIn(classes)
    started = time.perf_counter()
    summary = run_inference(options, lambda: nullcontext(resumed))
    second_half = time.perf_counter() - started
    assert summary["counts"]["status"] == {"ok": rows, "failed": 0}
    started = time.perf_counter()
    run_inference(options, lambda: nullcontext(StandIn(classes)))
    pipe.send(
        {
            "rows": rows,
            "planned": stopped.planned,
            "first_half": first_half,
            "resumed": resumed.planned,
            "second_half": second_half,
            "nothing": time.perf_counter() - started,
            "peak_mib": peak_mib(),
            "files": len(summary["files"]),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--weights", default=None, help="default: the demo's")
    arguments = parser.parse_args()
    from par_model.model.shipped import weights_uri

    weights = arguments.weights or weights_uri("demo")
    results = []
    with tempfile.TemporaryDirectory(prefix="parjob-scale-") as folder:
        for rows in arguments.rows:
            write_manifest(Path(folder) / f"m{rows}.parquet", rows)
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=measure, args=(rows, weights, folder, theirs))
            process.start()
            theirs.close()  # so that the end of a process that failed is seen
            results.append(ours.recv())
            process.join()
            print(json.dumps(results[-1]), flush=True)
    header = [
        "tracklets",
        "first unit",
        "half, then stopped",
        "resumed: first unit",
        "the rest, and the table",
        "repeated",
        "peak memory",
    ]
    times = ("planned", "first_half", "resumed", "second_half", "nothing")
    rows = [[f"{r['rows']:,}", *(f"{r[t]:.1f} s" for t in times), f"{r['peak_mib']:.0f} MiB"] for r in results]
    body = f"{_EXPLAINED.format(load=os.getloadavg()[2])}\n\n{table(header, rows)}"
    write_section("Scale of the driver", body)
    print(table(header, rows))


if __name__ == "__main__":
    main()
