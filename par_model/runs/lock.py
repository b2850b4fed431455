"""One job on one output: a lock that needs no hand after its holder died, and that its holder can lose.

The lock is a file that is changed only by who has seen its last state (``lock_file.py``). Its holder changes it every
15 s. A change that succeeds proves that the job still holds its output, and is good for writes of the next 30 s; after
that a write waits for the next proof. Who finds the lock taken, or for 60 s cannot tell, writes nothing more.

Another job looks at the holder's process where it can see it, so that a dead holder's lock is free at once. A holder
elsewhere is watched: the job is refused as soon as the lock is seen to change, and takes it over once it has not
changed for 60 s. So no two clocks are compared, but for those of one machine or of S3 alone.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Any, NoReturn

from par_model import storage
from par_model.errors import OutputError, StorageError
from par_model.runs.lock_file import Seen, lock_file

_log = logging.getLogger(__name__)
_BEAT_SECONDS = 15.0
_SURE_SECONDS = 30.0
_STALE_SECONDS = 60.0
_LOOK_SECONDS = 10.0
_POLL_SECONDS = 3.0
_SETTLE_SECONDS = 2.0


class Held:
    """That a job holds its output: what each of its writes asks first. May be sent to processes that the job starts."""

    def __init__(self, uri: str, owner: dict[str, Any], exclusive: bool = True) -> None:
        self._uri, self._owner, self._exclusive = uri, owner, exclusive
        self._file = lock_file(uri, exclusive=exclusive)
        self._changing = threading.Lock()
        self._seen: Seen | None = None
        self._proved: tuple[float, float] | None = None
        self._lost: str | None = None

    def __reduce__(self) -> tuple[type[Held], tuple[str, dict[str, Any], bool]]:
        return type(self), (self._uri, self._owner, self._exclusive)

    def verify(self) -> None:
        """Return if this job holds its output. Raises OutputError if another does, or if it cannot be told."""
        if self._lost is None and _since(self._proved) <= _SURE_SECONDS:
            return
        with self._changing:
            began = _now()
            while self._lost is None and _since(self._proved) > _SURE_SECONDS:
                try:
                    self._renew()
                except StorageError as error:
                    if _since(self._proved or began) > _STALE_SECONDS:
                        raise OutputError(
                            f"for {_STALE_SECONDS:g} s it could not be told whether this job still holds "
                            f"{storage.parent(self._uri)}, so it writes nothing more ({error}); the same command "
                            f"goes on where it stopped"
                        ) from error
                    time.sleep(_POLL_SECONDS)
            if self._lost is not None:
                raise OutputError(self._lost)

    def look_only(self) -> Witness:
        """What the writes of many workers ask, of files whose names nobody else has: it reads the lock and leaves it as
        it is, since a thousand that renew it would only be in each other's way."""
        return Witness(self._uri, str(self._owner["token"]))

    def beat(self) -> None:
        """Renew the lock, so that no other job takes this one for dead. Raises StorageError."""
        with self._changing:
            if self._lost is None:
                self._renew()

    def take(self, seen: Seen | None) -> bool:
        """Whether the lock, which was free when it was seen so, is now this job's. Raises StorageError."""
        began = _now()
        self._seen = self._file.swap(seen, self._record())
        self._proved = began if self._seen is not None else None
        return self._seen is not None

    def settle(self) -> bool:
        """Whether the lock is this job's although its place does not keep two jobs from taking it at once; says so."""
        if self._seen is None or self._file.prove(self._seen):
            return True
        self._exclusive = False
        _log.warning(
            f"{storage.parent(self._uri)} lies where files cannot be created exclusively (S3: "
            f"If-None-Match and If-Match; file systems: flock), so jobs that begin at the same moment could both write "
            f"there: begin one at a time"
        )
        time.sleep(_SETTLE_SECONDS)
        self._seen = self._file.read()
        return self._is_mine(self._seen)

    def release(self) -> None:
        """Give the lock up, if it is this job's. Where files may be written, but not removed, it says so itself.
        Raises StorageError."""
        with self._changing:
            while self._lost is None and self._seen is not None:
                try:
                    if self._file.remove(self._seen):
                        return
                except storage.PlaceError as error:
                    if error.reason is not storage.Reason.ACCESS_DENIED:
                        raise
                    if self._file.swap(self._seen, self._record(released=True)) is not None:
                        return
                self._look_again()

    def _renew(self) -> None:
        while self._lost is None:
            began = _now()
            if self._seen is not None and (seen := self._file.swap(self._seen, self._record())) is not None:
                self._seen, self._proved = seen, began
                return
            self._look_again()

    def _look_again(self) -> None:
        """The lock was changed: by another process of this job, or it is lost."""
        self._seen = self._file.read()
        if not self._is_mine(self._seen):
            self._lost = _lost(self._uri, _holder(self._seen))

    def _is_mine(self, seen: Seen | None) -> bool:
        holder = _holder(seen)
        return holder is not None and holder.get("token") == self._owner["token"]

    def _record(self, **more: Any) -> bytes:
        # No two are the same, so that a state that was seen never comes again.
        return json.dumps(self._owner | {"heartbeat": time.time(), "state": uuid.uuid4().hex} | more).encode()


