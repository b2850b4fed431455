"""The versions that the package needs: one source, and what is below it is named."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import metadata
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from par_model.cli.requirements import requirements, unmet
from tests.blocks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def bounds(asked: Iterable[Requirement]) -> dict[str, SpecifierSet]:
    here = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": "dev"})]
    return {canonicalize_name(one.name): one.specifier for one in here}


def test_they_are_those_of_pyproject() -> None:
    """An installation older than pyproject.toml fails here: `make setup` renews it."""
    stated = [Requirement(line) for line in PROJECT["dependencies"]]
    dev = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]
    assert bounds(requirements()) == bounds(stated)
    assert bounds(requirements(["dev"])) == bounds([*stated, *dev])


def test_every_library_has_a_lower_bound() -> None:
    for line in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        assert ">=" in [bound.operator for bound in Requirement(line).specifier], line


def test_this_environment_has_what_is_needed() -> None:
    assert unmet(requirements(["dev"])) == {}


@pytest.mark.parametrize(
    ("version", "asked", "met"),
    [
        ("18.0.0", ">=18.1,<19", False),
        ("18.1", ">=18.1,<19", True),
        ("19.0.0", ">=18.1,<19", False),
        ("2.4.0+cpu", ">=2.4", True),
        ("2.4.0rc1", ">=2.4", False),
        ("2.5.0.dev1", ">=2.4", True),
        (None, ">=2.4", False),
    ],
)
def test_what_is_too_old_too_new_or_missing_is_found(
    version: str | None, asked: str, met: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", installed)
    one = Requirement(f"library{asked}")
    assert unmet([one]) == ({} if met else {one: version})


def test_nothing_is_asked_where_the_package_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", not_there)
    assert requirements() == []
