"""Track ids as tools write them, each number spelt in one way."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from par_model.errors import ManifestError
from par_model.manifest.importers.gather import Where
from par_model.manifest.importers.numbers import is_number

_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


def track_ids(fields: Sequence[str], where: Where, *, may_be_empty: bool = False) -> list[str]:
    """Ids of n rows, any text; ``1.0``, ``01`` and ``1e0`` are ``1``. where: the place of a row.

    Raises ManifestError for ids that are empty, unless they may be, and for numbers that are not whole or not finite.
    """
    spelt = {"": ""} if may_be_empty else {}
    for row, field in enumerate(fields):
        if field not in spelt:
            try:
                spelt[field] = track_id(field)
            except ValueError as error:
                raise ManifestError(f"{where(row)}: {error}") from error
    return [spelt[field] for field in fields]


def track_id(text: str) -> str:
    """One id, as ``track_ids`` has it. Raises ValueError."""
    text = text.strip()
    if _WHOLE.fullmatch(text) and text.isascii():
        return _spelt(text.partition(".")[0])  # a float holds no track id above 2**53
    if not text:
        raise ValueError("there is no track id")
    if not is_number(text):
        return text
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"track id {text!r} is not finite")
    if not value.is_integer():
        raise ValueError(f"track id {text} is not a whole number")
    return str(int(value))


def _spelt(digits: str) -> str:
    """Digits with or without a sign, in one way; as text, since Python makes no number of thousands of them."""
    number = digits.lstrip("+-").lstrip("0") or "0"
    return f"-{number}" if digits.startswith("-") and number != "0" else number
