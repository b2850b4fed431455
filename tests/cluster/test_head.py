"""An address at which no head of Ray answers, and a head that is killed while a job runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
import ray
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from par_model.cluster import head
from par_model.cluster.head import check_head, head_address
from par_model.cluster.session import ray_session
from par_model.errors import ClusterError
from tests.cluster.test_submit import free_port


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
