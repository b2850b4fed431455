"""What lies in OUT beside the table while a job is at it, and what of it counts.

The claim says what is being done, ``_plan/`` holds units, ``_parts/`` outcomes so far. All go once ``run.json`` is
written.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from par_model import storage
from par_model.errors import OutputError, StorageError
from par_model.inference.fingerprint import is_same, refuse_other
from par_model.inference.kinds import Kind, option_of
from par_model.inference.planning import PLAN
from par_model.runs.differences import Fingerprint
from par_model.runs.lock import Held
from par_model.runs.output import CLAIM, Found, Output
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
    finished: Found | None,
    fingerprint: Fingerprint,
    kind: Kind,
    run_id: str,
    stripe: int,
) -> tuple[str, PartStore]:
    """Record what is being done, or find that an interrupted run was doing the same; the job's id, and its parts.

    stripe: rows of a stripe, by which parts are ordered. Where it has no results yet, what it was doing is forgotten.
    Raises OutputError if it was doing something else.
    """
    parts = partial(_parts, output, held, run_id, stripe)

    def goes_on(found: Found) -> bool:
        return bool(found["again"] == kind.recorded) and is_same(found["fingerprint"], fingerprint)

    def refuse(found: Found) -> None:
        if parts(found).holds_any:
            _refuse_other(output, found, fingerprint, kind)

    def refuse_unclaimed() -> None:
        if finished is None and storage.list_files(output.place(FOLDER)):
            raise OutputError(
                f"{output.name} holds a table without run.json that this job did not begin: give another --output"
            )

    wanted = {"again": kind.recorded, "fingerprint": fingerprint, "parts": _NAMED}
    claimed = output.claim_or_resume(
        held, wanted, finished, kind=_Claim, goes_on=goes_on, refuse=refuse, refuse_unclaimed=refuse_unclaimed
    )
    return str(claimed["job_id"]), parts(claimed)


def sweep(output: Output) -> None:
    """Remove what a run left that was killed after ``run.json``, as ``Output.sweep`` does."""
    output.sweep(_Claim, _PARTS, PLAN)


def withdraw(output: Output, held: Held, parts: PartStore) -> None:
    """Leave the output as it was before a run that is refused once it has claimed it."""
    with suppress(OutputError, StorageError):  # the refusal is what there is to tell
        output.remove(held, PLAN, *(() if parts.holds_any else (_PARTS, CLAIM)))


def _parts(output: Output, held: Held, run_id: str, stripe: int, claimed: Found) -> PartStore:
    job_id, unnamed = str(claimed["job_id"]), "parts" not in claimed
    return PartStore(output.place(_PARTS), job_id, run_id, stripe, held.verify, unnamed=unnamed)


def _refuse_other(output: Output, found: Found, fingerprint: Fingerprint, kind: Kind) -> None:
    if found["again"] != kind.recorded:
        raise OutputError(
            f"{output.name} has an interrupted run: run the same command {option_of(found['again'])} first"
        )
    refuse_other(output.name, found["fingerprint"], fingerprint)
