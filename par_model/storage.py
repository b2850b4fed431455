"""Places that data lie in: local paths and URIs of any scheme that fsspec knows.

No other module resolves storage. S3 goes through s3fs for everything: videos, pyarrow's Parquet (``arrow_filesystem``),
Ray Train. So credentials, region and endpoint come from botocore's chain alone (AWS_* variables with AWS_ENDPOINT_URL,
profile, instance role), are renewed by it in jobs that outlive them, and leave it by ``object_stores.py`` alone.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

from par_model.errors import StorageError
from par_model.refusals import Refusal, library_error, line, not_found, refusal

if TYPE_CHECKING:
    import pyarrow.fs

# What a write below a folder that a job holds asks first; it raises where the job holds it no more.
Before = Callable[[], None]

PARTIAL = "_partial-"  # how local files are called until they are whole

_GLOB = re.compile(r"[*?\[]")


class Reason(StrEnum):
    """Why a place could not be read or written, as far as the caller may want to act on it."""

    NOT_FOUND = "not found"
    ACCESS_DENIED = "access denied"
    ARCHIVED = "archived"
    IS_A_FOLDER = "is a folder"
    OTHER = "other"


class PlaceError(StorageError):
    """A StorageError that knows its reason."""

    def __init__(self, message: str, reason: Reason = Reason.OTHER) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[PlaceError], tuple[str, Reason]]:
        return type(self), (str(self), self.reason)


@dataclass(frozen=True)
class FileInfo:
    """One file of a listing: its URI and its size in bytes. version: another once it is written anew; "" if unknown."""

    uri: str
    size: int
    version: str = field(default="", compare=False)


def is_local(uri: str) -> bool:
    """Whether a URI names a place in this machine's file system."""
    return "://" not in uri or uri.startswith("file://")


def is_s3(uri: str) -> bool:
    """Whether a URI names an object of S3, or of a store like it."""
    return uri.startswith(("s3://", "s3a://"))


def local_path(uri: str) -> str:
    """The absolute path of a local URI."""
    return os.path.abspath(os.path.expanduser(uri.removeprefix("file://")))


def is_glob(uri: str) -> bool:
    """Whether a URI is a pattern. A local file of that very name is none."""
    return bool(_GLOB.search(uri)) and not (is_local(uri) and os.path.exists(local_path(uri)))


def absolute(uri: str, base: str | None = None) -> str:
    """A URI that means the same everywhere: relative ones are taken from ``base``, or from the working folder."""
    if "://" in uri or os.path.isabs(uri):
        return uri
    return join(base, uri) if base is not None else local_path(uri)


def canonical(uri: str) -> str:
    """One spelling for one place: an absolute path, or a URI without empty and relative parts; ``s3`` for ``s3a``."""
    return local_path(uri) if is_local(uri) else join(re.sub("^s3a://", "s3://", uri))


def join(base: str, *parts: str) -> str:
    """``base`` with path parts appended. ``..`` and ``.`` in a part are resolved."""
    scheme, separator, path = base.rpartition("://")
    return scheme + separator + posixpath.normpath(posixpath.join(path, *parts))


def parent(uri: str) -> str:
    """The folder that a file's URI, or the fixed part of a pattern, lies in."""
    scheme, separator, path = uri.rpartition("://")
    head = posixpath.dirname(path)
    while _GLOB.search(head) and is_glob(uri):
        head = posixpath.dirname(head)
    return scheme + separator + head


def name(uri: str) -> str:
    """The last part of a URI."""
    return posixpath.basename(uri.rstrip("/"))


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it. Raises PlaceError for a scheme that nothing here opens."""
    import fsspec

    if is_local(uri):
        return fsspec.filesystem("file"), local_path(uri)
    try:
        if not is_s3(uri):
            fs, path = fsspec.core.url_to_fs(uri)
            return fs, path
        from par_model import s3_requests

        fs, path = fsspec.core.url_to_fs(uri, **s3_requests.s3_options())
    except (ValueError, ImportError) as error:
        raise PlaceError(f"{uri}: cannot be opened: {error}") from error
    fs.retries = s3_requests.S3FS_ATTEMPTS  # not among the options that s3fs takes
    return fs, path


def arrow_filesystem(uri: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The same as pyarrow wants it."""
    import pyarrow.fs

    if is_local(uri):
        return pyarrow.fs.LocalFileSystem(), local_path(uri)
    fs, path = filesystem(uri)
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs)), path


