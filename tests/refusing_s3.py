"""An S3 on loopback that refuses as the real one does: errors as XML, and none behind a HEAD."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Answer:
    """How one key is answered. on_head: a status of its own for HEAD."""

    status: int = 200
    code: str = ""
    text: str = ""
    body: bytes = b""
    on_head: int | None = None
    more: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Refusing(ThreadingHTTPServer):
    """answers: by bucket and key. list_answer: to listings; None lists the keys. requests: seen so far."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Answer], list_answer: Answer | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.list_answer = answers, list_answer
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Refusing
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        place = unquote(parts.path).strip("/")
        self.server.requests.append((self.command, place, {k.lower(): v for k, v in self.headers.items()}))
        if "/" not in place:
            self._send(self.server.list_answer or self._listing(place, parse_qs(parts.query)))
        else:
            self._send(self.server.answers.get(place, Answer(404, "NoSuchKey", "The specified key does not exist.")))

    do_GET = do_HEAD = _answer  # noqa: N815

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> Answer:
        prefix = query.get("prefix", [""])[0]
        keys = [place.partition("/")[2] for place in self.server.answers if place.startswith(f"{bucket}/{prefix}")]
        found = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(self.server.answers[f'{bucket}/{key}'].body)}</Size></Contents>"
            for key in keys
        )
        return Answer(body=f"<ListBucketResult>{found}<KeyCount>{len(keys)}</KeyCount></ListBucketResult>".encode())

    def _send(self, answer: Answer) -> None:
        is_head = self.command == "HEAD"
        status = answer.on_head if is_head and answer.on_head is not None else answer.status
        body = answer.body
        if answer.code:
            body = f"<Error><Code>{answer.code}</Code><Message>{answer.text}</Message>{answer.more}</Error>".encode()
        if status == 200 and "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            body, status = body[int(first) : int(last) + 1], 206
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)) if not is_head or status == 200 else "0")
        self.end_headers()
        if not is_head:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def refusing_s3(answers: dict[str, Answer], list_answer: Answer | None = None) -> Iterator[Refusing]:
    with Refusing(answers, list_answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
