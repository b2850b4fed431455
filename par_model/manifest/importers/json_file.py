"""JSON files of tools."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeGuard

from par_model import storage
from par_model.errors import ManifestError

_LARGEST = 2**53  # whole numbers up to this are floats, too


def read_json(uri: str, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What a JSON file holds. object_hook: as of ``json.loads``. Raises ManifestError where it is no JSON, and
    StorageError where it cannot be read."""
    try:
        return json.loads(storage.read_bytes(uri), object_hook=object_hook)
    except ValueError as error:
        raise ManifestError(f"{uri}: is not JSON: {error}") from error
    except RecursionError as error:
        raise ManifestError(
            f"{uri}: its lists and objects are within each other more often than any tool writes"
        ) from error


def is_finite(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number that can be reckoned with: neither endless nor of hundreds of digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)


def are_objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a value is a list of nothing but objects."""
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
