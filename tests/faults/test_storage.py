"""S3 stutters: what may pass is tried again, what does not is a failed row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from par_model import storage
from par_model.manifest.write import write_manifest
from tests.archive import assert_same_table
from tests.faults.conftest import SLOW_VIDEOS, Jobs, slow_rows
from tests.s3_proxy import Proxy, Request

BROKEN = "v03.mp4"


class Stuttering(Proxy):
    """Of twenty requests, one is answered with 503 and one with a reset connection, and every one for the object BROKEN
    with 503."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.number = itertools.count(1)
        self.spoilt = 0

    def meddle(self, request: Request) -> bool:
        number = next(self.number)
        if number % 20 == 7:
            self.spoilt += 1
            request.reset()
            return True
        if number % 20 == 14 or BROKEN in request.path:
            self.spoilt += 1
            request.answer(503, b"<Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>")
            return True
        return False


@pytest.fixture
def stuttering_s3(
    s3: Callable[[], str], s3_endpoint: str, slow_archive: Path, tiny_weights: Path
) -> Iterator[tuple[Jobs, Stuttering]]:
    bucket = s3()
    for v in range(SLOW_VIDEOS):
        storage.write_bytes(f"{bucket}/videos/v{v:02}.mp4", (slow_archive / f"v{v:02}.mp4").read_bytes())
    storage.write_bytes(f"{bucket}/w.safetensors", tiny_weights.read_bytes())
    write_manifest(f"{bucket}/manifest.parquet", slow_rows(f"{bucket}/videos", scheme=""))
    with Stuttering(s3_endpoint) as server:
        environment = {"AWS_ENDPOINT_URL": server.endpoint}
        yield Jobs(f"{bucket}/manifest.parquet", f"{bucket}/w.safetensors", bucket, environment), server


def test_a_tenth_of_all_requests_fails_and_one_object_always(
    stuttering_s3: tuple[Jobs, Stuttering], undisturbed: pa.Table
) -> None:
    """Only the tracklets of the object that never answers fail, with storage-error; the rest is as if undisturbed."""
    jobs, server = stuttering_s3
    jobs.run("out", "--max-failure-rate", "0.2")
    assert server.spoilt > 10
    table = jobs.table("out")
    rows = {row["tracklet_id"]: row for row in table.to_pylist()}
    broken = BROKEN.removesuffix(".mp4").replace("v", "t")
    assert {i for i, row in rows.items() if row["status"] == "failed"} == {f"{broken}-0", f"{broken}-1"}
    assert rows[f"{broken}-0"]["error"] == "storage-error"
    fine = pa.array([row["status"] == "ok" for row in table.to_pylist()])
    assert_same_table(
        table.filter(fine).drop(["video_uri"]).combine_chunks(),
        undisturbed.filter(fine).drop(["video_uri"]).combine_chunks(),
    )
