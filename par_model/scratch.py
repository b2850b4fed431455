"""Temporary folders that do not pile up, however their processes end."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "parjob-"
_LOCK = ".lock"
_YOUNG = 60.0  # seconds in which a folder may not have its lock yet


@contextmanager
def scratch_folder(purpose: str) -> Iterator[str]:
    """A new folder in the machine's temporary storage, which goes on exit. What processes that were killed left there
    goes too: a folder is in use as long as somebody holds its lock, and the kernel gives back those of the dead.

    purpose: a word for its name. Raises OSError if there is no room.
    """
    _sweep(Path(tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{purpose}-", ignore_cleanup_errors=True) as folder,
        Path(folder, _LOCK).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _sweep(root: Path) -> None:
    for lock in root.glob(f"{_PREFIX}*/{_LOCK}"):
        # Others may sweep too, or own the folder: what cannot be looked at is not ours to remove.
        with contextlib.suppress(OSError):
            if time.time() - lock.stat().st_mtime < _YOUNG:
                continue
            with lock.open() as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
