"""One job on one output: a lock file that needs no hand after its holder died.

The holder rewrites the file every 15 s. On the holder's own host its process is looked at, so that a dead holder's
lock is free at once; seen from another host it is free after 60 s without a heartbeat.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Any, Self

from par_model import storage
from par_model.errors import OutputError, StorageError

_HEARTBEAT_SECONDS = 15.0
_STALE_SECONDS = 60.0


class OutputLock:
    """Held between ``with`` and its end. Raises OutputError if another job that lives holds it."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="output-lock", daemon=True)

    def __enter__(self) -> Self:
        holder = self._read()
        if holder is not None and _alive(holder):
            self._refuse(holder)
        self._write()
        # Two jobs may have found the place free at once: the last writer holds it, and the other sees that here.
        if not storage.is_local(self._uri):
            time.sleep(0.5)
        holder = self._read()
        if holder is None or holder.get("token") != self._token:
            self._refuse(holder or {})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        holder = self._read()
        if holder is not None and holder.get("token") == self._token:
            storage.remove(self._uri)

    def sweep(self) -> None:
        """Remove what a holder left that died."""
        holder = self._read()
        if holder is not None and not _alive(holder):
            storage.remove(self._uri)

    def _refuse(self, holder: dict[str, Any]) -> None:
        who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
        raise OutputError(
            f"another job ({who}) is writing to {storage.parent(self._uri)}: "
            f"wait for it to end, or give another --output"
        )

    def _read(self) -> dict[str, Any] | None:
        try:
            holder = json.loads(storage.read_bytes(self._uri))
        except storage.PlaceError as error:
            if error.reason is storage.Reason.NOT_FOUND:
                return None
            raise
        except ValueError:
            return None
        return holder if isinstance(holder, dict) else None

    def _write(self) -> None:
        holder = {
            "token": self._token,
            "host": socket.gethostname(),
            "boot": _boot_id(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "heartbeat": time.time(),
        }
        storage.write_bytes(self._uri, json.dumps(holder).encode())

    def _beat(self) -> None:
        while not self._stop.wait(_HEARTBEAT_SECONDS):
            try:
                self._write()
            except StorageError:
                continue  # storage may come back before the lock is stale; the job itself meets the same error


def _alive(holder: dict[str, Any]) -> bool:
    if holder.get("host") == socket.gethostname() and holder.get("boot") == _boot_id():
        pid = holder.get("pid")
        return isinstance(pid, int) and _started(pid) is not None and _started(pid) == holder.get("started")
    heartbeat = holder.get("heartbeat")
    return isinstance(heartbeat, int | float) and time.time() - heartbeat < _STALE_SECONDS


def _started(pid: int) -> str | None:
    """When a process started, so that a reused process id is not taken for the holder; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return None
        return _started_without_proc(pid)
    except ProcessLookupError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _started_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "unknown"
