"""Outcomes on their way from the stages into part files.

They are written where they are made, if workers reach the output: then this process sees references to tables, and one
record of each part. Else, and in small jobs, for which another process would not pay, it writes them itself.

A part is written when a twentieth of the run's time has passed since the last, at least a second and at most five
minutes, or when 32 MiB wait. So a job that is killed loses that share of its work and nothing else.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from par_model.errors import ClusterError, StorageError
from par_model.inference.work import SumOfWork, TotalWork
from par_model.runs.lock import Held
from par_model.runs.parts import PartFile, PartStore, PartToWrite

_log = logging.getLogger(__name__)
_FLUSH_SHARE = 1 / 20
_FLUSH_SECONDS = (1.0, 300.0)
_FLUSH_BYTES = 32 * 2**20
_SMALL_JOB = 10_000  # tracklets
_MOST_BEING_WRITTEN = 64  # parts; what waits to be written is kept by the object store
_PATIENCE_SECONDS, _HURRY_SECONDS = 300.0, 10.0


@dataclass(frozen=True)
class Kept:
    """A part that was written, and the work that went into it."""

    part: PartFile
    work: SumOfWork


class Elsewhere(Protocol):
    """A table of outcomes (OUTCOME_WIRE_SCHEMA) in another process."""

    @property
    def num_rows(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def fetched(self, seconds: float) -> pa.Table:
        """The table. Raises ClusterError if it is lost, or takes longer."""


class BeingWritten(Protocol):
    """A part that another process writes."""

    def kept(self, seconds: float) -> Kept | None:
        """What was written; None if it takes longer. Raises ParError."""


class Workshop(Protocol):
    """Workers that write parts."""

    def write(self, part: PartToWrite, outcomes: Sequence[pa.Table | Elsewhere]) -> BeingWritten:
        """Have a part written of outcomes."""


def write_kept(part: PartToWrite, *tables: pa.Table) -> Kept:
    """Write outcomes (OUTCOME_WIRE_SCHEMA) as a part, in whichever process this is."""
    return Kept(part.write(tables), SumOfWork.of(tables))


def is_worth_workers(tracklets: int) -> bool:
    """Whether a job is so large that parts are better written by processes of their own."""
    return tracklets >= _SMALL_JOB


class Keeper:
    """Takes outcomes as they come; once its ``with`` block has ended, however it did, all that were added are on disk,
    but for those that are lost with their node.

    workshop: None if this process is to write the parts. Raises ParError where they cannot be written.
    """

    def __init__(self, parts: PartStore, held: Held, work: TotalWork, workshop: Workshop | None) -> None:
        self._parts, self._held, self._work, self._workshop = parts, held, work, workshop
        self._waiting: list[pa.Table | Elsewhere] = []
        self._waiting_bytes = 0
        self._written: deque[tuple[BeingWritten, list[pa.Table | Elsewhere]]] = deque()
        self._started = self._last_flush = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Once a cluster is left, or its head is gone, there is little time.
        deadline = time.monotonic() + (_PATIENCE_SECONDS if kind is None else _HURRY_SECONDS)
        while self._written:
            being_written, outcomes = self._written.popleft()
            if not self._is_over(being_written, outcomes, max(0.0, deadline - time.monotonic())):
                self._waiting += outcomes  # twice in parts is as good as once
        self._write_here(self._waiting, max(_HURRY_SECONDS, deadline - time.monotonic()))
        self._waiting = []

    def add(self, outcomes: pa.Table | Elsewhere) -> None:
        """Keep outcomes."""
        if self._work.startup_seconds is None or self._workshop is None:
            for table in _fetched([outcomes], _PATIENCE_SECONDS):
                self._work.begin(table)
                self._waiting.append(table)
        else:
            self._waiting.append(outcomes)
        self._waiting_bytes += outcomes.nbytes
        if self._waiting_bytes >= _FLUSH_BYTES or self._is_due():
            self._flush()

    def _flush(self) -> None:
        """Have what waits written as one part, and count those that were written."""
        # It waits until it is written or given away, so that an interruption between loses nothing.
        if self._workshop is None:
            self._write_here(self._waiting)
        elif any(outcomes.num_rows for outcomes in self._waiting):
            part = self._parts.next(self._held.look_only())
            self._written.append((self._workshop.write(part, self._waiting), self._waiting))
        self._waiting, self._waiting_bytes = [], 0
        self._last_flush = time.monotonic()
        while self._written:
            seconds = _PATIENCE_SECONDS if len(self._written) > _MOST_BEING_WRITTEN else 0.0
            if not self._is_over(*self._written[0], seconds):
                break
            self._written.popleft()

    def _is_over(self, being_written: BeingWritten, outcomes: Sequence[pa.Table | Elsewhere], seconds: float) -> bool:
        """Whether a part is written, by this process if workers cannot."""
        try:
            kept = being_written.kept(seconds)
        except StorageError as error:
            if self._workshop is not None:
                _log.warning(f"workers cannot write below the output, so this process does: {error}")
            self._workshop = None
            self._write_here(outcomes)
            return True
        except ClusterError:
            self._write_here(outcomes)
            return True
        if kept is not None:
            self._count(kept)
        return kept is not None

    def _write_here(self, outcomes: Sequence[pa.Table | Elsewhere], seconds: float = _PATIENCE_SECONDS) -> None:
        tables = [table for table in _fetched(outcomes, seconds) if len(table)]
        if tables:
            self._count(write_kept(self._parts.next(), *tables))

    def _count(self, kept: Kept) -> None:
        self._parts.count(kept.part)
        self._work.add(kept.work)

    def _is_due(self) -> bool:
        now = time.monotonic()
        least, most = _FLUSH_SECONDS
        return now - self._last_flush >= min(most, max(least, _FLUSH_SHARE * (now - self._started)))


def _fetched(outcomes: Iterable[pa.Table | Elsewhere], seconds: float) -> Iterator[pa.Table]:
    """The tables, but for those that are lost: what was in them is planned again."""
    for some in outcomes:
        try:
            yield some if isinstance(some, pa.Table) else some.fetched(seconds)
        except ClusterError as error:
            _log.info(f"outcomes of {some.num_rows} tracklets went with the worker that had them: {error}")
