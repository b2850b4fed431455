"""Libraries of this package's extras, which a plain installation lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from par_model.errors import UsageError
from par_model.wording import lines_of


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'par-model[{extra}]'"


@contextmanager
def needed(extra: str, what: str) -> Iterator[None]:
    """Within, libraries of an extra are imported. what: who needs them, for the error.

    Raises UsageError, with the command that installs them, where one is missing or cannot be loaded.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise UsageError(f"{what} needs the library {missing}, which is not installed: {install(extra)}") from error
    except ImportError as error:
        reason = lines_of(error)[0]
        library = (error.name or "").partition(".")[0]
        named = f"the library {library}, which" if library else f"libraries of the extra {extra}, of which one"
        raise UsageError(f"{what} needs {named} cannot be loaded: {reason}{_hint(reason)}") from error


def load(module: str, what: str, extra: str = "track") -> Any:
    """The module of a library of an extra. Raises UsageError as ``needed`` does."""
    with needed(extra, what):
        return import_module(module)


def _hint(reason: str) -> str:
    """What mends a library that is there and does not load: OpenCV's usual wheel wants a desktop's libraries."""
    if not any(name in reason for name in ("libGL", "libgthread", "libglib")):
        return ""
    return "; without a desktop: pip uninstall --yes opencv-python && pip install opencv-python-headless"
