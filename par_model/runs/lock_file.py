"""The file of a lock, as a place that only those change who have seen its last state: compare and swap.

Locally, look and change are one step under ``flock`` of the file that has the name at that moment; the system ends
such a step with the process, so that none is left behind. On S3 the store compares: ``If-None-Match: *`` creates,
``If-Match`` replaces and removes. File systems without flock, stores that do not heed these conditions and other remote
places are looked at first and changed then, which two jobs in the same instant may both do: ``prove`` tells.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from par_model import storage

_PATIENCE_SECONDS = 10.0  # a step of another process takes milliseconds
_NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
_SIZE = 512  # in place and within a block, so that a heartbeat is never half written nor needs room on the disk
_OTHER_VERSION = '"' + "0" * 32 + '"'


@dataclass(frozen=True)
class Seen:
    """A state of the file. version: S3's ETag. idle: seconds since it was written, by the store's own clock; 0 where
    that cannot be told."""

    data: bytes
    version: str = ""
    idle: float = 0.0


class LockFile(Protocol):
    """Its methods raise PlaceError when the place does not answer."""

    def read(self) -> Seen | None:
        """The file as it is; None where there is none."""

    def swap(self, seen: Seen | None, data: bytes) -> Seen | None:
        """Write ``data`` if the file is as it was seen (None: if there is none). None: it is not, nothing changed."""

    def remove(self, seen: Seen) -> bool:
        """Remove the file if it is as it was seen; whether it was."""

    def prove(self, seen: Seen) -> bool:
        """Whether of two jobs that write in the same instant only one can. seen: what this process has just written."""


def lock_file(uri: str, *, exclusive: bool = True) -> LockFile:
    """The file at a URI, as its place allows. exclusive: not proved to be otherwise."""
    if storage.is_local(uri):
        return LocalLockFile(uri)
    return S3LockFile(uri) if exclusive and storage.is_s3(uri) else RemoteLockFile(uri)


class LocalLockFile:
    """In a file system of this machine, or one that several machines share, if that carries flock between them."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._path = storage.local_path(uri)
        self._has_flock = True

    def read(self) -> Seen | None:
        with storage.guard(self._uri, "read"), self._alone(os.O_RDWR) as file:
            data = _content(file) if file is not None else b""
            return Seen(data) if data else None

    def swap(self, seen: Seen | None, data: bytes) -> Seen | None:
        data = data.ljust(_SIZE)
        with storage.guard(self._uri, "write"):
            if seen is None:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with self._alone(os.O_RDWR | (os.O_CREAT if seen is None else 0)) as file:
                # Empty is as good as absent: who creates it has not come to write, and can no more once this has.
                if file is None or _content(file) != (b"" if seen is None else seen.data):
                    return None
                if seen is None:
                    self._let_write_who_may_write_the_folder(file)
                os.pwrite(file, data, 0)
                os.ftruncate(file, len(data))
                return Seen(data)

    def remove(self, seen: Seen) -> bool:
        with storage.guard(self._uri, "remove"), self._alone(os.O_RDWR) as file:
            if file is None or _content(file) != seen.data:
                return False
            os.unlink(self._path)
            return True

    def prove(self, seen: Seen) -> bool:
        return self._has_flock

    @contextmanager
    def _alone(self, flags: int) -> Iterator[int | None]:
        """The file that has the name now, and nobody else at it; None where there is none."""
        while True:
            try:
                file = os.open(self._path, flags, 0o644)
            except (FileNotFoundError, NotADirectoryError):
                if flags & os.O_CREAT:
                    raise
                yield None
                return
            try:
                self._wait_for_flock(file)
                if self._has_the_name(file):
                    yield file
                    return
            finally:
                os.close(file)

    def _wait_for_flock(self, file: int) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._has_flock:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    why = f"another process has kept it for {_PATIENCE_SECONDS:g} s; is that one stopped?"
                    raise TimeoutError(errno.ETIMEDOUT, why) from None
                time.sleep(0.01)
            except OSError as error:
                if error.errno not in _NO_FLOCK:
                    raise
                self._has_flock = False

    def _has_the_name(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _let_write_who_may_write_the_folder(self, file: int) -> None:
        """Or another user of a shared folder could not take a dead holder's lock."""
        with suppress(OSError):
            os.fchmod(file, 0o644 | os.stat(os.path.dirname(self._path)).st_mode & 0o022)


class RemoteLockFile:
    """At any remote place: looked at, then changed."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def read(self) -> Seen | None:
        try:
            return Seen(storage.read_bytes(self._uri))
        except storage.PlaceError as error:
            if error.reason is storage.Reason.NOT_FOUND:
                return None
            raise

    def swap(self, seen: Seen | None, data: bytes) -> Seen | None:
        if not self._is(seen):
            return None
        storage.write_bytes(self._uri, data)
        return Seen(data)

    def remove(self, seen: Seen) -> bool:
        if not self._is(seen):
            return False
        storage.remove(self._uri)
        return True

    def prove(self, seen: Seen) -> bool:
        return False

    def _is(self, seen: Seen | None) -> bool:
        now = self.read()
        return (now and now.data) == (seen and seen.data)


class S3LockFile(RemoteLockFile):
    """On S3, by conditional requests while the store is not found to ignore or refuse them."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._conditional = True

    def read(self) -> Seen | None:
        from fsspec.asyn import sync

        try:
            with storage.guard(self._uri, "read"):
                fs, answer = self._call("get_object")
                return Seen(sync(fs.loop, answer["Body"].read), answer["ETag"], _idle(answer))
        except storage.PlaceError as error:
            if error.reason is storage.Reason.NOT_FOUND:
                return None
            raise

    def swap(self, seen: Seen | None, data: bytes) -> Seen | None:
        if not self._conditional:
            return super().swap(seen, data)
        condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen.version}
        try:
            with storage.guard(self._uri, "write"):
                return Seen(data, self._call("put_object", Body=data, **condition)[1]["ETag"])
        except storage.PlaceError as error:
            status = _status(error)
            if status == 501:
                self._conditional = False
                return self.swap(seen, data)
            # The answer to a write that arrived may have been lost, and its repetition been refused.
            with suppress(storage.PlaceError):
                now = self.read()
                if now is not None and now.data == data:
                    return now
            if status in (409, 412) or (status == 404 and seen is not None):
                return None
            raise

    def remove(self, seen: Seen) -> bool:
        if not self._conditional:
            return super().remove(seen)
        if not self._is(seen):  # stores that know conditions of writes may pass over those of removals
            return False
        try:
            with storage.guard(self._uri, "remove"):
                self._call("delete_object", IfMatch=seen.version)
        except storage.PlaceError as error:
            status = _status(error)
            if status == 501:  # stores that know conditions of writes only
                return super().remove(seen)
            if status not in (404, 409, 412):
                raise
            return False
        return True

    def prove(self, seen: Seen) -> bool:
        """By two writes that the store must refuse; where it does not, they write what is there."""
        for condition in ({"IfNoneMatch": "*"}, {"IfMatch": _OTHER_VERSION}):
            if not self._conditional:
                break
            try:
                with storage.guard(self._uri, "write"):
                    self._call("put_object", Body=seen.data, **condition)
                self._conditional = False
            except storage.PlaceError as error:
                if _status(error) == 501:
                    self._conditional = False
                elif _status(error) not in (409, 412):
                    raise
        return self._conditional

    def _call(self, method: str, **more: Any) -> tuple[Any, dict[str, Any]]:
        fs, path = storage.filesystem(self._uri)
        bucket, key, _ = fs.split_path(path)
        return fs, fs.call_s3(method, Bucket=bucket, Key=key, **more)


def _content(file: int) -> bytes:
    return os.pread(file, 2**16, 0)


def _idle(answer: dict[str, Any]) -> float:
    """Seconds between the writing of an object and the answer, both told by S3, so that no other clock counts."""
    sent = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    written = answer.get("LastModified")
    return (parsedate_to_datetime(sent) - written).total_seconds() if sent and written else 0.0


def _status(error: storage.PlaceError) -> int:
    """The HTTP status behind an error of S3, 0 where there was no answer."""
    raised = error.__cause__
    answer = getattr(raised, "response", None) or getattr(getattr(raised, "__cause__", None), "response", None) or {}
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
