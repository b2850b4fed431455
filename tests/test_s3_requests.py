"""One policy of trying again, whatever is read: counted at a real S3 server, behind a proxy that fails."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest

from par_model import s3_requests, storage
from par_model.cli import main
from par_model.manifest.read import Manifest
from par_model.manifest.write import write_manifest
from par_model.runs.lock_file import lock_file
from par_model.runs.output import Output
from par_model.storage import PlaceError
from par_model.video.bytes.remote import RemoteObject
from tests.archive import video_row
from tests.s3 import S3_ENVIRONMENT
from tests.s3_proxy import Failing, Request

ATTEMPTS = [f"attempt={number}" for number in range(1, 7)]
FAULTS = ["503 SlowDown", "503 ServiceUnavailable", "500 InternalError", "429 TooManyRequests", "reset", "broken"]


def parquet(uri: str) -> int:
    fs, path = storage.arrow_filesystem(uri)
    with storage.guard(uri, "read"):
        return int(pq.read_table(path, filesystem=fs).num_rows)


READERS: dict[str, Callable[[str], Any]] = {
    "the bytes of a video": lambda bucket: RemoteObject(f"{bucket}/in/m.parquet").read_range(0, 4),
    "a whole file": lambda bucket: storage.read_bytes(f"{bucket}/in/m.parquet")[:4],
    "some bytes": lambda bucket: storage.read_bytes(f"{bucket}/in/m.parquet", 0, 4),
    "a manifest": lambda bucket: Manifest.open(f"{bucket}/in/m.parquet").num_rows,
    "a Parquet file": lambda bucket: parquet(f"{bucket}/in/m.parquet"),
    "a listing": lambda bucket: [file.uri for file in storage.list_files(f"{bucket}/in")],
    "a record": lambda bucket: Output(f"{bucket}/out").record(),
    "a lock": lambda bucket: lock_file(f"{bucket}/out/run.json").read(),
}
FOUND: dict[str, Callable[[str], Any]] = {
    "a manifest": lambda bucket: 1,
    "a Parquet file": lambda bucket: 1,
    "a listing": lambda bucket: [f"{bucket}/in/m.parquet"],
    "a record": lambda bucket: {"fingerprint": {}},
}


class ForgetsUploads(Failing):
    """Also says of an upload that is complete that there is none, as S3 may."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.complete: set[str] = set()

    def meddle(self, request: Request) -> bool:
        if request.command != "POST" or "uploadId=" not in request.path:
            return super().meddle(request)
        if request.path in self.complete:
            request.answer(404, b"<Error><Code>NoSuchUpload</Code><Message>no such upload</Message></Error>")
            return True
        self.complete.add(request.path)
        return super().meddle(request)


