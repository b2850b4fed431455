"""``run.json``: what ran and how it went. Written last, so that its presence says that the table is complete."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from importlib import metadata
from typing import Any, cast

from par_model import __version__, storage
from par_model.documents import DocumentError, read_document
from par_model.errors import OutputError

_LIBRARIES = ("torch", "open_clip_torch", "ray", "av", "decord", "pyarrow", "numpy")


@dataclass(frozen=True)
class Fingerprinted:
    """What the record and the claim of every job have, beside what is theirs alone."""

    fingerprint: dict[str, Any]


def read_record(uri: str) -> dict[str, Any] | None:
    """The record of a run that has ended, None if there is none. Raises OutputError if it is not one."""
    return read_state(uri, Fingerprinted)


def read_state(uri: str, kind: type[Any], advice: str | None = None) -> dict[str, Any] | None:
    """A JSON object that a job wrote, None if there is none. Raises OutputError if what ``kind`` names is not in it.

    kind: a dataclass of the keys that are needed, with their types. advice: what to do where it has them not, if that
    is not to give another output.
    """
    try:
        document = json.loads(storage.read_bytes(uri))
    except storage.PlaceError as error:
        if error.reason is storage.Reason.NOT_FOUND:
            return None
        raise
    except ValueError as error:
        raise OutputError(
            f"{uri} is not valid JSON ({error}): {advice or 'give another --output, or remove it'}"
        ) from error
    needed = {field.name for field in fields(kind)}
    try:
        read_document(
            kind, {k: v for k, v in document.items() if k in needed} if isinstance(document, dict) else document
        )
    except DocumentError as error:
        raise OutputError(
            f"{uri} was not written by this version ({error}): {advice or 'give another --output'}"
        ) from error
    return cast("dict[str, Any]", document)


def write_record(uri: str, record: dict[str, Any], before: storage.Before | None = None) -> None:
    """Write it, whole or not at all. before: as of ``storage.atomic_writer``."""
    storage.write_bytes(uri, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode(), before)


def record_head(
    command: str, *, exit_code: int, run_id: str, started: datetime, seconds: float, job_id: str | None = None
) -> dict[str, Any]:
    """How the record of every kind of run begins. job_id: of a run whose results say which job they are of."""
    return {
        "command": command,
        "exit_code": exit_code,
        **({"job_id": job_id} if job_id is not None else {}),
        "run_id": run_id,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """This package's version and those of the libraries whose results it depends on."""
    found = {"par_model": __version__}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue  # decord has no build for every processor
    return found
