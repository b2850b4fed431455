"""Which catalogs a table is registered in, as ``OUT/_catalogs.json`` says.

Snapshots of a catalog's table name files and what is in them. So a file that one of them may name is neither changed
nor removed here: a retry writes its rows into a file of another name, and ``parjob table register`` swaps the two by
one commit. The record is written before a catalog first sees a file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from par_model.runs.lock import Held
from par_model.runs.output import Output
from par_model.runs.record import read_state

NAME = "_catalogs.json"

_ADVICE = (
    "restore it, since it says which files catalogs name; where that cannot be, remove it, and register anew before "
    "any --retry-failed"
)


@dataclass(frozen=True)
class Registration:
    """One catalog's table. Files are named as in run.json.

    catalog: ``delta``, or ``iceberg:`` and the table's name. run_id: of the run that was committed last, None before
    the first. files: what that run's table consists of. named: all files that a snapshot may name.
    """

    catalog: str
    run_id: str | None
    files: list[str]
    named: list[str]


@dataclass(frozen=True)
class _Registrations:
    registrations: list[Registration]


def read_registrations(output: Output) -> dict[str, Registration]:
    """By catalog; empty where the table is in none. Raises OutputError, StorageError."""
    found = read_state(output.place(NAME), _Registrations, advice=_ADVICE)
    if found is None:
        return {}
    told = [
        Registration(**{name: one[name] for name in Registration.__annotations__}) for one in found["registrations"]
    ]
    return {one.catalog: one for one in told}


def write_registration(output: Output, held: Held, one: Registration) -> None:
    """Record a registration, in place of the one of the same catalog. Raises OutputError, StorageError."""
    every = read_registrations(output) | {one.catalog: one}
    document = {"registrations": [asdict(each) for each in every.values()]}
    output.write(held, NAME, json.dumps(document, indent=2, ensure_ascii=False).encode())


def named_by_catalogs(output: Output) -> frozenset[str] | None:
    """URIs of the files that snapshots of catalogs may name; None where the table is in no catalog."""
    registrations = read_registrations(output)
    if not registrations:
        return None
    return frozenset(output.place(name) for one in registrations.values() for name in one.named)
