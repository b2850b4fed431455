"""Listens to what this process does to files, and to whether the lock was asked before."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from par_model.runs.lock import Held

_CHANGES = {"os.rename": 1, "os.remove": 0, "shutil.rmtree": 0, "os.mkdir": 0, "open": 0}
_heard: list[tuple[str, str]] | None = None
_listens = False


@contextmanager
def changes_below(folder: str) -> Iterator[list[tuple[str, str]]]:
    """Every change below a folder but those of the lock, as ("os.rename", path), and each ("asked", "") between.

    From Python's own audit events, so whichever code it was; what is written to an open file is not among them.
    """
    global _heard, _listens
    if not _listens:
        sys.addaudithook(_hear)  # it can never be removed
        _listens = True
    verify = Held.verify
    heard: list[tuple[str, str]] = []

    def asked(self: Held) -> None:
        verify(self)
        heard.append(("asked", ""))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Held, "verify", asked)
        _heard = heard
        try:
            yield heard
        finally:
            _heard = None
            heard[:] = [
                (what, path)
                for what, path in heard
                if what == "asked" or (path.startswith(f"{folder}{os.sep}") and os.path.basename(path) != "_lock")
            ]


def _hear(event: str, given: tuple[Any, ...]) -> None:
    if _heard is None or event not in _CHANGES:
        return
    path = given[_CHANGES[event]]
    if event == "open" and not (isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)):
        return
    if isinstance(path, str):
        _heard.append((event, path))


def not_asked_for(heard: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What appeared or went without a question since the last thing that did, and what was begun without one."""
    found, asked = [], False
    for what, path in heard:
        if what == "asked":
            asked = True
        elif not asked:
            found.append((what, path))
        elif what not in ("os.mkdir", "open"):
            asked = False
    return found
