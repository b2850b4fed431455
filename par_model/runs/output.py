"""OUT, the folder that a run of any kind writes, and what lies in it beside the results.

    _lock      who is at it
    _job.json  what is being done: the claim, written before the first result
    run.json   what was done: the record, written last

The claim and other names that begin with ``_`` go once the record is written. Where they may not be removed, they stay
beside it as remains of a run that ended, and count for nothing.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from par_model import storage
from par_model.errors import OutputError, StorageError
from par_model.runs.lock import Held, OutputLock
from par_model.runs.record import Fingerprinted, read_record, read_state, write_record

CLAIM = "_job.json"

# What a claim or a record says, as JSON has it.
Found = dict[str, Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """The output folder. name: as the user gave it."""

    name: str

    def place(self, *parts: str) -> str:
        """A URI below the folder."""
        return storage.join(storage.absolute(self.name), *parts)

    def is_there(self) -> bool:
        """Whether there is such a folder; object stores have none, which counts as being there."""
        return not storage.is_local(self.place()) or storage.exists(self.place())

    def remove_if_empty(self) -> None:
        """Remove the folder if nothing is in it; object stores have no such folders."""
        if storage.is_local(self.place()):
            with suppress(OSError):
                os.rmdir(storage.local_path(self.place()))

    def lock(self, *, patient: bool = True) -> OutputLock:
        """Its lock, to be held between ``with`` and its end."""
        return OutputLock(self.place("_lock"), patient=patient)

    def record(self) -> Found | None:
        """run.json of the run that ended here, None if none did. Raises OutputError if it is not one."""
        return read_record(self.place("run.json"))

    def write_record(self, held: Held, record: Found) -> None:
        """Write run.json: from now on the run has ended."""
        write_record(self.place("run.json"), record, held.verify)

    def claim(self, kind: type[Fingerprinted]) -> Found | None:
        """What an interrupted run was doing, None if none was. kind, errors: as of ``read_state``."""
        return read_state(self.place(CLAIM), kind)

    def claim_or_resume(
        self,
        held: Held,
        wanted: Mapping[str, Any],
        finished: Found | None,
        *,
        kind: type[Fingerprinted],
        goes_on: Callable[[Found], bool],
        refuse: Callable[[Found], None],
        refuse_unclaimed: Callable[[], None] = lambda: None,
    ) -> Found:
        """The claim of the interrupted run that this one goes on with, or a new one: ``wanted`` with a ``job_id``.

        finished: the record of the output that is worked on again; a claim of that same job is a remnant of it and
        counts for nothing. goes_on: whether a claim is of the run that is wanted. refuse: raises OutputError where
        one of another run may not be forgotten. refuse_unclaimed: the same of an output without any claim.
        """
        found = self.claim(kind)
        if found is not None and is_of(found, finished):
            found = None
        if found is None:
            refuse_unclaimed()
        elif goes_on(found):
            return found
        else:
            refuse(found)
        claimed = {"job_id": uuid.uuid4().hex, **wanted}
        storage.write_bytes(self.place(CLAIM), json.dumps(claimed).encode(), held.verify)
        return claimed

    def sweep(self, kind: type[Fingerprinted], *names: str) -> None:
        """Remove what a run left that was killed after ``run.json``: its claim, and what ``names`` names.

        Not where another job is at it, nor where nothing may be removed.
        """
        names = (*names, CLAIM)
        with suppress(OutputError, StorageError):
            if not any(storage.exists(self.place(name)) for name in ("_lock", *names)):
                return
            with self.lock(patient=False) as held:
                found = self.claim(kind)
                if found is None or is_of(found, self.record()):
                    self.remove(held, *names)

    def write(self, held: Held, name: str, data: bytes) -> None:
        """Write a file below OUT, whole or not at all."""
        storage.write_bytes(self.place(name), data, held.verify)

    def remove(self, held: Held, *names: str) -> None:
        """Remove files and folders below OUT. Raises OutputError if the lock is lost, StorageError."""
        for name in names:
            held.verify()
            storage.remove(self.place(name))

    def clear(self, held: Held, *names: str) -> None:
        """Remove what was needed until the record was written; says so where that cannot be."""
        try:
            self.remove(held, *names)
        except (OutputError, StorageError) as error:
            named = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
            stay = f"{named} {'stays' if len(names) == 1 else 'stay'} beside the results"
            _log.warning(f"{self.name} is complete; {stay}, and later runs pass over them: {error}")


def is_of(claim: Found, finished: Found | None) -> bool:
    """Whether a claim and a record are of the same job."""
    return finished is not None and bool(claim["job_id"] == finished["job_id"])
