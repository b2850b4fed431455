"""Videos in object stores: read in ranges where little is wanted, fetched whole to a local file where much is.

Every range is a request of its own, so a request that failed can be made again without reading anything twice.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import IO, Any

from par_model import storage

SMALL_OBJECT = 8 << 20  # fetched whole at once: one request instead of several
MOST_ON_DISK = 64 << 30
_FETCH = 16 << 20
_AT_ONCE = 8
# S3 is asked again by s3_requests.py; of libraries for other places hardly one tries again, so that is done here.
_PAUSES_ELSEWHERE = (0.5, 2.0)


class RemoteObject:
    """One object of an object store. size: in bytes. version: changes with its content, None if that is unknown.

    bytes_fetched: so far, by this process. Raises PlaceError if the object is not there.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.bytes_fetched = 0
        self._bytes_confirmed = 0
        self._counting = Lock()
        self._fs, self._path = storage.filesystem(uri)
        info = self._info()
        if info.get("type") == "directory":
            raise storage.PlaceError(f"cannot read {uri}: it is a folder", storage.Reason.IS_A_FOLDER)
        if info.get("size") is None:
            raise storage.PlaceError(f"cannot read {uri}: its storage does not tell its size")
        self.size = int(info["size"])
        self.version = self._version(info)

    def _info(self) -> dict[str, Any]:
        with storage.guard(self.uri, "read"):
            found: dict[str, Any] = self._fs.info(self._path)
        return found

    def confirm(self) -> None:
        """Ask whether all that was fetched so far is of one object. Raises PlaceError if it may not be."""
        if self.bytes_fetched == self._bytes_confirmed:
            return
        self._fs.invalidate_cache(self._path)
        if self._version(self._info()) != self.version:
            raise storage.PlaceError(f"cannot read {self.uri}: it was replaced while it was read")
        self._bytes_confirmed = self.bytes_fetched

    def _version(self, info: dict[str, Any]) -> str | None:
        marks = [str(info[key]) for key in ("ETag", "etag", "LastModified", "mtime", "created") if info.get(key)]
        return f"{self.uri}:{info.get('size')}:{':'.join(marks)}" if marks else None

    def read_range(self, start: int, stop: int) -> bytes:
        """Bytes start..stop-1. What may pass is tried again, with pauses. Raises PlaceError."""
        for pause in () if storage.is_s3(self.uri) else _PAUSES_ELSEWHERE:
            try:
                return self._read(start, stop)
            except storage.PlaceError as error:
                if error.reason is not storage.Reason.OTHER:
                    raise
            time.sleep(pause)
        return self._read(start, stop)

    def _read(self, start: int, stop: int) -> bytes:
        with storage.guard(self.uri, "read"):
            data: bytes = self._fs.cat_file(self._path, start=start, end=stop)
        with self._counting:
            self.bytes_fetched += len(data)
        if len(data) != stop - start:
            raise storage.PlaceError(
                f"cannot read {self.uri}: {len(data)} bytes came of {stop - start} from {start} on; did it change?"
            )
        return data

    def read_ranges(self, parts: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of several parts, each from one byte up to another, requested several at a time.

        Each as ``read_range`` does. Raises PlaceError.
        """
        if len(parts) == 1:
            return [self.read_range(*parts[0])]
        with ThreadPoolExecutor(min(_AT_ONCE, len(parts)), "ranges") as pool:
            return list(pool.map(lambda part: self.read_range(*part), parts))

    def fetch(self) -> IO[bytes] | None:
        """A local copy in a file without a name, which vanishes with this process however that ends.

        None where it would leave less of the temporary disk than it takes. Raises PlaceError.
        """
        if self.size > min(MOST_ON_DISK, _free() // 2):
            return None
        copy = tempfile.TemporaryFile(prefix="parjob-video-")  # noqa: SIM115  # the caller closes it
        try:
            if not self._has_room(copy):
                copy.close()
                return None
            for start in range(0, self.size, _FETCH):
                copy.write(self.read_range(start, min(start + _FETCH, self.size)))
            copy.seek(0)
            if self.size > _FETCH:  # several requests may have met several objects of the same size
                self.confirm()
        except OSError as error:
            copy.close()
            raise storage.PlaceError(f"cannot keep a local copy of {self.uri}: {error.strerror or error}") from error
        except BaseException:
            copy.close()
            raise
        return copy

    def _has_room(self, copy: IO[bytes]) -> bool:
        """Take the room at once, so that other workers see it. Whether as much is left, whatever they took."""
        try:
            if self.size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(copy.fileno(), 0, self.size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
        return _free() >= self.size


def _free() -> int:
    return shutil.disk_usage(tempfile.gettempdir()).free
