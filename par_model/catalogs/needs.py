"""Libraries of catalogs are extras, which a plain installation lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from par_model.errors import CatalogError


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Imports within that may fail say how to install them."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CatalogError(f"{error.name} is not installed: pip install 'par-model[{extra}]'") from error
