"""What an output must not replace: a file of another kind, which somebody would miss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from par_model import storage
from par_model.errors import UsageError

_START = 64


def refuse_other_kind(uri: str, named: str, kind: str, is_kind: Callable[[bytes], bool]) -> None:
    """Raises UsageError where something is at ``uri`` that is not of the kind, by its first 64 bytes, or no file.

    named: how messages call it. An empty file may go. Raises StorageError where it cannot be read, but for a lack of
    rights on an object store: who may write to a bucket need not be allowed to read it, or to know what is not there.
    """
    if storage.is_local(uri) and (path := Path(storage.local_path(uri))).exists() and not path.is_file():
        raise UsageError(f"{named} exists and is no file: choose another name")
    try:
        with storage.guard(uri, "read"), storage.open_reader(uri) as file:
            start = file.read(_START)
    except storage.PlaceError as error:
        hidden = error.reason is storage.Reason.ACCESS_DENIED and not storage.is_local(uri)
        if error.reason is not storage.Reason.NOT_FOUND and not hidden:
            raise
        return
    if start and not is_kind(start):
        raise UsageError(f"{named} exists and is no {kind}: choose another name")
