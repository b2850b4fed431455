"""Libraries that come with the extra ``track``, and what to do where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from par_model.errors import UsageError

EXTRA = "pip install 'par-model[track]'"


def load(module: str, what: str) -> Any:
    """The module of a library that need not be installed. what: who needs it, for the error.

    Raises UsageError, with the command that installs it, where it is missing or cannot be loaded.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        raise UsageError(f"{what} needs the library {missing}, which is not installed: {EXTRA}") from error
    except ImportError as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise UsageError(
            f"{what} needs the library {module}, which cannot be loaded: {reason}{_hint(reason)}"
        ) from error


def _hint(reason: str) -> str:
    """What mends a library that is there and does not load: OpenCV's usual wheel wants a desktop's libraries."""
    if not any(name in reason for name in ("libGL", "libgthread", "libglib")):
        return ""
    return "; without a desktop: pip uninstall --yes opencv-python && pip install opencv-python-headless"
