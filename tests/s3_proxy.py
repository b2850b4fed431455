"""A server between the jobs under test and a real S3 server, that makes of some requests what other stores do."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

_DENIED = b"<Error><Code>AccessDenied</Code><Message>no policy allows the s3:DeleteObject action</Message></Error>"


class Proxy(ThreadingHTTPServer):
    """Passes requests on. Serves between ``with`` and its end."""

    daemon_threads = True

    def __init__(self, backend: str) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.backend = urlsplit(backend).netloc
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def meddle(self, request: Request) -> bool:
        """Whether the request was answered here; else it is passed on."""
        return False

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class Request(BaseHTTPRequestHandler):
    """body: all of it. ``headers`` may be changed before it is passed on."""

    server: Proxy
    protocol_version = "HTTP/1.1"
    body = b""

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.server.meddle(self):
            self.answer(*self.pass_on())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

    def pass_on(self) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the real server's answer."""
        backend = http.client.HTTPConnection(self.server.backend, timeout=30)
        backend.request(self.command, self.path, self.body, dict(self.headers))
        response = backend.getresponse()
        found = response.status, response.read(), dict(response.getheaders())
        backend.close()
        return found

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        more = {name.lower(): value for name, value in (headers or {}).items()}
        length = more.pop("content-length", str(len(body)))
        for name, value in more.items():
            if name not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self) -> None:
        """Break the connection off instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def break_off(self) -> None:
        """Answer as the real server does, but for all of the body: two bytes of that, and then the end."""
        status, body, headers = self.pass_on()
        self.answer(status, body[:2], {**headers, "Content-Length": str(len(body))})
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class NothingMayGo(Proxy):
    """S3 for a role without s3:DeleteObject. allowed: what keys may go all the same."""

    allowed: str | None = None

    def meddle(self, request: Request) -> bool:
        if request.command == "DELETE":
            if self.allowed and self.allowed in unquote(request.path):
                return False
            request.answer(403, _DENIED)
            return True
        if request.command == "POST" and request.path.endswith("?delete"):
            keys = re.findall(r"<Key>(.*?)</Key>", request.body.decode())
            errors = "".join(f"<Error><Key>{key}</Key><Code>AccessDenied</Code></Error>" for key in keys)
            request.answer(200, f"<DeleteResult>{errors}</DeleteResult>".encode())
            return True
        return False


class Counting(Proxy):
    """S3 that remembers what it was asked for. ranges: of each GET, from one byte up to another; None for all."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.heads = 0
        self.ranges: list[tuple[int, int] | None] = []

    def forget(self) -> None:
        """Begin to count."""
        self.heads, self.ranges = 0, []

    def bytes_asked(self) -> int:
        """Of all ranges."""
        return sum(stop - start for start, stop in filter(None, self.ranges))

    def meddle(self, request: Request) -> bool:
        if request.command == "HEAD":
            self.heads += 1
        elif request.command == "GET":
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
            self.ranges.append((int(found[1]), int(found[2]) + 1) if found else None)
        return False


class Failing(Proxy):
    """S3 whose answers to ``command``, below a path, fail in one way, ``left`` times; to begin with, never.

    attempts: of the requests that failed, how botocore numbers its attempts.
    """

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.over = threading.Event()
        self.fail("reset", 0)

    def fail(self, fault: str, left: int, command: str = "GET", path: str = "") -> None:
        """Begin to. fault: reset, broken, silent, lost (the request arrives), or a status and a code of S3."""
        self.fault, self.left, self.command, self.part_of_path = fault, left, command, path
        self.attempts: list[str] = []

    def meddle(self, request: Request) -> bool:
        if request.command != self.command or self.part_of_path not in request.path or self.left < 1:
            return False
        self.left -= 1
        self.attempts += re.findall("attempt=[0-9]+", request.headers.get("amz-sdk-request", "attempt=0"))
        if self.fault in ("reset", "lost"):
            if self.fault == "lost":
                request.pass_on()
            request.reset()
        elif self.fault == "broken":
            request.break_off()
        elif self.fault == "silent":
            self.over.wait(60)
            request.close_connection = True
        else:
            status, _, code = self.fault.partition(" ")
            request.answer(int(status), f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        super().__exit__(kind, error, trace)
