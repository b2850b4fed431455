"""The head of the cluster is killed while a job runs: one line, exit code 1, and what was done is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from par_model.cluster.head import check_head
from par_model.errors import ClusterError
from tests.archive import assert_same_table
from tests.cluster.test_submit import MARK, end_all, free_port
from tests.cluster.test_training import command
from tests.faults.conftest import HOOKS, Jobs, wait_until
from tests.training.archive import make_archive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# The hooks that make videos slow, in the head's workers too.
SLOWLY = {"FAULTS": "1", "PYTHONPATH": str(HOOKS), "FAULT_SLOW_SECONDS": "2", "RAY_AUTH_MODE": "disabled"}


@pytest.fixture
def killable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[psutil.Process]]]:
    """The address of a head that `ray start` made, and its processes. Sockets want a short path."""
    port = free_port()
    folder = str(tmp_path_factory.mktemp("r"))
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={port}", "--num-cpus=2"]
    command += ["--include-dashboard=false", f"--temp-dir={folder}", "--disable-usage-stats", "--block"]
    variables = os.environ | SLOWLY | {MARK: folder}
    start = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers_at(f"127.0.0.1:{port}"), "the head", 120)
        head = psutil.Process(start.pid)
        yield f"127.0.0.1:{port}", [head, *head.children(recursive=True)]
    finally:
        end_all(folder)
        start.wait()


def _answers_at(address: str) -> bool:
    try:
        check_head(address, address)
    except ClusterError:
        return False
    return True


def kill(tree: list[psutil.Process]) -> None:
    """SIGKILL to the server that a cluster hangs on."""
    (server,) = [process for process in tree if process.name().startswith("gcs_server")]
    server.kill()


def test_the_head_is_killed_while_infer_runs(
    killable: tuple[str, list[psutil.Process]], jobs: Jobs, undisturbed: pa.Table
) -> None:
    """One line, exit code 1, what was done is kept, and the same command goes on from there."""
    address, tree = killable
    jobs = replace(jobs, ray=True, environment=SLOWLY)
    process = jobs.start("out", "--address", address)
    jobs.wait_for_parts("out", 1)
    kill(tree)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if "is gone" in line]
    assert line == err.splitlines()[-1]
    assert "the same command goes on from there" in line
    assert "_lock" not in jobs.names("out")
    assert "are done already" in replace(jobs, ray=False, environment={}).run("out", FAULT_SLOW_SECONDS=0)
    assert_same_table(jobs.table("out"), undisturbed)


def test_the_head_is_killed_while_train_runs(
    killable: tuple[str, list[psutil.Process]], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """The same for training: whole epochs are kept."""
    address, tree = killable
    labelled = make_archive(tmp_path_factory.mktemp("labelled-for-head"))
    train = command(labelled, tmp_path, 2000, "--address", address)
    process = subprocess.Popen(train, env=os.environ | SLOWLY, stderr=subprocess.PIPE, text=True)
    try:
        wait_until((tmp_path / "metrics.parquet").exists, "an epoch", 240)
        kill(tree)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert "is gone" in err.splitlines()[-1]
    assert (tmp_path / "_checkpoint.safetensors").exists()
    assert not (tmp_path / "_lock").exists()
