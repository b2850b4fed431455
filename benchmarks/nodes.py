"""Whether a job on two and four nodes is two and four times as fast as on one.

The nodes are processes of this machine, and both stages wait instead of computing: what is measured is whether units,
crops and outcomes reach so many workers in time, not the workers' own speed.

    python -m benchmarks.nodes [--nodes 1 2 4]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.results import table, write_section
from benchmarks.waiting import DECODE_SECONDS, MODEL_SECONDS, WaitingDecode, WaitingNetwork
from par_model.cluster.inference import RayRunner, ray_runner
from par_model.inference.job import run_inference
from par_model.inference.options import InferOptions, StageSettings
from par_model.manifest.schema import COLUMNS

WORKERS = 4  # that decode, on each node
TRACKLETS = 4  # of a video, which is one unit
UNITS = 48  # for each node: twelve for each worker
GOAL = 0.9

_EXPLAINED = """Simulated nodes of {workers} CPUs and one advertised GPU each, and a head without either, all on this
machine. Stand-ins wait {decode:g} s for a unit of {tracklets} tracklets in the place of decoding, and {model:g} s for
its crops in the place of the network; {units} units a node. The rate is that from the first outcome of the last worker
to start until nine tenths are done: starting processes and the last units, of which not every worker has one, are left
out. By waiting alone a node does {ideal:g} tracklets a second. Workers answer in bursts, so that a rate is good to a
tenth; what the whole job takes after all work is another view of the same."""


@dataclass(frozen=True)
class Timed(RayRunner):
    """Notes when how many outcomes had come, and from how many decode workers."""

    came: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def decode_workers(self) -> int:
        return 10**6  # so that a video is a unit, however many workers there are

    def outcomes(self, units: Iterator[pa.Table], settings: StageSettings) -> Iterator[pa.Table]:
        rows, workers = 0, set[int]()
        for outcome in super().outcomes(units, settings):
            rows += len(outcome)
            workers |= set(outcome["decode_worker"].to_pylist()) - {0}
            self.came.append((time.perf_counter(), rows, len(workers)))
            yield outcome


def steady_rate(came: list[tuple[float, int, int]], workers: int) -> float:
    """Tracklets a second from when all ``workers`` were at work until nine tenths were done."""
    total = came[-1][1]
    start = next(i for i, (_, _, seen) in enumerate(came) if seen == workers)
    stop = next(i for i, (_, rows, _) in enumerate(came) if rows >= 0.9 * total)
    (begun, before, _), (ended, after, _) = came[start], came[stop]
    return (after - before) / (ended - begun)


def measure(nodes: int, folder: str, pipe: Any) -> None:
    """In a process of its own, with a Ray of its own."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    from ray.cluster_utils import Cluster

    sys.stderr = open("/dev/null", "w")  # noqa: SIM115  # progress is not what is measured
    manifest = Path(folder) / f"{nodes}.parquet"
    rows = [
        {"tracklet_id": f"v{video}-{i}", "video_uri": f"v{video}.mp4", "frame_indices": list(range(8 * i, 8 * i + 8))}
        for video in range(nodes * UNITS)
        for i in range(TRACKLETS)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=COLUMNS), manifest)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=WORKERS, num_gpus=1)
        cluster.wait_for_nodes()
        came: list[tuple[float, int, int]] = []

        @contextmanager
        def runner() -> Iterator[RayRunner]:
            with ray_runner(cluster.address, "cuda", nodes * WORKERS, (nodes, nodes)) as plain:
                both = replace(plain, decode=WaitingDecode, recognise=WaitingNetwork)
                yield Timed(**vars(both), came=came)

        options = InferOptions(str(manifest), "demo", str(Path(folder) / f"out{nodes}"), batch_size=TRACKLETS)
        started = time.perf_counter()
        summary = run_inference(options, runner)
        assert summary["counts"]["status"] == {"ok": len(rows), "failed": 0}
        found = {"nodes": nodes, "rate": steady_rate(came, nodes * WORKERS), "seconds": time.perf_counter() - started}
        pipe.send(found | {"to_all": next(t for t, _, n in came if n == nodes * WORKERS) - started})
    finally:
        cluster.shutdown()


def _met(result: dict[str, Any], one: float) -> str:
    return "met" if result["rate"] >= GOAL * one * result["nodes"] else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    results = []
    with tempfile.TemporaryDirectory(prefix="parjob-nodes-") as folder:
        for nodes in parser.parse_args().nodes:
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=measure, args=(nodes, folder, theirs))
            process.start()
            theirs.close()  # so that the end of a process that failed is seen
            results.append(ours.recv())
            process.join()
            print(json.dumps(results[-1]), flush=True)
    one = results[0]["rate"] / results[0]["nodes"]
    body = [
        [
            str(r["nodes"]),
            f"{r['rate']:.1f}",
            f"{r['rate'] / (one * r['nodes']):.2f}",
            "" if r is results[0] else f"at least {GOAL}: {_met(r, one)}",
            f"{r['to_all']:.0f} s",
            f"{r['seconds']:.0f} s",
        ]
        for r in results
    ]
    explained = _EXPLAINED.format(
        workers=WORKERS,
        decode=DECODE_SECONDS,
        model=MODEL_SECONDS,
        tracklets=TRACKLETS,
        units=UNITS,
        ideal=WORKERS * TRACKLETS / DECODE_SECONDS,
    )
    header = ["nodes", "tracklets a second", "of linear", "target", "until all work", "whole job"]
    text = f"{explained}\n\n{table(header, body)}"
    print(text)
    write_section("Nodes", text)


if __name__ == "__main__":
    main()
