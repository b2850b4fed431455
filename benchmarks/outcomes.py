"""What outcomes and the table cost the process that the user starts, and what they cost the workers, through Ray.

Stand-ins answer whole tables at once in the place of both stages, so that what is left is the job's own work: planning,
outcomes on their way into parts, the table. Another build may run beside this one, in turns.

    python -m benchmarks.outcomes [--rows 10000 1000000] [--against CHECKOUT] [--resume]

With --resume a job of each size is broken off at its half first, and what is told is the second half.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks import stand_ins
from benchmarks.results import peak_mib, table, write_section

_EXPLAINED = """Processor seconds, through Ray with one decode worker and one model actor that answer at once, for
{boxes} boxes a tracklet, rows of one video far apart. "Driver" is the process that the user starts; "all" is that and
every process below it. Planning: from the start, Ray's own with it, to the first outcome. Outcomes: from the first
to the last. Table: from then to run.json, without the digest of the manifest, which stands under "digest". Peak
memory: until the first outcome, until the last, in all. Load average
over the last 15 minutes: {load:.0f}."""
_BOXES = 4


class _BrokenOffError(Exception):
    pass


def measure(manifest: str, weights: str, output: str, most: int) -> dict[str, Any]:
    """In a process of its own. most: rows after which the job is broken off, as by a kill; 0 for none."""
    from par_model.cluster.inference import ray_runner
    from par_model.inference import job
    from par_model.inference.options import InferOptions

    at: dict[str, float] = {}
    digest, seen = 0.0, 0

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "writing the table":
                at["table"], at["all_table"] = time.process_time(), _everybody()
                at["peak_table"] = peak_mib()

    logger = logging.getLogger("par_model")
    logger.setLevel(logging.INFO)
    logger.addHandler(Notes())

    @contextmanager
    def runner() -> Iterator[Any]:
        with ray_runner(None, "cpu", 1, (1, 1)) as plain:
            fields = vars(replace(plain, decode=stand_ins.TablesAtOnce, recognise=stand_ins.AnswersAtOnce))

            class Noting(type(plain)):  # type: ignore[misc]
                def outcomes(self, units: Any, settings: Any) -> Iterator[Any]:
                    for some in super().outcomes(units, settings):
                        at.setdefault("first", time.process_time())
                        at.setdefault("all_first", _everybody())
                        at.setdefault("peak_first", peak_mib())
                        yield some
                        nonlocal seen
                        seen += some.num_rows
                        if most and seen >= most:
                            raise _BrokenOffError

            yield Noting(**fields)
            at["end"] = time.process_time()

    if hasattr(job, "rows_digest"):
        found = job.rows_digest

        def timed(*given: Any) -> Any:
            nonlocal digest
            started = time.process_time()
            try:
                return found(*given)
            finally:
                digest = time.process_time() - started

        job.rows_digest = timed
    options = InferOptions(manifest=manifest, weights=weights, output=output)
    started = time.process_time()
    try:
        summary = job.run_inference(options, runner)
    except _BrokenOffError:
        return {}
    return {
        "planned": at["first"] - started,
        "outcomes": at["table"] - at["first"],
        "table": at["end"] - at["table"] - digest,
        "all_outcomes": at["all_table"] - at["all_first"],
        "digest": digest,
        "files": len(summary["files"]),
        "rows": summary["counts"]["tracklets"],
        "peaks_mib": [at["peak_first"], at["peak_table"], peak_mib()],
    }


def _of_driver(found: dict[str, Any]) -> float:
    return float(sum(found[part] for part in ("planned", "outcomes", "table", "digest")))


def _everybody() -> float:
    """Processor seconds of this process and of all below it that live, and of those that it has waited for."""
    here = psutil.Process()
    total = 0.0
    for process in [here, *here.children(recursive=True)]:
        try:
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
        except psutil.NoSuchProcess:
            continue
    return total


def _run(build: Path, manifest: str, weights: str, output: str, most: int = 0) -> dict[str, Any]:
    """With the package of ``build``, and this file."""
    with tempfile.TemporaryDirectory(prefix="parjob-build-") as folder:
        os.symlink(build / "par_model", f"{folder}/par_model")
        os.symlink(Path(__file__).parent, f"{folder}/benchmarks")
        command = [sys.executable, "-m", "benchmarks.outcomes", "--measure", manifest, weights, output, str(most)]
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": folder}, stdout=subprocess.PIPE, text=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--resume", action="store_true", help="break each job off at its half, and tell of the rest")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        manifest, weights, output, most = arguments.measure
        print(json.dumps(measure(manifest, weights, output, int(most))))
        return
    from benchmarks.scale import write_manifest
    from par_model.model.shipped import weights_uri

    here = Path(__file__).parents[1]
    builds = {"this": here} | ({"other": arguments.against.resolve()} if arguments.against else {})
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in builds}
    with tempfile.TemporaryDirectory(prefix="parjob-outcomes-") as folder:
        for rows in arguments.rows:
            manifest = f"{folder}/m{rows}.parquet"
            write_manifest(Path(manifest), rows, _BOXES)
            for name, build in builds.items():
                asked = (build, manifest, weights_uri("demo"), f"{folder}/{name}{rows}")
                if arguments.resume:
                    _run(*asked, rows // 2)
                found = _run(*asked)
                results[name].append(found)
                print(json.dumps({"build": name} | found), flush=True)
    header = ["build", "tracklets", *(f"driver: {part}" for part in ("planning", "outcomes", "table", "digest"))]
    header += ["all: outcomes", "driver's peak, MiB"]
    body = [
        [
            name,
            f"{r['rows']:,}",
            *(f"{r[k]:.2f} s" for k in ("planned", "outcomes", "table", "digest", "all_outcomes")),
            ", ".join(f"{peak:.0f}" for peak in r["peaks_mib"]),
        ]
        for name, several in results.items()
        for r in several
    ]
    growth = {
        name: 1e6 * (_of_driver(several[-1]) - _of_driver(several[0])) / (several[-1]["rows"] - several[0]["rows"])
        for name, several in results.items()
        if len(several) > 1
    }
    text = f"{_EXPLAINED.format(boxes=_BOXES, load=os.getloadavg()[2])}\n\n{table(header, body)}"
    if growth:
        said = ", ".join(f"{name} {value:.2f}" for name, value in growth.items())
        text += f"\n\nThe driver's microseconds for each further tracklet, from start to run.json: {said}."
    write_section(f"Outcomes and table through Ray{', resumed' if arguments.resume else ''}", text)
    print(text)


if __name__ == "__main__":
    main()
