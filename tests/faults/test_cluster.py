"""Ray's workers and nodes die while the job runs; every tracklet still comes out once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pyarrow as pa
import pytest

from tests.archive import assert_same_table
from tests.faults.conftest import HOOKS, Jobs, wait_until

pytestmark = pytest.mark.slow


def workers(job: int, stage: str) -> list[psutil.Process]:
    """Ray's worker processes of a stage, below the job's own process."""
    found = []
    for process in psutil.Process(job).children(recursive=True):
        try:
            if f"({stage})" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("stage", ["DecodeUnits", "RecogniseCrops"])
def test_an_actor_is_killed(jobs: Jobs, undisturbed: pa.Table, stage: str) -> None:
    """SIGKILL to the actor that decodes, or to the one that holds the model: another takes over, no row is lost."""
    jobs = replace(jobs, ray=True)
    process = jobs.start("out")
    jobs.wait_for_parts("out", 1)
    for worker in wait_until(lambda: workers(process.pid, stage), f"a worker of {stage}"):
        worker.kill()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert_same_table(jobs.table("out"), undisturbed)


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("FAULTS", "1")
    monkeypatch.setenv("PYTHONPATH", str(HOOKS))
    from ray.cluster_utils import Cluster

    # Three CPUs for pools of two each: one of either kind is on this node, whatever lies on the other.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def test_a_node_is_removed(jobs: Jobs, undisturbed: pa.Table, two_nodes: object) -> None:
    """Half of the decode workers and model actors go with their node; the other node does what is left."""
    from ray.cluster_utils import Cluster

    assert isinstance(two_nodes, Cluster)
    node = two_nodes.add_node(num_cpus=2)
    two_nodes.wait_for_nodes()
    jobs = replace(jobs, ray=True)
    process = jobs.start("out", "--address", two_nodes.address, "--decode-workers", "2", "--model-actors", "2")
    jobs.wait_for_parts("out", 1)
    two_nodes.remove_node(node, allow_graceful=False)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert_same_table(jobs.table("out"), undisturbed)


def test_what_a_lost_node_leaves_is_shared_out_anew(
    jobs: Jobs, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node goes on which everything was decoded, and model actors fill the other: the job begins anew there, with
    what is missing, instead of waiting for a CPU to decode on."""
    for name, value in {"FAULTS": "1", "PYTHONPATH": str(HOOKS), "FAULT_SLOW_SECONDS": "3"}.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        # Four CPUs for four actors: beside the one that decodes is a model actor, and on the other node are two.
        nodes = {raylet_of(node): node for node in (cluster.add_node(num_cpus=2) for _ in range(2))}
        cluster.wait_for_nodes()
        jobs = replace(jobs, ray=True)
        process = jobs.start("out", "--address", cluster.address, "--decode-workers", "1", "--model-actors", "3")
        jobs.wait_for_parts("out", 1)
        wait_until(lambda: len(workers(os.getpid(), "RecogniseCrops")) == 3, "model actors on both nodes")
        [decoding] = workers(os.getpid(), "DecodeUnits")
        cluster.remove_node(nodes[decoding.ppid()], allow_graceful=False)
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert "2 of 4 CPUs went" in err
        assert_same_table(jobs.table("out"), undisturbed)
    finally:
        cluster.shutdown()


def raylet_of(node: Any) -> int:
    """The process that starts a node's workers."""
    [raylet] = node.all_processes["raylet"]
    pid: int = raylet.process.pid
    return pid


def test_workers_that_the_cluster_has_no_room_for_are_not_waited_for(
    jobs: Jobs, undisturbed: pa.Table, two_nodes: object
) -> None:
    """Five actors on three CPUs: whichever come first, the table is there in the end."""
    from ray.cluster_utils import Cluster

    assert isinstance(two_nodes, Cluster)
    jobs = replace(jobs, ray=True)
    process = jobs.start("out", "--address", two_nodes.address, "--decode-workers", "1", "--model-actors", "4")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert_same_table(jobs.table("out"), undisturbed)
