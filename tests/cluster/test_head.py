"""An address at which no head of Ray answers, and a head that is killed while a job runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import psutil
import pyarrow as pa
import pytest
import ray
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from par_model.cluster import head
from par_model.cluster.head import check_head, head_address
from par_model.cluster.session import ray_session
from par_model.errors import ClusterError
from tests.archive import assert_same_table
from tests.cluster.test_submit import free_port
from tests.cluster.test_training import command
from tests.faults.conftest import HOOKS, Jobs, wait_until
from tests.training.archive import make_archive


@contextmanager
def a_silent_listener() -> Iterator[str]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def a_web_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server, ThreadPoolExecutor() as pool:
        pool.submit(server.serve_forever)
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


_MESSAGES: Any = gcs_service_pb2
_SERVICES: Any = gcs_service_pb2_grpc


class _Head(_SERVICES.NodeInfoGcsServiceServicer):  # type: ignore[misc]
    version = ray.__version__

    def CheckAlive(self, request: Any, context: Any) -> Any:  # noqa: N802
        return _MESSAGES.CheckAliveReply(ray_version=self.version)


@contextmanager
def a_grpc_server(servicer: _Head | None) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    if servicer is not None:
        _SERVICES.add_NodeInfoGcsServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


class _Older(_Head):
    version = "2.9.3"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (a_silent_listener, "nothing answered within 1 s"),
        (a_web_server, "what answers there is no head of Ray"),
        (lambda: a_grpc_server(None), "what answers there is no head of Ray"),
        (lambda: a_grpc_server(_Older()), f"has Ray 2.9.3, this machine {ray.__version__}"),
    ],
)
def test_what_is_no_head_of_this_ray_is_said(place: Any, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "_ANSWER_SECONDS", 1.0)
    with place() as address, pytest.raises(ClusterError) as caught:
        check_head(address, "there:1")
    assert str(caught.value).startswith("cannot join Ray at there:1: ")
    assert why in str(caught.value)


def test_a_head_of_this_version_may_be_joined() -> None:
    with a_grpc_server(_Head()) as address:
        check_head(address, address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:{port}", "nothing listens there"),
        ("no-such-host.invalid:6379", "there is no such host"),
        ("ray://127.0.0.1:{port}", "that is the port of Ray Client"),
        ("http://127.0.0.1:{port}", "that is for `ray job submit`"),
        ("127.0.0.1", "Invalid address format"),
        ("127.0.0.1:port", "no number as its port"),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_each_form_of_an_address_where_nothing_is(
    address: str, said: str, by_variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = address.format(port=free_port())
    if by_variable:
        monkeypatch.setenv("RAY_ADDRESS", given)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # whatever other tests have started
    began = time.monotonic()
    with pytest.raises(ClusterError) as caught, ray_session(None if by_variable else given):
        pass
    assert said in str(caught.value)
    assert given in str(caught.value)
    assert time.monotonic() - began < 10


def test_auto_without_a_cluster_and_with_the_record_of_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"127.0.0.1:{free_port()}"
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", lambda: [])
    monkeypatch.setattr("ray._private.utils.read_ray_address", lambda *_: None)
    with pytest.raises(ClusterError, match="Could not find any running Ray"):
        head_address("auto")
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda *_: gone)
    with pytest.raises(ClusterError, match="nothing listens there"):
        check_head(head_address("auto"), "auto")


def test_ctrl_c_acts_at_once_while_nothing_answers(tmp_path: Path) -> None:
    program = "from par_model.cluster.head import check_head; print('here', flush=True); check_head({!r}, 'x')"
    with a_silent_listener() as address:
        process = subprocess.Popen(
            [sys.executable, "-c", program.format(address)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in err


# What the hooks of tests/faults need, in the head's workers too.
SLOWLY = {"FAULTS": "1", "PYTHONPATH": str(HOOKS), "FAULT_SLOW_SECONDS": "2", "RAY_AUTH_MODE": "disabled"}


@pytest.fixture
def killable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[psutil.Process]]]:
    """The address of a head that `ray start` made, and its processes. Sockets want a short path."""
    port = free_port()
    folder = tmp_path_factory.mktemp("r")
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={port}", "--num-cpus=2"]
    command += ["--include-dashboard=false", f"--temp-dir={folder}", "--disable-usage-stats", "--block"]
    start = subprocess.Popen(command, env=os.environ | SLOWLY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tree = [psutil.Process(start.pid)]
    try:
        wait_until(lambda: _answers_at(f"127.0.0.1:{port}"), "the head", 120)
        tree += tree[0].children(recursive=True)
        yield f"127.0.0.1:{port}", tree
    finally:
        for process in tree + [p for p in psutil.process_iter() if _belongs(p, str(folder))]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        start.wait()


def _answers_at(address: str) -> bool:
    try:
        check_head(address, address)
    except ClusterError:
        return False
    return True


def _belongs(process: psutil.Process, folder: str) -> bool:
    try:
        return folder in " ".join(process.cmdline())
    except psutil.Error:
        return False


def kill(tree: list[psutil.Process], which: str) -> None:
    """SIGKILL to the server that a cluster hangs on, or to all processes of the head."""
    chosen = [p for p in tree if which == "all" or p.name().startswith("gcs_server")]
    assert chosen
    for process in chosen:
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("which", ["gcs", "all"])
def test_the_head_is_killed_while_infer_runs(
    killable: tuple[str, list[psutil.Process]], jobs: Jobs, undisturbed: pa.Table, which: str
) -> None:
    """One line, exit code 1, what was done is kept, and the same command goes on from there."""
    address, tree = killable
    jobs = replace(jobs, ray=True, environment=SLOWLY)
    process = jobs.start("out", "--address", address)
    jobs.wait_for_parts("out", 1)
    kill(tree, which)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if "is gone" in line]
    assert line == err.splitlines()[-1]
    assert "the same command goes on from there" in line
    assert "_lock" not in jobs.names("out")
    assert "are done already" in replace(jobs, ray=False).run("out")
    assert_same_table(jobs.table("out"), undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_head_is_killed_while_train_runs(
    killable: tuple[str, list[psutil.Process]], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Whole epochs are kept, and the same command without that cluster goes on after them."""
    address, tree = killable
    labelled = make_archive(tmp_path_factory.mktemp("labelled-for-head"))
    train = command(labelled, tmp_path, 2000, "--address", address)
    process = subprocess.Popen(train, env=os.environ | SLOWLY, stderr=subprocess.PIPE, text=True)
    try:
        wait_until((tmp_path / "metrics.parquet").exists, "an epoch", 240)
        kill(tree, "gcs")
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert "is gone" in err.splitlines()[-1]
    assert (tmp_path / "_checkpoint.safetensors").exists()
    assert not (tmp_path / "_lock").exists()
