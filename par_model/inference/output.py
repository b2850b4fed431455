"""What lies in OUT beside the table while a job is at it, and what of it counts.

``_job.json`` says what is being done, ``_parts/`` holds outcomes so far. Both go once ``run.json`` is written; where
they may not be removed, they stay beside it as remains of a job that ended, and count for nothing.
"""

from __future__ import annotations

import json
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from par_model import storage
from par_model.errors import OutputError, StorageError
from par_model.inference.fingerprint import Fingerprint, refuse_other
from par_model.table.lock import Held, OutputLock
from par_model.table.parts import PartStore
from par_model.table.summary import read_record, read_summary

# What to do with an output that is complete: leave it, do its failed rows again, or add the manifest's new tracklets.
Again = Literal["no", "retry", "add"]

_REMAINS = ("_parts", "_job.json")
_NAMED = "by job and run"  # earlier versions recorded nothing of it, and their parts are those of the job that is there


@dataclass(frozen=True)
class Output:
    """The output folder that the user named."""

    name: str

    def place(self, *parts: str) -> str:
        """A URI below the folder."""
        return storage.join(storage.absolute(self.name), *parts)

    def finished(self, again: Again) -> dict[str, Any] | None:
        """The summary of a complete output. Raises OutputError where there is none and there should be one."""
        finished = read_summary(self.place("run.json"))
        if finished is None and again == "retry":
            raise OutputError(f"{self.name} is not complete: run the same command without --retry-failed first")
        return finished

    def claim(
        self, held: Held, finished: dict[str, Any] | None, fingerprint: Fingerprint, again: Again, run_id: str
    ) -> tuple[str, PartStore]:
        """Record what is being done, or find that an interrupted run was doing the same; the job's id, and its parts.

        Raises OutputError if it was doing something else.
        """
        found = self._claim()
        if found is not None and finished is not None and found["job_id"] == finished["job_id"]:
            found = None
        if found is not None:
            job_id = str(found["job_id"])
            parts = self._parts(held, job_id, run_id, unnamed="parts" not in found)
            if parts.holds_any or not found["again"] == "no" == again:
                self._refuse_other(found, fingerprint, again)
                return job_id, parts
        elif again == "no" and storage.list_files(self.place("attributes")):
            raise OutputError(
                f"{self.name} holds a table without run.json that this job did not begin: give another --output"
            )
        job_id = uuid.uuid4().hex
        claim = {"job_id": job_id, "again": again, "fingerprint": fingerprint, "parts": _NAMED}
        storage.write_bytes(self.place("_job.json"), json.dumps(claim).encode(), held.verify)
        return job_id, self._parts(held, job_id, run_id)

    def clear(self, held: Held) -> None:
        """Remove what was needed until the table was complete; says so where that cannot be."""
        try:
            self._remove_remains(held)
        except (OutputError, StorageError) as error:
            sys.stderr.write(
                f"parjob: {self.name} is complete; {' and '.join(_REMAINS)} stay beside the table, and later runs pass "
                f"over them: {error}\n"
            )

    def sweep(self) -> None:
        """Remove what a run left that was killed after ``run.json``, unless another job is at it or nothing may be
        removed."""
        with suppress(OutputError, StorageError):
            if not any(storage.exists(self.place(name)) for name in ("_lock", *_REMAINS)):
                return
            with OutputLock(self.place("_lock"), patient=False) as held:
                claim, finished = self._claim(), read_summary(self.place("run.json"))
                if claim is None or (finished is not None and claim["job_id"] == finished["job_id"]):
                    self._remove_remains(held)

    def _remove_remains(self, held: Held) -> None:
        for name in _REMAINS:
            held.verify()
            storage.remove(self.place(name))

    def _claim(self) -> dict[str, Any] | None:
        return read_record(self.place("_job.json"), ("job_id", "again", "fingerprint"))

    def _parts(self, held: Held, job_id: str, run_id: str, *, unnamed: bool = False) -> PartStore:
        return PartStore(self.place("_parts"), job_id, run_id, held.verify, unnamed=unnamed)

    def _refuse_other(self, found: dict[str, Any], fingerprint: Fingerprint, again: Again) -> None:
        if found["again"] != again:
            option = {"no": "without --retry-failed or --add", "retry": "with --retry-failed", "add": "with --add"}
            raise OutputError(
                f"{self.name} has an interrupted run: run the same command {option[found['again']]} first"
            )
        refuse_other(self.name, found["fingerprint"], fingerprint)
