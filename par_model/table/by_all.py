"""Files of the table, each the work of one task: by workers where there are several files, else in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from par_model import storage
from par_model.progress import Progress
from par_model.runs.lock import Held
from par_model.runs.spread import Result, Spread

_log = logging.getLogger(__name__)


class _TableFile(Protocol):
    @property
    def before(self) -> storage.Before:
        """Asked before each write."""


File = TypeVar("File", bound=_TableFile)
Workers = Spread | None  # None: there are none, or they do not see what this process sees


def done_by_all(work: Callable[[File], Result], files: Sequence[File], held: Held, spread: Workers) -> list[Result]:
    """What ``work`` makes of each, in no order, by ``spread`` or in this process, which asks the lock itself.

    Where workers may not write, this process does, and says so.
    """
    here = [replace(file, before=held.verify) for file in files]  # type: ignore[type-var]
    if spread is None or len(files) <= 1:
        return [work(file) for file in here]
    progress = Progress(len(files), "files")
    done = []
    try:
        for result in spread(work, files):
            done.append(result)
            progress.advance(1)
        return done
    except storage.PlaceError as error:
        if error.reason is not storage.Reason.ACCESS_DENIED:
            raise
        _log.warning(f"workers cannot write the table, so this process does: {error}")
        return [work(file) for file in here]
    finally:
        progress.close()