@pytest.fixture(scope="module")
def store(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Failing]]:
    """A bucket with a manifest and a record, and what stands before it. Made once, since clients of S3 take long."""
    file_system = fsspec.get_filesystem_class("s3")
    bucket = f"s3://bucket-{uuid.uuid4().hex[:12]}"
    with ForgetsUploads(s3_endpoint) as proxy, pytest.MonkeyPatch.context() as patch:
        for name, value in (S3_ENVIRONMENT | {"AWS_ENDPOINT_URL": proxy.endpoint}).items():
            patch.setenv(name, value)
        file_system.clear_instance_cache()
        storage.filesystem(bucket)[0].mkdir(bucket)
        write_manifest(f"{bucket}/in/m.parquet", [video_row("t", "v.mp4", range(3))])
        storage.write_bytes(f"{bucket}/out/run.json", b'{"fingerprint": {}}')
        yield bucket, proxy
    file_system.clear_instance_cache()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses of botocore, each as long as it may be, which take no time."""
    waited: list[float] = []
    pause = asyncio.sleep

    async def sleep(seconds: float, *more: Any) -> None:
        if seconds > 0.1:
            waited.append(seconds)
        await pause(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr("botocore.retryhandler.random", SimpleNamespace(random=lambda: 1.0))
    return waited


def pairs() -> list[Any]:
    """Each fault with one reader, each reader with the two faults that layers treat most differently."""
    faults = [(fault, "the bytes of a video") for fault in FAULTS]
    return faults + [
        (fault, name) for name in READERS for fault in ("503 SlowDown", "broken") if (fault, name) not in faults
    ]


@pytest.mark.parametrize(("fault", "name"), pairs())
def test_what_fails_for_good_fails_after_six_attempts_and_31_seconds(
    fault: str, name: str, store: tuple[str, Failing], pauses: list[float]
) -> None:
    bucket, proxy = store
    proxy.fail(fault, 1000)
    with pytest.raises(PlaceError) as caught:
        READERS[name](bucket)
    assert sorted(set(proxy.attempts)) == ATTEMPTS
    repeated = 2 if fault == "reset" else 1  # aiohttp, at once
    assert len(proxy.attempts) == repeated * len(ATTEMPTS)
    assert pauses == [1, 2, 4, 8, 16]
    assert str(caught.value).startswith(("cannot read s3://", "cannot list s3://"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("fault", "name"), pairs())
def test_what_fails_twice_and_works_then_loses_nothing(
    fault: str, name: str, store: tuple[str, Failing], pauses: list[float]
) -> None:
    bucket, proxy = store
    proxy.fail(fault, 2)
    found = READERS[name](bucket)
    if name == "a lock":
        assert found.data == b'{"fingerprint": {}}'
    else:
        assert found == FOUND.get(name, lambda bucket: b"PAR1")(bucket)
    assert len(proxy.attempts) == 2


def test_a_store_that_does_not_answer_is_asked_six_times_too(
    store: tuple[str, Failing], pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_requests, "READ_SECONDS", 0.4)
    bucket, proxy = store
    proxy.fail("silent", 1000)
    began = time.monotonic()
    with pytest.raises(PlaceError, match="Read timeout"):
        READERS["the bytes of a video"](bucket)
    assert proxy.attempts == ATTEMPTS
    assert 6 * 0.4 <= time.monotonic() - began < 30
    assert pauses[-5:] == [1, 2, 4, 8, 16]


@pytest.mark.usefixtures("pauses")
def test_whatever_was_refused_before_each_read_has_all_its_attempts(store: tuple[str, Failing]) -> None:
    """The retries of a client are not counted together."""
    bucket, proxy = store
    source = RemoteObject(f"{bucket}/in/m.parquet")
    for _ in range(21):
        proxy.fail("500 InternalError", 1000)
        with pytest.raises(PlaceError, match="InternalError"):
            source.read_range(0, 4)
        assert proxy.attempts == ATTEMPTS
    proxy.fail("500 InternalError", 2)
    assert source.read_range(0, 4) == b"PAR1"


@pytest.mark.parametrize("fault", ["503 SlowDown", "reset"])
def test_a_file_that_is_written_is_tried_as_often(fault: str, store: tuple[str, Failing], pauses: list[float]) -> None:
    bucket, proxy = store
    proxy.fail(fault, 1000, "PUT")
    with pytest.raises(PlaceError, match="cannot write s3://"):
        storage.write_bytes(f"{bucket}/a", b"x")
    assert sorted(set(proxy.attempts)) == ATTEMPTS
    proxy.fail(fault, 2, "PUT")
    storage.write_bytes(f"{bucket}/a", b"x")
    assert storage.read_bytes(f"{bucket}/a") == b"x"


@pytest.mark.usefixtures("pauses")
def test_a_lock_that_cannot_be_changed_is_read_back_once(store: tuple[str, Failing]) -> None:
    bucket, proxy = store
    file = lock_file(f"{bucket}/out/_lock")
    proxy.fail("503 SlowDown", 1000, "PUT")
    with pytest.raises(PlaceError, match="SlowDown"):
        file.swap(None, b"me")
    assert proxy.attempts == ATTEMPTS
    proxy.fail("503 SlowDown", 2, "PUT")
    mine = file.swap(None, b"me")
    assert mine is not None
    assert file.swap(None, b"another") is None
    again = file.read()
    assert again is not None
    assert (again.data, again.version) == (b"me", mine.version)


@pytest.mark.usefixtures("pauses")
def test_a_lock_is_held_by_who_created_it_though_no_answer_came(store: tuple[str, Failing]) -> None:
    """Whoever repeated the request, aiohttp or botocore, and was told 412."""
    bucket, proxy = store
    for lost in (1, 2, 3):
        proxy.fail("lost", lost, "PUT")
        mine = lock_file(f"{bucket}/out/_lock-{lost}").swap(None, b"me")
        assert mine is not None
        assert proxy.left == 0
        assert lock_file(f"{bucket}/out/_lock-{lost}").swap(None, b"another") is None


@pytest.mark.usefixtures("pauses")
def test_an_upload_in_parts_whose_last_answer_was_lost_is_complete(
    store: tuple[str, Failing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its repetition finds no such upload; what is there tells that it is the one."""
    bucket, proxy = store
    data = random.Random(0).randbytes((6 << 20) + 1)
    uri = f"{bucket}/large"
    monkeypatch.setattr(storage.filesystem(uri)[0], "default_block_size", 5 << 20)
    proxy.fail("lost", 1, "POST", "uploadId=")
    storage.write_bytes(uri, data)
    assert proxy.left == 0
    assert storage.read_bytes(uri) == data
    storage.write_bytes(uri, data[1:])
    assert storage.read_bytes(uri) == data[1:]
    proxy.fail("404 NoSuchUpload", 1, "POST", "uploadId=")
    with pytest.raises(PlaceError, match="cannot write"):
        storage.write_bytes(uri, data)
    assert storage.read_bytes(uri) == data[1:]


def test_the_documentation_states_the_rule() -> None:
    said = (Path(__file__).parent.parent / "docs" / "storage.md").read_text(encoding="utf-8")
    connect, read = s3_requests.CONNECT_SECONDS, s3_requests.READ_SECONDS
    assert f"| attempts | {s3_requests.ATTEMPTS} |" in said
    assert f"{connect} s for the connection, {read} s in which no byte comes" in said
    longest = s3_requests.ATTEMPTS * read + sum(2**n for n in range(s3_requests.ATTEMPTS - 1))
    assert f"after at most {longest / 60:.1f} minutes" in said


@pytest.mark.slow
def test_a_store_that_refuses_all_ends_a_command_within_the_time_that_is_stated(
    store: tuple[str, Failing], capsys: pytest.CaptureFixture[str]
) -> None:
    bucket, proxy = store
    proxy.fail("503 SlowDown", 1000)
    began = time.monotonic()
    with pytest.raises(SystemExit) as caught:
        main(["manifest", "check", f"{bucket}/in/m.parquet"])
    assert time.monotonic() - began < 31 + 5
    assert caught.value.code == 1
    assert proxy.attempts == ATTEMPTS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"parjob: cannot read {bucket}/in/m.parquet: ")
    assert "the store is busy" in line