@contextmanager
def guard(uri: str, action: str) -> Iterator[None]:
    """Turn whatever storage raises within into a PlaceError: "cannot ACTION URI: why"."""
    try:
        yield
    except StorageError:
        raise
    except (NotADirectoryError, FileExistsError) as error:
        why = "a part of its path is a file, not a folder"
        raise PlaceError(f"cannot {action} {uri}: {why}", Reason.NOT_FOUND) from error
    except FileNotFoundError as error:
        raise PlaceError(f"cannot {action} {uri}: {not_found(uri, error)}", Reason.NOT_FOUND) from error
    except ValueError as error:
        if "\0" not in uri:
            raise
        raise PlaceError(f"cannot {action} {uri!r}: no name has a NUL in it", Reason.NOT_FOUND) from error
    except OSError as error:
        raise _known(uri, action, error) from error
    except Exception as error:
        raised = library_error(error)
        if raised is None:
            raise
        raise PlaceError(f"cannot {action} {uri}: {raised}") from error


def open_reader(uri: str, *, block_size: int | None = None) -> IO[bytes]:
    """A seekable binary file. ``block_size``: bytes fetched at a time from remote places. Raises PlaceError."""
    with guard(uri, "read"):
        fs, path = filesystem(uri)
        if block_size is None or is_local(uri):
            return fs.open(path, "rb")  # type: ignore[no-any-return]
        return fs.open(path, "rb", block_size=block_size)  # type: ignore[no-any-return]


def read_bytes(uri: str, start: int | None = None, stop: int | None = None) -> bytes:
    """A whole file, or its bytes ``start`` to ``stop - 1``, of which there must be some. Raises PlaceError."""
    with guard(uri, "read"):
        fs, path = filesystem(uri)
        return fs.cat_file(path, start=start, end=stop)  # type: ignore[no-any-return]


def exists(uri: str) -> bool:
    """Whether a file or folder is there. Raises PlaceError when that cannot be told."""
    with guard(uri, "look at"):
        fs, path = filesystem(uri)
        return bool(fs.exists(path))


def is_folder(uri: str) -> bool:
    """Whether a URI names a folder (on object stores: a prefix of something)."""
    with guard(uri, "look at"):
        fs, path = filesystem(uri)
        return bool(fs.isdir(path))


def file_info(uri: str) -> FileInfo | None:
    """A file, found without listing what is beside it; None where a folder is. Raises PlaceError."""
    with guard(uri, "read"):
        fs, path = filesystem(uri)
        info = fs.info(path)
    size = int(info.get("size") or 0)
    # An empty object may also be what a console or another tool put where it wants to see a folder.
    is_file = (
        info["type"] != "directory" and not uri.endswith("/") and (size > 0 or is_local(uri) or not is_folder(uri))
    )
    return FileInfo(uri, size, _version(info)) if is_file else None


def _version(info: dict[str, Any]) -> str:
    told = info.get("ETag") or (os.path.getmtime(info["name"]) if info.get("islink") else info.get("mtime"))
    return f"{told} {info.get('size')}" if told else ""


def list_files(uri: str) -> list[FileInfo]:
    """All files below a folder, at any depth, in name order, with one listing; none where it is absent. Local links to
    files count as files; links to folders are not followed."""
    with guard(uri, "list"):
        fs, path = filesystem(uri)
        try:
            found = fs.find(path, detail=True)
        except FileNotFoundError:
            return []
    return _files(uri, fs, found)


def glob_files(pattern: str) -> list[FileInfo]:
    """Files that match a pattern (``*``, ``?``, ``[...]``, ``**``), in name order."""
    with guard(pattern, "list"):
        fs, path = filesystem(pattern)
        found = fs.glob(path, detail=True)
    return _files(pattern, fs, found)


def remove(uri: str) -> None:
    """Remove a file, or a folder with all that it holds. What is not there is no error. Raises PlaceError."""
    try:
        with guard(uri, "remove"), suppress(FileNotFoundError):
            fs, path = filesystem(uri)
            fs.rm(path, recursive=True)
            for left in [] if is_local(uri) else fs.find(path):
                fs.rm_file(left)  # s3fs passes over keys that it may not remove when it removes many
    except PlaceError as error:
        if is_local(uri) or error.reason is not Reason.ACCESS_DENIED:
            raise
        raise PlaceError(f"{error}; on S3, removing needs s3:DeleteObject", error.reason) from error


