"""Several machines on one: Ray's nodes, a job over them in a process of its own, and notes of what ran where.

No node has a GPU, whatever it advertises; the stages here are the job's own but for the device that the network is put
on, and for a pause before each unit.

    python -m tests.cluster.simulated --address ADDRESS --manifest M --weights W --output OUT
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from par_model.cli.command import log_to_stderr
from par_model.cluster.inference import RayRunner, ray_runner
from par_model.errors import ParError
from par_model.inference.job import run_inference
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.stages import DecodeTables, RecogniseTables

ROOT = Path(__file__).parent.parent.parent
NOTES, PAUSE = "PARJOB_TEST_NOTES", "PARJOB_TEST_PAUSE"
GO, ONE = "go", "one"
STAGES = ("decode", "model")


@dataclass(frozen=True)
class Note:
    """That a stage was at work, where, and how many GPUs its process was given."""

    stage: str
    node: str
    node_type: str
    gpus: int


def read_notes(folder: Path) -> list[Note]:
    return [Note(**json.loads(note.read_text())) for note in folder.iterdir() if note.name.split("-")[0] in STAGES]


def _note(stage: str) -> None:
    path = Path(os.environ[NOTES]) / f"{stage}-{os.getpid()}"
    if path.exists():
        return
    context = ray.get_runtime_context()
    note = Note(
        stage,
        node=context.get_node_id(),
        node_type=os.environ.get("RAY_NODE_TYPE_NAME", ""),
        gpus=len(context.get_accelerator_ids().get("GPU", [])),
    )
    unfinished = path.with_name(f".{path.name}")  # the test reads all the time
    unfinished.write_text(json.dumps(asdict(note)))
    unfinished.rename(path)


class Decode(DecodeTables):
    """Decodes each unit as soon as the test lets it, or after a pause."""

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        _note("decode")
        until = time.monotonic() + float(os.environ[PAUSE])
        while time.monotonic() < until and not _may_go(Path(os.environ[NOTES])):
            time.sleep(0.05)
        yield from super().__call__(unit)


def _may_go(notes: Path) -> bool:
    try:
        (notes / ONE).unlink()  # one worker alone succeeds
    except FileNotFoundError:
        return (notes / GO).exists()
    return True


class RecogniseOnCpu(RecogniseTables):
    """Stands in for the use of a GPU that a node advertises and does not have."""

    def __init__(self, settings: StageSettings) -> None:
        super().__init__(replace(settings, device="cpu"))

    def __call__(self, table: pa.Table) -> pa.Table:
        _note("model")
        return super().__call__(table)


@dataclass
class Simulated:
    """Nodes of one Ray, and the folders that they use as machines of their own would.

    root: a folder to work in. pause: before each unit, seconds at most; set it before the nodes start.
    """

    root: Path
    cluster: Any = None
    names: dict[str, str] = field(default_factory=dict)
    jobs: list[subprocess.Popen[str]] = field(default_factory=list)
    pause: float = 0.0

    def start(self, **head: Any) -> None:
        """Start the head, on which jobs begin."""
        from ray.cluster_utils import Cluster

        self.notes.mkdir()
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={"include_dashboard": False, "env_vars": self.variables("head")} | head,
        )
        self.names[self.cluster.head_node.node_id] = "head"

    def add(self, name: str, **resources: Any) -> Any:
        """Another node, with num_cpus, num_gpus. env_vars: beside its own temporary folder."""
        variables = self.variables(name) | resources.pop("env_vars", {})
        node = self.cluster.add_node(env_vars=variables, **resources)
        self.names[node.node_id] = name
        return node

    def variables(self, name: str) -> dict[str, str]:
        folder = self.root / "temporary" / name
        folder.mkdir(parents=True, exist_ok=True)
        here = {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
        return here | {"TMPDIR": str(folder), NOTES: str(self.notes), PAUSE: str(self.pause)}

    @property
    def notes(self) -> Path:
        return self.root / "notes"

    def ran(self, stage: Literal["decode", "model"]) -> set[str]:
        """Names of the nodes on which a stage was at work."""
        return {self.names[note.node] for note in read_notes(self.notes) if note.stage == stage}

    def begin(self, manifest: str, weights: Path, output: Path, *more: object) -> subprocess.Popen[str]:
        """A job on the head. Elsewhere than in the checkout: Ray's workers look for modules where the job was begun."""
        job = subprocess.Popen(
            command(self.cluster.address, manifest, weights, output, *more),
            cwd=self.root,
            env=os.environ | self.variables("head"),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.jobs.append(job)
        return job

    def run(self, manifest: str, weights: Path, output: Path, *more: object, code: int = 0) -> str:
        """A job from begin to end; what it said on stderr."""
        return finish(self.begin(manifest, weights, output, *more), code)

    def go(self) -> None:
        """End all pauses."""
        (self.notes / GO).touch()

    def go_one(self) -> None:
        """End one pause, of the next worker to look."""
        (self.notes / ONE).touch()

    def end(self) -> None:
        """Stop the nodes, and first the jobs that a test which failed left behind."""
        for job in self.jobs:
            if job.poll() is None:
                job.kill()
                job.communicate()
        if self.cluster is not None:
            self.cluster.shutdown()


def command(address: str, manifest: str, weights: Path, output: Path, *more: object) -> list[str]:
    line = [sys.executable, "-m", "tests.cluster.simulated", "--address", address, "--manifest", manifest]
    return [*line, "--weights", str(weights), "--output", str(output), *map(str, more)]


def finish(job: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a job, expect its code, and return what it said on stderr."""
    try:
        _, said = job.communicate(timeout=400)
    finally:
        job.kill()
    assert job.returncode == code, said
    return said


def table_of(output: Path) -> pa.Table:
    return pq.read_table(output / "attributes")


def main() -> int:
    log_to_stderr()
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--address", "--manifest", "--weights", "--output"):
        parser.add_argument(name, required=True)
    parser.add_argument("--decode-workers", type=int)
    parser.add_argument("--model-actors", type=lambda text: tuple(int(n) for n in text.split(":")))
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()

    @contextmanager
    def runner() -> Iterator[RayRunner]:
        with ray_runner(asked.address, asked.device, asked.decode_workers, asked.model_actors) as found:
            yield replace(found, decode=Decode, recognise=RecogniseOnCpu)

    options = InferOptions(asked.manifest, asked.weights, asked.output, precision="fp32", batch_size=1)
    try:
        print(json.dumps(run_inference(options, runner)["stages"]))
    except ParError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
