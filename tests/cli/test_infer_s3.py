"""S3 that does not answer as wished: one helpful line, exit code 1, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from par_model import storage
from par_model.cli import main
from tests.archive import write_archive


class _Denies(BaseHTTPRequestHandler):
    """An S3 that answers every request with 403."""

    def _deny(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _deny  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def denying_s3(s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Denies) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield
        server.shutdown()


def infer(manifest: object, weights: object, output: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["infer", "--manifest", str(manifest), "--weights", str(weights), "--output", str(output), "--no-ray"])
    return int(stopped.value.code or 0)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def test_a_bucket_that_does_not_exist(
    s3: Callable[[], str], tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = s3()
    manifest = write_archive(tmp_path)
    assert infer("s3://no-such-bucket-here/m.parquet", tiny_weights, tmp_path / "out") == 1
    assert "no such bucket (no-such-bucket-here)" in one_line(capsys)
    assert infer(manifest, "s3://no-such-bucket-here/w.safetensors", tmp_path / "out") == 1
    assert "s3://no-such-bucket-here/w.safetensors" in one_line(capsys)
    assert infer(manifest, tiny_weights, "s3://no-such-bucket-here/out") == 1
    assert "no such bucket" in one_line(capsys)
    assert not (tmp_path / "out").exists()
    assert storage.list_files(bucket) == []


@pytest.mark.usefixtures("denying_s3")
def test_an_s3_that_answers_403(tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_archive(tmp_path)
    for arguments in (
        ("s3://bucket/m.parquet", tiny_weights, tmp_path / "out"),
        (manifest, "s3://bucket/w.safetensors", tmp_path / "out"),
        (manifest, tiny_weights, "s3://bucket/out"),
    ):
        assert infer(*arguments) == 1
        line = one_line(capsys)
        assert "s3://bucket" in line
        assert "denied" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("s3")
def test_no_credentials(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert infer("s3://bucket/m.parquet", tiny_weights, tmp_path / "out") == 1
    line = one_line(capsys)
    assert "credentials" in line
    assert "AWS_PROFILE" in line
