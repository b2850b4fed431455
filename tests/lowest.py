"""What `make test-lowest` is about: its environment has the oldest versions that pyproject.toml states."""

from __future__ import annotations

from importlib import metadata

from packaging.version import Version

from par_model.cli.requirements import requirements


def test_the_bounds_that_are_stated_are_the_versions_that_are_run() -> None:
    stated = {
        one.name: Version(bound.version)
        for one in requirements(["dev", "track"])
        for bound in one.specifier
        if bound.operator == ">="
    }
    assert len(stated) > 30
    assert {name: Version(metadata.version(name)) for name in stated} == stated
