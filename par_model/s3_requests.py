"""How often S3 is asked for one thing, and how long it may take to answer. botocore alone tries again.

An attempt is a request and the whole answer to it. Tried again is what may pass: the statuses 429, 500, 502, 503, 504
and 509, what botocore knows as throttling, time-outs, and connections that are refused, reset or closed, also in the
middle of an answer. ATTEMPTS are made in all; between them lie random pauses of up to 1, 2, 4, 8 and 16 s. So what a
store refuses fails after six requests, between which 31 s pass at most; where it does not answer at all, after
READ_SECONDS more for each.

Other layers would multiply that. s3fs is told to make one attempt. aiohttp makes a request at once again, once, where
its connection was lost; nothing public turns that off, and it counts as the same attempt here.

botocore's "standard" mode is not used. It keeps an account of the retries of all requests of a client, and makes none
any more after some hundred that were in vain: while twenty objects are refused, one 503 is the end of any other.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession

ATTEMPTS = 6
CONNECT_SECONDS = 10
READ_SECONDS = 30  # half of the time after which a job that cannot renew its lock is taken for dead
S3FS_ATTEMPTS = 1


class WholeAnswers(AIOHTTPSession):  # type: ignore[misc]
    """Reads an answer to its end before it gives it to botocore, so that one that breaks off is an attempt that failed.
    Otherwise botocore sees an answer's head alone where an object is read."""

    async def send(self, request: Any) -> Any:
        is_object, request.stream_output = request.stream_output, False
        answer = await super().send(request)
        if is_object:
            answer.raw = _Fetched(answer.raw, await answer.content)
        return answer


class _Fetched:
    """An answer of aiohttp whose body is there, as aiobotocore reads one. What else its versions look at is the
    answer's own."""

    def __init__(self, answer: Any, data: bytes) -> None:
        self._answer, self.content = answer, _Content(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)


class _Content:
    def __init__(self, data: bytes) -> None:
        self._file, self._size = io.BytesIO(data), len(data)

    async def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def at_eof(self) -> bool:
        return self._file.tell() >= self._size


def s3_options() -> dict[str, Any]:
    """What s3fs is made with."""
    return {
        "use_listings_cache": False,
        "config_kwargs": {
            "retries": {"total_max_attempts": ATTEMPTS, "mode": "legacy"},
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "http_session_cls": WholeAnswers,
        },
    }


def complete(fs: Any, path: str, upload: Any) -> None:
    """End an upload, an open file of s3fs. Where the answer to its completion was lost, the object is there all the
    same, and the repetition finds no such upload: then the object's ETag tells. Raises what s3fs raises."""
    try:
        upload.close()
    except FileNotFoundError:
        etags = [part["ETag"] for part in upload.parts or ()]
        if not etags or fs.info(path).get("ETag") != etag_of_parts(etags):
            raise


def etag_of_parts(etags: Sequence[str]) -> str:
    """The ETag of an object that was uploaded in parts with these: MD5 of their MD5s, and how many they are.

    As S3 and those like it do it, but for objects that are encrypted with a key of KMS or of the client.
    """
    joined = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    return f'"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"'
