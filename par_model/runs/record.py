"""``run.json``: what ran and how it went. Written last, so that its presence says that the table is complete."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from par_model import __version__, storage
from par_model.errors import OutputError

_LIBRARIES = ("torch", "open_clip_torch", "ray", "av", "decord", "pyarrow", "numpy")


def read_summary(uri: str) -> dict[str, Any] | None:
    """The summary of a finished run, None if there is none. Raises OutputError if it is not one."""
    return read_record(uri, ("fingerprint",))


def read_record(uri: str, keys: Sequence[str]) -> dict[str, Any] | None:
    """A JSON object that a job wrote, None if there is none. Raises OutputError if it lacks one of ``keys``."""
    try:
        document = json.loads(storage.read_bytes(uri))
    except storage.PlaceError as error:
        if error.reason is storage.Reason.NOT_FOUND:
            return None
        raise
    except ValueError as error:
        raise OutputError(f"{uri} is not valid JSON ({error}): give another --output, or remove it") from error
    if not isinstance(document, dict) or not document.keys() >= set(keys):
        raise OutputError(f"{uri} was not written by this version: give another --output")
    return document


def write_summary(uri: str, summary: dict[str, Any], before: storage.Before | None = None) -> None:
    """Write it, whole or not at all. before: as of ``storage.atomic_writer``."""
    storage.write_bytes(uri, (json.dumps(summary, indent=2, ensure_ascii=False) + "\n").encode(), before)


def versions() -> dict[str, str]:
    """This package's version and those of the libraries whose results it depends on."""
    found = {"par_model": __version__}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue  # decord has no build for every processor
    return found
