"""Which of a detector's classes is a person: as its own labels say, or as the user does."""

from __future__ import annotations

from collections.abc import Mapping

from par_model.errors import WeightsError
from par_model.wording import listed

_PERSON = ("person", "pedestrian", "people", "human")
_MOST_LISTED = 12


def person_class_of(labels: Mapping[int, str], wanted: str | None, what: str, *, example: str = "") -> int:
    """The number of the class.

    labels: name by number, empty where the file names none. wanted: a name, or a number; a name wins where a class is
    named like a number. what: the detector, for errors. example: what to say of files that name no classes.

    Raises WeightsError if it cannot be told, with the classes that there are.
    """
    if wanted is not None:
        named = _named(labels, wanted)
        if len(named) == 1:
            return named[0]
        if not named and wanted.isdecimal() and (not labels or int(wanted) in labels):
            return int(wanted)
        if not labels:
            raise WeightsError(f"{what}: names no classes, so --person-class must be a number, not {wanted!r}{example}")
        raise WeightsError(
            f"{what}: --person-class {wanted!r} is {'more than one' if named else 'none'} of {_list(labels)}"
        )
    if not labels:
        raise WeightsError(
            f"{what}: does not say which of its classes is a person: give its number by --person-class{example}"
        )
    for name in _PERSON:
        named = _named(labels, name)
        if len(named) == 1:
            return named[0]
    raise WeightsError(
        f"{what}: its labels do not say which one is a person; give --person-class, one of {_list(labels)}"
    )


def _named(labels: Mapping[int, str], name: str) -> list[int]:
    return [number for number, label in labels.items() if label.strip().casefold() == name.strip().casefold()]


def _list(labels: Mapping[int, str]) -> str:
    return listed((f"{number} {name}" for number, name in sorted(labels.items())), _MOST_LISTED)
