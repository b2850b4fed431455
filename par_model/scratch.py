"""Temporary folders, which do not pile up, however the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".parjob-scratch-lock"
_YOUNG = 60.0  # seconds in which a folder may not have its lock yet


@contextmanager
def scratch_folder(purpose: str, name: str | None = None) -> Iterator[str]:
    """A new folder in the machine's temporary storage, which goes on exit. What processes that were killed left there
    goes too: a folder is in use as long as somebody holds its lock, and the kernel gives back those of the dead.

    purpose: a word for its name. name: one that other processes of the machine know (see ``scratch_path``); any of them
    may make the folder too, and the first to end takes it away. Raises OSError if there is no room.
    """
    _sweep(Path(tempfile.gettempdir()), _prefix())
    if name is None:
        folder = tempfile.mkdtemp(prefix=f"{_prefix()}{purpose}-")
    else:
        folder = scratch_path(purpose, name)
        os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        path = Path(folder, _LOCK)
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH)
            except OSError:  # some file systems have no locks: then nobody may take it for left
                path.unlink()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_path(purpose: str, name: str) -> str:
    """Where a scratch folder with a name is, on this machine."""
    return os.path.join(tempfile.gettempdir(), f"{_prefix()}{purpose}-{name}")


def _prefix() -> str:
    """Locks need not reach beyond a machine, though temporary storage may."""
    return f"parjob-scratch-{socket.gethostname()}-"


def _sweep(root: Path, prefix: str) -> None:
    for lock in root.glob(f"{prefix}*/{_LOCK}"):
        # Others may sweep too: what cannot be looked at is not ours to remove.
        with contextlib.suppress(OSError):
            descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                found = os.fstat(descriptor)
                is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
                if not is_ours or time.time() - found.st_mtime < _YOUNG:
                    continue
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(descriptor)
