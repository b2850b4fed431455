"""A manifest of many small files on S3: each is fetched once, as a whole, several at a time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import fsspec
import pytest

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest import Manifest, write_manifest
from par_model.manifest import files as files_module
from par_model.manifest.check import check
from tests.manifest.examples import on_video
from tests.s3_proxy import Proxy, Request

FILES, ROWS = 40, 3


class Counting(Proxy):
    """Counts requests, by method, and how many are under way at a time; each takes a while."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.asked: Counter[str] = Counter()
        self.most, self._now, self._lock = 0, 0, threading.Lock()

    def meddle(self, request: Request) -> bool:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.asked["list" if "list-type" in request.path else request.command] += 1
        time.sleep(0.005)
        answer = request.pass_on()
        with self._lock:
            self._now -= 1
        request.answer(*answer)
        return True


@pytest.fixture
def store(s3: Callable[[], str], s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Counting]]:
    bucket = s3()
    for number in range(FILES):
        rows = [on_video(f"{number}-{i}") for i in range(ROWS)]
        write_manifest(f"{bucket}/m/{number:03}.parquet", rows)
    with Counting(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield f"{bucket}/m", proxy


def test_check_and_fingerprint_fetch_each_file_once(store: tuple[str, Counting]) -> None:
    uri, proxy = store
    manifest = Manifest.open(uri)
    assert list(check(manifest, None)) == []
    assert len(manifest.content_fingerprint()) == 64
    assert proxy.asked["GET"] == FILES
    assert proxy.asked.total() <= FILES + 5
    assert proxy.most > 4


def test_files_that_are_too_many_to_keep_are_fetched_once_a_pass(
    store: tuple[str, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "_KEPT_BYTES", 0)
    uri, proxy = store
    manifest = Manifest.open(uri)
    proxy.asked.clear()
    proxy.most = 0
    rows = [row for batch in manifest.iter_batches(["tracklet_id"]) for row in batch["tracklet_id"].to_pylist()]
    assert rows == [f"{number}-{i}" for number in range(FILES) for i in range(ROWS)]
    assert proxy.asked == {"GET": FILES}
    assert proxy.most > 4
    assert manifest.tracklet_id(7 * ROWS + 1) == "7-1"
    assert proxy.asked == {"GET": FILES + 1}
    assert len(manifest.content_fingerprint()) == 64
    assert proxy.asked == {"GET": 2 * FILES + 1}


def test_whether_files_changed_is_told_without_reading_them(store: tuple[str, Counting]) -> None:
    uri, proxy = store
    manifest = Manifest.open(uri)
    fingerprint = manifest.content_fingerprint()
    proxy.asked.clear()
    manifest.refuse_if_changed(fingerprint)
    assert proxy.asked["GET"] == 0
    assert proxy.asked.total() <= 3
    content = storage.read_bytes(f"{uri}/007.parquet")
    storage.write_bytes(f"{uri}/007.parquet", content[:50] + bytes([content[50] ^ 1]) + content[51:])
    with pytest.raises(ManifestError, match=f"manifest {uri}: changed while the job ran"):
        manifest.refuse_if_changed(fingerprint)
    storage.write_bytes(f"{uri}/007.parquet", content)
    storage.write_bytes(f"{uri}/more.parquet", content)
    manifest.refuse_if_changed(fingerprint)
    storage.remove(f"{uri}/003.parquet")
    with pytest.raises(ManifestError, match="changed while the job ran"):
        manifest.refuse_if_changed(fingerprint)
