"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, one: str, many: str | None = None, *, thousands: str = "") -> str:
    """A number and what it counts: ``1 row``, ``2 rows``; ``many`` where an s does not make the plural.

    thousands: what stands between groups of three digits.
    """
    digits = f"{number:,}".replace(",", thousands)
    return f"{digits} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int) -> str:
    """``a, b and 3 more``: so many of the names, and how many there are beside."""
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more