@contextmanager
def atomic_writer(uri: str, before: Before | None = None) -> Iterator[IO[bytes]]:
    """A binary file that appears whole, or, if the block raises, not at all.

    Locally: written under a name that starts with ``_``, then renamed. On object stores: an upload that is completed
    last, or aborted. before: called first, and again when the file is about to appear. Raises PlaceError.
    """
    permit = before or (lambda: None)
    permit()
    with guard(uri, "write"):
        if is_local(uri):
            path = local_path(uri)
            folder = os.path.dirname(path)
            os.makedirs(folder, exist_ok=True)
            partial = os.path.join(folder, f"{PARTIAL}{uuid.uuid4().hex}")
            try:
                with open(partial, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                permit()
                os.replace(partial, path)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(partial)
                raise
            return
        fs, path = filesystem(uri)
        remote = fs.open(path, "wb")
        try:
            yield remote
            permit()
        except BaseException:
            remote.discard()
            remote.closed = True  # or its finaliser would complete what was just discarded
            raise
        if not is_s3(uri):
            remote.close()
            return
        from par_model.s3_requests import complete

        complete(fs, path, remote)


def write_bytes(uri: str, data: bytes, before: Before | None = None) -> None:
    """A whole file, all or nothing. before: as of ``atomic_writer``. Raises PlaceError."""
    with atomic_writer(uri, before) as file:
        file.write(data)


def _files(uri: str, fs: Any, found: dict[str, dict[str, Any]]) -> list[FileInfo]:
    """Files among what ``fs`` listed, links to files included, in name order."""
    files = [
        FileInfo(_uri_like(uri, fs, path), int(info.get("size") or 0), _version(info))
        for path, info in found.items()
        # A key that ends in a slash is what consoles make of an empty folder.
        if (info["type"] == "file" and not path.endswith("/")) or (info.get("islink") and os.path.isfile(path))
    ]
    return sorted(files, key=lambda f: f.uri)


def _uri_like(uri: str, fs: Any, path: str) -> str:
    """A path that ``fs`` listed, written the way ``uri`` was."""
    found = path if is_local(uri) else str(fs.unstrip_protocol(path))
    return found.replace("s3://", "s3a://", 1) if uri.startswith("s3a://") else found


def _known(uri: str, action: str, error: OSError) -> PlaceError:
    """What an OSError means for the caller. What a store said itself is kept."""
    answer = _refusal(uri, error)
    if answer is not None:
        reason = Reason.ARCHIVED if answer.is_archived else Reason.ACCESS_DENIED if answer.is_denied else Reason.OTHER
        return PlaceError(f"cannot {action} {uri}: {answer.line()}", reason)
    if isinstance(error, PermissionError):
        advice = "check the credentials and the bucket's policy" if not is_local(uri) else "check its permissions"
        return PlaceError(f"cannot {action} {uri}: access denied; {advice}", Reason.ACCESS_DENIED)
    if isinstance(error, IsADirectoryError):
        return PlaceError(f"cannot {action} {uri}: it is a folder", Reason.IS_A_FOLDER)
    leads_nowhere = error.errno in (errno.ENAMETOOLONG, errno.ELOOP)
    why = "its symbolic links lead in a circle" if error.errno == errno.ELOOP else line(error)
    return PlaceError(f"cannot {action} {uri}: {why}", Reason.NOT_FOUND if leads_nowhere else Reason.OTHER)


def _refusal(uri: str, error: OSError) -> Refusal | None:
    """What a store answered. The answer to a HEAD has no body, so one byte is asked for, whose answer has."""
    answer = refusal(error)
    if answer is None or not answer.is_bare:
        return answer
    try:
        fs, path = filesystem(uri)
        bucket, _, key = path.partition("/")
        if key and not is_glob(uri):
            fs.cat_file(path, start=0, end=1)
        else:
            fs.call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
    except Exception as again:  # noqa: BLE001  # whatever this is, the first error is the one to tell of
        return refusal(again) or answer
    return answer
