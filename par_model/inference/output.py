"""What lies in OUT beside the table while a job is at it, and what of it counts.

The claim says what is being done, ``_plan/`` holds units, ``_parts/`` outcomes so far. All go once ``run.json`` is
written.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from par_model import storage
from par_model.errors import OutputError, StorageError
from par_model.inference.fingerprint import is_same, refuse_other
from par_model.inference.kinds import Kind, option_of
from par_model.inference.planning import PLAN
from par_model.runs.differences import Fingerprint
from par_model.runs.lock import Held
from par_model.runs.output import CLAIM, Output
from par_model.runs.parts import PartStore
from par_model.runs.record import Fingerprinted
from par_model.table.read import FOLDER

_PARTS = "_parts"
REMAINS = (_PARTS, PLAN, CLAIM)
_NAMED = "by job and run"  # earlier versions recorded nothing of it, and their parts are those of the job that is there


@dataclass(frozen=True)
class _Claim(Fingerprinted):
    job_id: str
    again: str


def claim(
    output: Output,
    held: Held,
    finished: dict[str, Any] | None,
    fingerprint: Fingerprint,
    kind: Kind,
    run_id: str,
    stripe: int,
) -> tuple[str, PartStore]:
    """Record what is being done, or find that an interrupted run was doing the same; the job's id, and its parts.

    stripe: rows of a stripe, by which parts are ordered. Where it has no results yet, what it was doing is forgotten.
    Raises OutputError if it was doing something else.
    """
    found = output.claim(_Claim)
    if found is not None and finished is not None and found["job_id"] == finished["job_id"]:
        found = None
    if found is not None:
        job_id = str(found["job_id"])
        parts = _parts(output, held, job_id, run_id, stripe, unnamed="parts" not in found)
        if parts.holds_any:
            _refuse_other(output, found, fingerprint, kind)
            return job_id, parts
        if found["again"] == kind.recorded and is_same(found["fingerprint"], fingerprint):  # its plan counts
            return job_id, parts
    elif finished is None and storage.list_files(output.place(FOLDER)):
        raise OutputError(
            f"{output.name} holds a table without run.json that this job did not begin: give another --output"
        )
    job_id = uuid.uuid4().hex
    output.write_claim(held, {"job_id": job_id, "again": kind.recorded, "fingerprint": fingerprint, "parts": _NAMED})
    return job_id, _parts(output, held, job_id, run_id, stripe)


def sweep(output: Output) -> None:
    """Remove what a run left that was killed after ``run.json``, unless another job is at it or nothing may be
    removed."""
    with suppress(OutputError, StorageError):
        if not any(storage.exists(output.place(name)) for name in ("_lock", *REMAINS)):
            return
        with output.lock(patient=False) as held:
            found, finished = output.claim(_Claim), output.record()
            if found is None or (finished is not None and found["job_id"] == finished["job_id"]):
                output.remove(held, *REMAINS)


def withdraw(output: Output, held: Held, parts: PartStore) -> None:
    """Leave the output as it was before a run that is refused once it has claimed it."""
    with suppress(OutputError, StorageError):  # the refusal is what there is to tell
        output.remove(held, PLAN, *(() if parts.holds_any else (_PARTS, CLAIM)))


def _parts(output: Output, held: Held, job_id: str, run_id: str, stripe: int, *, unnamed: bool = False) -> PartStore:
    return PartStore(output.place(_PARTS), job_id, run_id, stripe, held.verify, unnamed=unnamed)


def _refuse_other(output: Output, found: dict[str, Any], fingerprint: Fingerprint, kind: Kind) -> None:
    if found["again"] != kind.recorded:
        raise OutputError(
            f"{output.name} has an interrupted run: run the same command {option_of(found['again'])} first"
        )
    refuse_other(output.name, found["fingerprint"], fingerprint)
