"""How much sooner planning is done where two workers do it instead of one.

The job's tasks run through Ray on as many CPUs as there are to be workers, which have loaded everything before.

    python -m benchmarks.two_workers [--rows 1000000] [--turns 5]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray

from benchmarks.results import table, write_section
from benchmarks.scale import write_manifest
from par_model.cluster.inference import RayRunner
from par_model.cluster.sizing import Pools
from par_model.inference.job import run_inference
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.planned import Units
from par_model.model.shipped import weights_uri

_EXPLAINED = """{rows:,} tracklets of {boxes} boxes, rows of one video far apart. Wall seconds from the first task given
out to the last one's answer of planning (reading, checking, dealing out by video, cutting units), median of {turns}
turns, one and two workers in turns. Load average over the last 15 minutes: {load:.0f}."""
_BOXES = 4
_POOLS = Pools(device="cpu", decode=(1, 1), model=(1, 1))


class _PlannedError(Exception):
    pass


class Timed(RayRunner):
    """Notes how long its tasks take. Stops where units are ready and none is done."""

    def __init__(self, workers: int) -> None:
        super().__init__(_POOLS)
        self.seconds = 0.0
        list(super().spread(_load, range(4 * workers)))

    def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        began = time.perf_counter()
        try:
            yield from super().spread(work, items)
        finally:
            self.seconds += time.perf_counter() - began

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[Any]:
        raise _PlannedError


def _load(number: int) -> None:
    """What a worker imports for its first task."""

    time.sleep(0.5)


def measure(manifest: str, output: str, workers: int) -> float:
    """Seconds of tasks, in a process of its own."""
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    runner = Timed(workers)

    @contextmanager
    def made() -> Iterator[RayRunner]:
        yield runner

    with suppress(_PlannedError):
        run_inference(InferOptions(manifest=manifest, weights=weights_uri("demo"), output=output), made)
    return runner.seconds


def _turn(manifest: str, output: Path, workers: int) -> float:
    command = [sys.executable, "-m", "benchmarks.two_workers", "--measure", manifest, str(output), str(workers)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        manifest, output, workers = arguments.measure
        print(json.dumps(measure(manifest, output, int(workers))))
        return
    found: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="parjob-workers-") as folder:
        manifest, out = f"{folder}/manifest.parquet", Path(folder) / "out"
        write_manifest(Path(manifest), arguments.rows, _BOXES)
        for _ in range(arguments.turns):
            for workers, seconds in found.items():
                seconds.append(_turn(manifest, out, workers))
                shutil.rmtree(out)
                print({key: [round(value, 2) for value in values] for key, values in found.items()}, flush=True)
    one, two = (statistics.median(seconds) for seconds in found.values())
    explained = _EXPLAINED.format(rows=arguments.rows, boxes=_BOXES, turns=arguments.turns, load=os.getloadavg()[2])
    rows = [["planning", f"{one:.2f} s", f"{two:.2f} s", f"{two / one:.2f}", "<= 0.65"]]
    text = f"{explained}\n\n{table(['', 'one worker', 'two workers', 'ratio', 'aim'], rows)}"
    print(text)
    write_section("Planning by two workers", text)


if __name__ == "__main__":
    main()
