"""Opening the one object that a video URI names, and saying in a tracklet's terms why that failed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Self

from par_model import storage
from par_model.errors import FailureCode, TrackletError
from par_model.video.bytes.ranged import WORTH, Part, RangedFile, cost, merged
from par_model.video.bytes.remote import SMALL_OBJECT, RemoteObject
from par_model.video.packet_index import packet_indexes

_VIDEO_CODES = {
    storage.Reason.NOT_FOUND: FailureCode.VIDEO_NOT_FOUND,
    storage.Reason.ACCESS_DENIED: FailureCode.VIDEO_ACCESS_DENIED,
    storage.Reason.ARCHIVED: FailureCode.VIDEO_ARCHIVED,
    storage.Reason.IS_A_FOLDER: FailureCode.VIDEO_UNREADABLE,
}


class VideoFile:
    """The bytes of one video, as a decoder reads them. Keeps its own failures apart from those of the format.

    uri: what messages call it. identity: differs between files, and between versions of one; None if that is unknown.
    failure: why a read failed, if one did.

    Raises PlaceError if it cannot be opened.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.identity: str | None
        self.failure: TrackletError | None = None
        self._local_bytes = 0
        self._end: int | None = None
        self._remote: RemoteObject | None = None
        self._file: IO[bytes] | RangedFile
        if storage.is_local(uri):
            self._file = storage.open_reader(uri)
            found = os.stat(storage.local_path(uri))
            self.identity = f"{uri}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
            return
        self._remote = RemoteObject(uri)
        self.identity = self._remote.version
        # One request is better than several, unless its packet index already tells which bytes are wanted.
        is_small = self._remote.size <= SMALL_OBJECT and (self.identity, 0) not in packet_indexes
        self._file = (self._remote.fetch() if is_small else None) or RangedFile(self._remote)

    @property
    def bytes_read(self) -> int:
        """Bytes that were fetched from storage."""
        return self._local_bytes if self._remote is None else self._remote.bytes_fetched

    @property
    def is_ranged(self) -> bool:
        """Whether reads go to a remote place one by one."""
        return isinstance(self._file, RangedFile)

    def fetch_whole(self) -> bool:
        """Replace ranged reads by a local copy where the disk has room for it. Whether the file starts over thereby.

        Raises TrackletError.
        """
        if self._remote is None or not self.is_ranged:
            return False
        try:
            copy = self._remote.fetch()
        except storage.PlaceError as error:
            raise video_error(error) from error
        self._file = copy or self._file
        return copy is not None

    def confirm(self) -> None:
        """Ask whether the ranges that were read are all of one object. Raises TrackletError."""
        if self._remote is None or not self.is_ranged:
            return
        try:
            self._remote.confirm()
        except storage.PlaceError as error:
            raise video_error(error) from error

    def end_at(self, offset: int) -> None:
        """Let the file seem to end there."""
        self._end = offset

    def _within(self, offset: int, size: int) -> int:
        """How much of ``size`` bytes (-1: all) lies before where the file seems to end."""
        if self._end is None:
            return size
        left = max(0, self._end - offset)
        return left if size < 0 else min(size, left)

    @property
    def size(self) -> int:
        """In bytes, up to where it seems to end."""
        position = self._file.tell()
        try:
            return self._end if self._end is not None else self._file.seek(0, os.SEEK_END)
        finally:
            self._file.seek(position)

    def read(self, size: int = -1) -> bytes:
        """Of a remote file maybe fewer bytes than were asked for, as many as are at hand, but none only at its end."""
        size = self._within(self._file.tell(), size)
        try:
            with storage.guard(self.uri, "read"):
                if isinstance(self._file, RangedFile) and size >= 0:
                    data = self._file.read_some(size)
                else:
                    data = self._file.read(size)
        except storage.PlaceError as error:
            self.failure = video_error(error)
            raise
        self._local_bytes += len(data)
        return data

    def peek(self, offset: int, size: int) -> bytes:
        """Bytes from ``offset`` on, leaving the position where it is. Fewer where the file ends; they do not count."""
        position = self._file.tell()
        try:
            if self.seek(offset) < 0:
                return b""
            with storage.guard(self.uri, "read"):
                return self._file.read(self._within(offset, size))
        except storage.PlaceError as error:
            self.failure = video_error(error)
            raise
        finally:
            self._file.seek(position)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END and self._end is not None:
            offset, whence = self._end + offset, os.SEEK_SET
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1  # a place outside the file: the demuxer's mistake, or the container's lie

    def tell(self) -> int:
        return self._file.tell()

    @contextmanager
    def expecting(self, *parts: Part) -> Iterator[None]:
        """Have few requests do for these bytes too, each part from one up to another, where they are read meanwhile."""
        file = self._file
        if not isinstance(file, RangedFile):
            yield
            return
        before = file.expected
        file.expected = merged([*before, *parts])
        try:
            yield
        finally:
            file.expected = before

    def expect_parts(self, parts: Sequence[Part]) -> bool:
        """Say that these are all the bytes that will be read from here on, so that they come as cheaply as they can: in
        ranges, or by a local copy of the whole. Whether the file starts over because of that. Raises TrackletError."""
        if self._remote is None or not self.is_ranged:
            return False
        requests = merged(parts)
        if isinstance(self._file, RangedFile):
            self._file.expected = requests
        return cost(requests) > WORTH * cost([(0, self._remote.size)]) and self.fetch_whole()

    def rewound(self) -> Self:
        """This file, at its beginning."""
        self.seek(0)
        return self

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_video(uri: str) -> VideoFile:
    """Open the one object that a URI names. Raises TrackletError with the code that the table shows."""
    _refuse_special_file(uri)
    try:
        return VideoFile(uri)
    except storage.PlaceError as error:
        raise video_error(error) from error


def video_error(error: storage.PlaceError) -> TrackletError:
    """What a storage error means for the tracklets of a video."""
    return TrackletError(_VIDEO_CODES.get(error.reason, FailureCode.STORAGE_ERROR), str(error))


def _refuse_special_file(uri: str) -> None:
    """A pipe or a device may never answer, and no time-out reaches a thread that waits in open()."""
    if not storage.is_local(uri):
        return
    try:
        mode = os.stat(storage.local_path(uri)).st_mode
    except (OSError, ValueError):
        return  # opening it says why
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {uri}: it is a pipe, socket or device")
