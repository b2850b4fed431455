"""S3 stutters: what may pass is tried again, what does not is a failed row."""

from __future__ import annotations

import http.client
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from par_model import storage
from par_model.manifest.write import write_manifest
from tests.archive import assert_same_table
from tests.faults.conftest import SLOW_VIDEOS, Jobs, slow_rows

BROKEN = "v03.mp4"


class Stuttering(ThreadingHTTPServer):
    """Passes requests on to a real S3 server. Of twenty, one is answered with 503 and one with a reset connection, and
    every one for the object BROKEN with 503."""

    daemon_threads = True

    def __init__(self, backend: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = urlsplit(backend).netloc
        self.number = itertools.count(1)
        self.spoilt = 0


class _Handler(BaseHTTPRequestHandler):
    server: Stuttering
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number = next(self.server.number)
        if number % 20 == 7:
            self.server.spoilt += 1
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if number % 20 == 14 or BROKEN in self.path:
            self.server.spoilt += 1
            self._answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>")
            return
        backend = http.client.HTTPConnection(self.server.backend, timeout=30)
        backend.request(self.command, self.path, body, dict(self.headers))
        response = backend.getresponse()
        self._answer(response.status, dict(response.getheaders()), response.read())
        backend.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        length = headers.pop("Content-Length", str(len(body)))
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


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
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        yield Jobs(f"{bucket}/manifest.parquet", f"{bucket}/w.safetensors", bucket, environment), server
        server.shutdown()


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
