"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None, *, thousands: str = "") -> str:
    """A number and what it counts: ``1 row``, ``2 rows``; ``many`` where an s does not make the plural.

    thousands: what stands between groups of three digits.
    """
    digits = f"{number:,}".replace(",", thousands)
    return f"{digits} {one if number == 1 else many or one + 's'}"
