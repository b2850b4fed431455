"""Numbers and lists in sentences, and what errors say on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable

_COLOUR = re.compile(r"\x1b\[[\d;]*m")


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


def one_line(said: BaseException | str, most: int | None = None) -> str:
    """What was said, its lines after each other; for an exception without a text, the name of its type. What stands
    between two words of a line stays, since it may be a name's.

    most: characters; of a longer text the end is left out, and dots stand there.
    """
    line = " ".join(lines_of(said))
    return line if most is None or len(line) <= most else line[: most - 3].rstrip() + "..."


def typed_line(error: BaseException, most: int | None = None) -> str:
    """``KeyError: 'a'``: the type of an exception and what it says, where a text alone may not tell what happened.

    most: characters of what it says, as in ``one_line``.
    """
    kind = type(error).__name__
    return f"{kind}: {one_line(error, most)}" if str(error).strip() else kind


def lines_of(said: BaseException | str) -> list[str]:
    """What was said line by line, without blanks around lines and without empty ones; one line at least, as
    ``one_line`` gives it."""
    nothing = "" if isinstance(said, str) else type(said).__name__
    return [line.strip() for line in str(said).splitlines() if line.strip()] or [nothing]


def without_colours(text: str) -> str:
    """A text without what makes a terminal colour it."""
    return _COLOUR.sub("", text)
