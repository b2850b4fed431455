"""Which of a tool's classes are people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from par_model.errors import ManifestError
from par_model.wording import listed

# Names by which tools call people, and the class "person" of detectors that were trained on COCO or on people only.
NAMES = ("person", "pedestrian", "people")
FIRST_CLASS = "0"

_SHOWN = 8
_WHOLE = re.compile(r"([+-]?\d+)\.0*")


def plain(text: str) -> str:
    """A number or name of a class or track as it is compared: without the fraction that data frames append."""
    match = _WHOLE.fullmatch(text.strip())
    return match[1] if match else text.strip()


def choose_people(
    classes: Sequence[str],
    wanted: Sequence[str],
    origin: str,
    *,
    usual: Sequence[str] = NAMES,
    option: str = "--people",
    own_names: bool = False,
) -> tuple[NDArray[np.bool_], str]:
    """Which of n boxes or tracks are people, bool [n], and why the others are left out.

    classes: n names or numbers. wanted: those that are people; without any, the ``usual`` names that are there, else
    the only class, if it is 0 or, with ``own_names``, that is where users name classes and not detectors, a name; a
    detector's only class may well be "car". Case does not count.

    Raises ManifestError that lists the classes where a wanted one is absent, or it cannot be told who is a person.
    """
    folded = [plain(name).casefold() for name in classes]
    found = Counter(folded)
    spelled = dict(zip(folded, (plain(name) for name in classes), strict=True))
    there = listed((f"{spelled[name]!r} {count}" for name, count in found.most_common()), _SHOWN)
    people = {plain(name).casefold() for name in wanted}
    if absent := people - found.keys():
        raise ManifestError(f"{origin}: has no class {min(absent)!r}; it has {there or 'none'}")
    if not wanted:
        people = found.keys() & {name.casefold() for name in usual}
        if not people and len(found) == 1:
            people = {name for name in found if name == FIRST_CLASS or _is_own(name, own_names)}
        if not people and found:
            raise ManifestError(f"{origin}: say with {option} which classes are people; it has {there}")
    left_out = (f"{spelled[name]!r} {count}" for name, count in found.most_common() if name not in people)
    others = listed(left_out, _SHOWN)
    chosen = np.fromiter((name in people for name in folded), bool, len(folded))
    return chosen, f"of classes that are not people ({others})"


def _is_own(name: str, own_names: bool) -> bool:
    return not name or (own_names and not name.lstrip("+-").isdecimal())
