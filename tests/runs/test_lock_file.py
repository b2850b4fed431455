"""A lock's file is changed only by who has seen its last state, wherever it lies.

tests/runs/test_lock.py has the orders of two jobs, and stores that fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from par_model.runs.lock_file import LocalLockFile, RemoteLockFile, S3LockFile, Seen, lock_file


@pytest.fixture(params=["local", "memory", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        new_bucket: Callable[[], str] = request.getfixturevalue("s3")
        return f"{new_bucket()}/out/_lock"
    return f"{tmp_path}/out/_lock" if request.param == "local" else f"memory://{tmp_path.name}/_lock"


def test_each_change_wants_the_last_state(uri: str) -> None:
    one, other = lock_file(uri), lock_file(uri)
    assert one.read() is None
    first = one.swap(None, b"first")
    assert first is not None
    assert first.data.rstrip() == b"first"
    assert other.swap(None, b"other") is None, "there is one already"
    second = one.swap(first, b"second")
    assert second is not None
    seen = other.read()
    assert seen is not None
    assert (seen.data.rstrip(), seen.version) == (b"second", second.version)
    assert one.swap(first, b"third") is None
    assert not one.remove(first)
    assert other.remove(second)
    assert not other.remove(second)
    assert one.read() is None
    assert one.swap(second, b"again") is None


def test_a_place_has_the_kind_of_file_that_it_allows() -> None:
    assert type(lock_file("/out/_lock")) is LocalLockFile
    assert type(lock_file("s3://b/out/_lock")) is S3LockFile
    assert type(lock_file("s3://b/out/_lock", exclusive=False)) is RemoteLockFile
    assert type(lock_file("memory://out/_lock")) is RemoteLockFile
    assert not lock_file("memory://out/_lock").prove(Seen(b""))
