"""Which versions of other libraries this package needs: pyproject.toml, as it was written down at the installation."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement

_DISTRIBUTION = "par-model"


def requirements(extras: Iterable[str] = ()) -> list[Requirement]:
    """Those that apply to this machine, of the package itself and of these extras; none if it is not installed."""
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    asked = [Requirement(line) for line in lines]
    return [
        one
        for one in asked
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def unmet(asked: Iterable[Requirement]) -> dict[Requirement, str | None]:
    """Those whose library is missing or has another version, with that version, None where it is missing."""
    found: dict[Requirement, str | None] = {}
    for one in asked:
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            found[one] = None
            continue
        if not one.specifier.contains(version, prereleases=True):
            found[one] = version
    return found
