"""Fixtures that several folders of tests share."""

from __future__ import annotations

import gc
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.s3 import S3_ENVIRONMENT

# Threads of torch that wait for each other would keep the cores busy that other processes of tests need.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_HERE = Path(__file__).parent
_START_RAY = ("cluster", "faults")


class _Groups(LoadScopeScheduling):
    """Deals tests to processes side by side: a file's tests stay together and share its fixtures; all that start
    Ray are one group, so that no two clusters meet."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(Path(nodeid.split("::")[0]).relative_to("tests"))


def _group(path: Path) -> str:
    return "ray" if path.parts[0] in _START_RAY else str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Groups(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected stays to the end: collecting garbage need not look at it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        # Before, since it asks the collector who refers to a generator of random numbers; what is frozen is no answer.
        import hypothesis  # noqa: F401

        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts Ray begins first, since it takes longest."""
    items.sort(key=lambda item: _group(item.path.relative_to(_HERE)) != "ray")


@pytest.fixture(scope="session", autouse=True)
def lines_on_stderr() -> None:
    """What jobs say is printed as the command line prints it, also where tests run them without it."""
    from par_model.cli.command import log_to_stderr

    log_to_stderr()


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random weights file for the street schema; tests.tiny.write_tiny_weights makes others."""
    from tests.tiny import write_tiny_weights

    return Path(write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors"))


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of an S3 server on loopback that lives as long as the test session."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Makes buckets: each call gives the URI of a new, empty one. The environment names the server and credentials."""
    import fsspec

    for name, value in (S3_ENVIRONMENT | {"AWS_ENDPOINT_URL": s3_endpoint}).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    file_system = fsspec.get_filesystem_class("s3")
    file_system.clear_instance_cache()  # those made so far know another endpoint

    def new_bucket() -> str:
        uri = f"s3://bucket-{uuid.uuid4().hex[:12]}"
        fsspec.filesystem("s3").mkdir(uri)
        return uri

    yield new_bucket
    file_system.clear_instance_cache()


@pytest.fixture
def undeletable(s3: Callable[[], str], s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket in which nothing may be removed."""
    import fsspec

    from tests.s3_proxy import NothingMayGo

    bucket = s3()
    with NothingMayGo(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield bucket


@pytest.fixture(scope="session")
def local_ray(s3_endpoint: str) -> Iterator[None]:
    """A local Ray that every ``ray_runner`` of this process joins. Its workers know the S3 server of the tests."""
    from par_model.cluster.session import ray_session

    with pytest.MonkeyPatch.context() as environment:
        for name, value in (S3_ENVIRONMENT | {"AWS_ENDPOINT_URL": s3_endpoint}).items():
            environment.setenv(name, value)
        with ray_session(None):
            yield
