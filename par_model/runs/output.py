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
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from par_model import storage
from par_model.errors import OutputError, StorageError
from par_model.runs.lock import Held, OutputLock
from par_model.runs.record import Fingerprinted, read_record, read_summary, write_summary

CLAIM = "_job.json"

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

    def record(self) -> dict[str, Any] | None:
        """run.json of the run that ended here, None if none did. Raises OutputError if it is not one."""
        return read_summary(self.place("run.json"))

    def write_record(self, held: Held, record: dict[str, Any]) -> None:
        """Write run.json: from now on the run has ended."""
        write_summary(self.place("run.json"), record, held.verify)

    def claim(self, kind: type[Fingerprinted]) -> dict[str, Any] | None:
        """What an interrupted run was doing, None if none was. kind, errors: as of ``read_record``."""
        return read_record(self.place(CLAIM), kind)

    def write_claim(self, held: Held, claim: Mapping[str, Any]) -> None:
        """Write what is being done."""
        storage.write_bytes(self.place(CLAIM), json.dumps(claim).encode(), held.verify)

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