class Witness:
    """Whether a job's lock was still its own some seconds ago. May be sent to other machines.

    It proves less than ``Held.verify``: a job that hangs may lose the lock right after. So what asks it must write
    under names that are read by this job alone.
    """

    def __init__(self, uri: str, token: str) -> None:
        self._uri, self._token = uri, token
        self._looked: tuple[float, float] | None = None

    def __reduce__(self) -> tuple[type[Witness], tuple[str, str]]:
        return type(self), (self._uri, self._token)

    def __call__(self) -> None:
        """Return if the job held its output. Raises OutputError if another does, StorageError if it cannot be told."""
        if _since(self._looked) <= _LOOK_SECONDS:
            return
        began = _now()
        holder = _holder(lock_file(self._uri).read())
        if holder is None or holder.get("token") != self._token or holder.get("released"):
            raise OutputError(_lost(self._uri, holder))
        self._looked = began


class OutputLock:
    """Held between ``with`` and its end. Raises OutputError if another job that lives holds it.

    patient: whether to watch a holder elsewhere that may be dead, for at most a minute, or to take it to live.
    """

    def __init__(self, uri: str, *, patient: bool = True) -> None:
        self._uri, self._patient = uri, patient
        self._file = lock_file(uri)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="output-lock", daemon=True)
        self._held = Held(uri, {"token": uuid.uuid4().hex, "started": _started(os.getpid())} | _here())

    def __enter__(self) -> Held:
        while not self._held.take(self._free(self._file.read())):
            pass  # another job was faster: it holds the lock now, or has given it up again
        if not self._held.settle():
            self._refuse(_holder(self._file.read()) or {})
        self._thread.start()
        return self._held

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self._held.release()
        except StorageError as problem:
            _log.warning(f"the lock could not be removed; it is free once this process ended: {problem}")

    def _beat(self) -> None:
        while not self._stop.wait(_BEAT_SECONDS):
            try:
                self._held.beat()
            except StorageError:
                continue  # storage may come back in time; who is about to write asks anew

    def _free(self, seen: Seen | None) -> Seen | None:
        """The lock in a state in which it may be taken. Raises OutputError if its holder lives."""
        holder = _holder(seen)
        if seen is None or holder is None or holder.get("released"):
            return seen
        lives = _lives(holder)
        if lives is None:
            return self._watch(seen, holder)
        if lives:
            self._refuse(holder)
        return seen

    def _watch(self, seen: Seen, holder: dict[str, Any]) -> Seen | None:
        since = time.monotonic() - _idle(seen, holder)
        if not self._patient and time.monotonic() - since < _STALE_SECONDS:
            self._refuse(holder)
        if time.monotonic() - since < _STALE_SECONDS:
            _log.info(
                f"{_name(holder)} holds {storage.parent(self._uri)}; if it gives no sign of life for "
                f"{_STALE_SECONDS:g} s, it is taken to be dead"
            )
        while (left := since + _STALE_SECONDS - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_SECONDS))
            now = self._file.read()
            if now is None or now.data != seen.data:
                after = _holder(now) or {}
                if after.get("token") == holder.get("token") and not after.get("released"):
                    self._refuse(holder)
                return self._free(now)
        return seen

    def _refuse(self, holder: dict[str, Any]) -> NoReturn:
        raise OutputError(
            f"another job ({_name(holder)}) is writing to {storage.parent(self._uri)}: "
            f"wait for it to end, or give another --output"
        )


def _lost(uri: str, holder: dict[str, Any] | None) -> str:
    by = f"{_name(holder)} has taken {{}} over" if holder else "the lock of {} was removed"
    return (
        f"{by.format(storage.parent(uri))} while this job was not heard of, so it writes nothing more; "
        f"the same command goes on once no other job is at it"
    )


def _holder(seen: Seen | None) -> dict[str, Any] | None:
    """What the lock says of its holder; None where it says nothing, since its writer's machine failed."""
    try:
        holder = json.loads(seen.data) if seen is not None else None
    except ValueError:
        return None
    return holder if isinstance(holder, dict) else None


def _name(holder: dict[str, Any]) -> str:
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"


def _lives(holder: dict[str, Any]) -> bool | None:
    """Whether a holder's process is there; None where it cannot be seen from here."""
    here = _here()
    pid = holder.get("pid")
    if any(holder.get(key) != here[key] for key in ("host", "boot", "processes")) or not isinstance(pid, int):
        return None
    started = _started(pid)
    return started is not None and started == holder.get("started")


def _idle(seen: Seen, holder: dict[str, Any]) -> float:
    """For how long a lock has not changed, as far as one clock alone can tell; else 0."""
    beat = holder.get("heartbeat")
    if holder.get("boot") == _here()["boot"] != "unknown" and isinstance(beat, int | float):
        return max(0.0, time.time() - beat)
    return max(0.0, seen.idle)


def _here() -> dict[str, Any]:
    return {"host": socket.gethostname(), "boot": _boot_id(), "processes": _process_namespace(), "pid": os.getpid()}


def _now() -> tuple[float, float]:
    return time.monotonic(), time.time()


def _since(moment: tuple[float, float] | None) -> float:
    """Seconds, by the clock by which they are more: one stands still while a machine sleeps, the other may be set."""
    if moment is None:
        return float("inf")
    monotonic, wall = _now()
    return max(monotonic - moment[0], abs(wall - moment[1]))


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


def _process_namespace() -> str:
    """Two containers of one machine may have one host's name, but neither sees the other's processes."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "unknown"
