"""Registering the table in a catalog, so that a reader sees the files of one run and no other.

    1. under OUT's lock, what the catalog's table names below OUT is compared with what run.json lists;
    2. OUT/_catalogs.json records the files, so that from now on no job changes or removes them;
    3. one commit adds what is missing and takes out what a retry has written anew;
    4. the catalog is asked again, and the run is recorded as committed.

Killed anywhere, the same command goes on: a commit that succeeded is found by its files, or by the run's id that it
carries, and is not made again.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from par_model import storage
from par_model.catalogs.finished_table import Layout, TableFile
from par_model.errors import CatalogError, ConflictError, OutputError
from par_model.runs.lock import Held
from par_model.runs.output import CLAIM, Output
from par_model.table.registrations import Registration, write_registration

READERS = 16  # footers that are read side by side
_TRIES = 5  # where other outputs are committed to the same table meanwhile
_WAIT_SECONDS = 2.0


@dataclass(frozen=True)
class NamedFile:
    """A file of the table's folder that the catalog's current snapshot names. name: as run.json has it. size: as the
    catalog has it, in bytes. spelled: as the catalog names it."""

    name: str
    size: int
    spelled: str


@dataclass(frozen=True)
class State:
    """What a catalog's table is now. files: those in the table's folder. run_id: of the run of OUT that was committed
    last, None where none was; the table keeps it whatever else is done to it."""

    files: tuple[NamedFile, ...] = ()
    run_id: str | None = None


@dataclass(frozen=True)
class Change:
    """What one commit does to the files below OUT."""

    add: tuple[TableFile, ...]
    remove: tuple[NamedFile, ...]


class Catalog(Protocol):
    """A table in a catalog. Each method asks the catalog anew. Raises CatalogError, StorageError.

    name: as ``Registration.catalog`` has it.
    """

    @property
    def name(self) -> str: ...

    def look(self, layout: Layout) -> State:
        """What it is now; an empty state where there is no such table yet."""

    def commit(self, layout: Layout, change: Change, before: storage.Before) -> str:
        """Make the change by one commit, which carries the run's id, and name the snapshot. before: asked last."""


@dataclass(frozen=True)
class Registered:
    """What came of it. snapshot: None where nothing was to be done. added, removed: files."""

    catalog: str
    run_id: str
    snapshot: str | None
    added: int
    removed: int


def register(uri: str, catalog: Catalog) -> Registered:
    """Have ``catalog`` name the files of the run that OUT holds, once, whatever is killed and repeated.

    uri: OUT. Raises OutputError where it holds no finished run or another job is at it, CatalogError where the
    catalog's table is not what earlier runs made of it, StorageError.
    """
    Layout.of(uri)
    output = Output(storage.canonical(uri))
    with output.lock() as held:
        layout = Layout.of(uri)
        _refuse_interrupted(output, layout)
        known = layout.registrations.get(catalog.name) or Registration(catalog.name, None, [], [])
        for tries_left in reversed(range(_TRIES)):
            try:
                return _register(output, held, layout, catalog, known)
            except ConflictError:
                if not tries_left:
                    raise
                time.sleep(random.uniform(0, _WAIT_SECONDS))
    raise AssertionError("the last try returns or raises")


def _register(output: Output, held: Held, layout: Layout, catalog: Catalog, known: Registration) -> Registered:
    change = difference(layout, catalog.look(layout), known)
    files = [file.name for file in layout.files]
    if change is None:
        if known.run_id != layout.run_id or known.files != files:
            _record(output, held, known, layout)
        return Registered(catalog.name, layout.run_id, None, 0, 0)
    named = _united(known.named, files)
    write_registration(output, held, Registration(catalog.name, known.run_id, known.files, named))
    snapshot = catalog.commit(layout, change, held.verify)
    _check(change, catalog.look(layout))
    _record(output, held, known, layout)
    return Registered(catalog.name, layout.run_id, snapshot, len(change.add), len(change.remove))


def difference(layout: Layout, state: State, known: Registration) -> Change | None:
    """What leads from a catalog's state to that of the run; None where it is there already.

    Raises CatalogError where files that the catalog had are gone from it although the run does not have them anew, or
    were changed below it.
    """
    anew = "drop the table there, and register anew"
    twice = [name for name, count in Counter(file.name for file in state.files).items() if count > 1]
    if twice:
        raise CatalogError(f"{known.catalog} names {twice[0]} twice, so that its rows count twice: {anew}")
    if state.run_id == layout.run_id:
        return None  # what was done to the catalog's table since is its users' business
    wanted = {file.name: file for file in layout.files}
    there = {file.name: file for file in state.files}
    changed = [name for name, file in there.items() if name in wanted and wanted[name].size != file.size]
    if changed:
        raise CatalogError(
            f"{changed[0]} is not the file that {known.catalog} names: it has {wanted[changed[0]].size} bytes instead "
            f"of {there[changed[0]].size}; {anew}"
        )
    # Files that were put together into others there, by the system's own maintenance.
    gone = set(known.files) - there.keys() if known.run_id == state.run_id is not None else set()
    if gone - wanted.keys():
        raise CatalogError(
            f"{known.catalog} no longer names {min(gone - wanted.keys())}, whose rows this run has anew: its files "
            f"were rewritten there, so that rows would count twice; {anew}"
        )
    add = tuple(file for name, file in wanted.items() if name not in there and name not in gone)
    remove = tuple(file for name, file in there.items() if name not in wanted)
    return Change(add, remove) if add or remove else None


def _refuse_interrupted(output: Output, layout: Layout) -> None:
    """A retry that was interrupted before the table was in a catalog has replaced files, and may go on to."""
    if not layout.registrations and storage.exists(output.place(CLAIM)):
        raise OutputError(f"{output.name} has an interrupted run: run its command again first")


def _check(change: Change, state: State) -> None:
    found = Counter(file.name for file in state.files)
    wanted = {file.name: 1 for file in change.add} | {file.name: 0 for file in change.remove}
    wrong = [name for name, times in wanted.items() if found[name] != times]
    if wrong:
        raise CatalogError(
            f"the commit was made, but the catalog names {wrong[0]} {found[wrong[0]]} times: another program changed "
            f"the same table meanwhile; run the same command again"
        )


def _record(output: Output, held: Held, known: Registration, layout: Layout) -> None:
    files = [file.name for file in layout.files]
    named = _united(known.named, files)
    write_registration(output, held, Registration(known.catalog, layout.run_id, files, named))


def _united(named: list[str], files: list[str]) -> list[str]:
    return list(dict.fromkeys([*named, *files]))
