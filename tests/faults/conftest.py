"""Jobs as processes of their own, to be killed, starved and fed rubbish."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.manifest.write import write_manifest
from tests.archive import video_row
from tests.faults.warm import Forked, Warm
from tests.video.frame_numbers import write_clip

HOOKS = Path(__file__).parent / "hooks"


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 180.0) -> Any:
    """Poll until the condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


@dataclass
class Jobs:
    """Runs ``parjob infer`` over one manifest as a separate process. output: a folder or an S3 URI. warm: what jobs
    without Ray on local files are forks of; the others, and all without it, are fresh processes."""

    manifest: str
    weights: str
    root: str
    environment: dict[str, str] = field(default_factory=dict)
    ray: bool = False
    warm: Warm | None = None
    started: list[subprocess.Popen[str] | Forked] = field(default_factory=list)

    def start(self, output: str, *more: str, first: str = "", **faults: object) -> subprocess.Popen[str] | Forked:
        """first: code that the process begins with. faults: variables of tests/faults/hooks."""
        variables = hooked() | self.environment | {name: str(value) for name, value in faults.items()}
        words = ["infer", *more, "--manifest", self.manifest, "--weights", self.weights]
        words += ["--output", self.place(output), "--batch-size", "1", "--device", "cpu"]
        process: subprocess.Popen[str] | Forked
        if self.warm is not None and not self.ray and storage.is_local(self.root):
            process = self.warm.start([*words, "--no-ray"], variables, first)
        else:
            command = [sys.executable, "-c", f"{first}\nfrom par_model.cli import main\nmain()", *words]
            command += [] if self.ray else ["--no-ray"]
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command, env=variables, **pipes)
        self.started.append(process)
        return process

    def end_all(self) -> None:
        """Leave nothing running, nor a pipe open, whatever became of the test, and show what jobs said."""
        for process in self.started:
            if process.returncode is None:
                process.kill()
                print(process.communicate()[1])

    def run(self, output: str, *more: str, code: int = 0, **faults: object) -> str:
        """Run to the end, expect the exit code, and return what it said on stderr."""
        process = self.start(output, *more, **faults)
        _, err = process.communicate(timeout=240)
        assert process.returncode == code, err
        assert "Traceback" not in err
        return err

    def place(self, output: str) -> str:
        return storage.join(self.root, output)

    def parts(self, output: str) -> list[str]:
        return [f.uri for f in storage.list_files(storage.join(self.place(output), "_parts")) if "part-" in f.uri]

    def wait_for_parts(self, output: str, number: int) -> None:
        wait_until(lambda: len(self.parts(output)) >= number, f"{number} parts")

    def table(self, output: str) -> pa.Table:
        fs, path = storage.arrow_filesystem(storage.join(self.place(output), "attributes"))
        return pq.read_table(path, filesystem=fs)

    def names(self, output: str) -> list[str]:
        files = [f.uri.removeprefix(self.place(output)).lstrip("/") for f in storage.list_files(self.place(output))]
        return sorted({name.split("/")[0] for name in files})


def hooked() -> dict[str, str]:
    """This process's environment, with the hooks."""
    return os.environ | {"FAULTS": "1", "PYTHONPATH": str(HOOKS)}


SLOW_VIDEOS = 8


def slow_rows(folder: str, scheme: str = "slow://") -> list[dict[str, Any]]:
    """Two tracklets for each of eight videos that take half a second to open."""
    return [
        video_row(f"t{v:02}-{i}", f"{scheme}{folder}/v{v:02}.mp4", range(2 * i, 2 * i + 6), camera_id=str(v % 3))
        for v in range(SLOW_VIDEOS)
        for i in range(2)
    ]


@pytest.fixture(scope="session")
def slow_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short clips and their manifest: some four seconds of work."""
    folder = tmp_path_factory.mktemp("slow")
    for v in range(SLOW_VIDEOS):
        write_clip(folder / f"v{v:02}.mp4", range(100 * v, 100 * v + 12))
    write_manifest(str(folder / "manifest.parquet"), slow_rows(str(folder)))
    return folder


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    warm = Warm(tmp_path_factory.mktemp("said"), hooked())
    yield warm
    warm.end()


@pytest.fixture(scope="session")
def undisturbed(slow_archive: Path, tiny_weights: Path) -> pa.Table:
    """The table of a job that nothing happened to: a fresh process."""
    jobs = Jobs(str(slow_archive / "manifest.parquet"), str(tiny_weights), str(slow_archive))
    jobs.run("undisturbed")
    return jobs.table("undisturbed")


@pytest.fixture
def jobs(slow_archive: Path, tiny_weights: Path, tmp_path: Path, warm: Warm) -> Iterator[Jobs]:
    jobs = Jobs(str(slow_archive / "manifest.parquet"), str(tiny_weights), str(tmp_path), warm=warm)
    yield jobs
    jobs.end_all()
