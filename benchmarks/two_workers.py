"""How much sooner a job is planned, and its table written, where two workers do it instead of one.

The job's tasks run through Ray on as many CPUs as there are to be workers, which have loaded everything before. What
lies between the two is done once, by stand-ins for decoding and the network that answer at once.

    python -m benchmarks.two_workers [--rows 4000000] [--turns 5]
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
from typing import Any, Literal

import ray

from benchmarks.results import table, write_section
from benchmarks.scale import write_manifest
from benchmarks.stand_ins import AnswersAtOnce, TablesAtOnce
from par_model.cluster.inference import RayRunner
from par_model.cluster.sizing import Pools
from par_model.inference.job import run_inference
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.planned import Units
from par_model.model.shipped import weights_uri

_EXPLAINED = """{rows:,} tracklets of {boxes} boxes, rows of one video far apart. Wall seconds from the first task given
out to the last one's answer, median of {turns} turns, one and two workers in turns. Planning: reading, checking,
dealing out by video, cutting units. Table: manifest and outcomes joined into {files} files, each the work of one task.
Load average over the last 15 minutes: {load:.0f}."""
_BOXES = 4
_POOLS = Pools(device="cpu", decode=(1, 1), model=(1, 1))
_QUIET: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
Part = Literal["planning", "outcomes", "table"]


class _DoneError(Exception):
    pass


class Timed(RayRunner):
    """Notes how long its tasks take, and how many there are. Stops where ``part`` is done."""

    def __init__(self, workers: int, part: Part) -> None:
        super().__init__(_POOLS, TablesAtOnce, AnswersAtOnce)
        self.seconds, self.tasks = 0.0, 0
        self._part = part
        self._has_answered = False
        list(super().spread(_load, range(4 * workers)))

    def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        if self._has_answered:
            raise _DoneError
        given = list(items)
        self.tasks += len(given)
        began = time.perf_counter()
        try:
            yield from super().spread(work, given)
        finally:
            self.seconds += time.perf_counter() - began

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[Any]:
        if self._part == "planning":
            raise _DoneError
        yield from super().outcomes(units, settings)
        self._has_answered = True


def _load(number: int) -> None:
    """What a worker imports for its first task."""

    time.sleep(0.5)


def measure(manifest: str, output: str, workers: int, part: Part) -> dict[str, float]:
    """Seconds of tasks, and how many there were, in a process of its own."""
    ray.init(num_cpus=max(2, workers) if part == "outcomes" else workers, **_QUIET)
    runner = Timed(workers, part)

    @contextmanager
    def made() -> Iterator[RayRunner]:
        yield runner

    with suppress(_DoneError):
        run_inference(InferOptions(manifest=manifest, weights=weights_uri("demo"), output=output), made)
    return {"seconds": runner.seconds, "tasks": runner.tasks}


def _turn(manifest: str, output: Path, workers: int, part: Part) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.two_workers", "--measure", manifest, str(output), str(workers), part]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000, help="of a million the table is one file, and one task")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        manifest, output, workers, part = arguments.measure
        print(json.dumps(measure(manifest, output, int(workers), part)))
        return
    parts: tuple[Part, ...] = ("planning", "table")
    found: dict[tuple[Part, int], list[float]] = {(part, workers): [] for part in parts for workers in (1, 2)}
    with tempfile.TemporaryDirectory(prefix="parjob-workers-") as folder:
        manifest, answered, out = f"{folder}/manifest.parquet", Path(folder) / "answered", Path(folder) / "out"
        write_manifest(Path(manifest), arguments.rows, _BOXES)
        _turn(manifest, answered, 1, "outcomes")
        files = 0.0
        for _ in range(arguments.turns):
            for (part, workers), seconds in found.items():
                if part == "table":
                    shutil.copytree(answered, out)
                measured = _turn(manifest, out, workers, part)
                files = measured["tasks"]  # the table's come last
                seconds.append(measured["seconds"])
                shutil.rmtree(out)
                print({key: [round(value, 2) for value in values] for key, values in found.items()}, flush=True)
    rows = []
    for part in parts:
        one, two = (statistics.median(found[part, workers]) for workers in (1, 2))
        rows.append([part, f"{one:.2f} s", f"{two:.2f} s", f"{two / one:.2f}", "<= 0.65"])
    explained = _EXPLAINED.format(
        rows=arguments.rows, boxes=_BOXES, turns=arguments.turns, files=f"{files:g}", load=os.getloadavg()[2]
    )
    text = f"{explained}\n\n{table(['', 'one worker', 'two workers', 'ratio', 'aim'], rows)}"
    print(text)
    write_section("Planning and table by two workers", text)


if __name__ == "__main__":
    main()
