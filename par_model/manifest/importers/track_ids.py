"""Track ids as tools write them, each number spelt in one way."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from par_model.errors import ManifestError
from par_model.manifest.importers.gather import Listed, Where
from par_model.manifest.importers.numbers import is_number

UNTRACKED = str(2**64 - 1)  # DeepStream's object id before a tracker has seen the object
_NO_ID = frozenset(("none", "null", "na", "<na>", "n/a", "#n/a", "-", "--", "?", "\\n", UNTRACKED))
_NO_ID_IN_TABLES = frozenset(("", "nan"))
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
# With an exponent, a number has a point or the exponent a sign, as NumPy writes it; "12e4" may be a hexadecimal id.
_MAY_BE_HEXADECIMAL = re.compile(r"\d+[eE]\d+")


def track_ids(fields: Sequence[str], where: Where, *, in_table: bool = False) -> list[str]:
    """Ids of n rows, any text; ``1.0``, ``01`` and ``1.0e+00`` are ``1``. Empty where a row says that it has none.

    where: the place of a row. in_table: in tables an empty cell and ``nan`` say that, too. Raises ManifestError for ids
    that are empty otherwise, and for numbers that are not whole or not finite.
    """
    spelt: dict[str, str] = {}
    for row, field in enumerate(fields):
        if field not in spelt:
            try:
                spelt[field] = "" if says_none(field, in_table=in_table) else track_id(field)
            except ValueError as error:
                raise ManifestError(f"{where(row)}: {error}") from error
    return [spelt[field] for field in fields]


def says_none(field: str, *, in_table: bool = False) -> bool:
    """Whether a field says that there is no track. in_table: as ``track_ids`` has it."""
    word = field.strip().lower()
    return word in _NO_ID or (in_table and word in _NO_ID_IN_TABLES)


def with_ids(listed: Listed) -> Listed:
    """The rows that have an id."""
    has_id = np.fromiter((name != "" for name in listed.ids), bool, len(listed.ids))
    return listed.keep(has_id, "box", "of no track (no track id)")


def track_id(text: str) -> str:
    """One id, as ``track_ids`` has it. Raises ValueError."""
    text = text.strip()
    if _WHOLE.fullmatch(text) and text.isascii():
        return _spelt(text.partition(".")[0])  # a float holds no track id above 2**53
    if not text:
        raise ValueError("there is no track id")
    if not is_number(text) or _MAY_BE_HEXADECIMAL.fullmatch(text):
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
