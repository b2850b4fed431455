"""One small street, rendered once for all tests of the folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from par_model.attributes import AttributeSchema, load_schema
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street

SMALL = StreetConfig(seed=1, cameras=2, seconds=3.0, fps=10)


class Rendered(NamedTuple):
    config: StreetConfig
    folder: Path
    manifest: Path
    progress: list[tuple[int, int]]


@pytest.fixture(scope="session")
def schema() -> AttributeSchema:
    return load_schema("street")


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Two cameras, three seconds, rendered in this process."""
    folder = tmp_path_factory.mktemp("street")
    progress: list[tuple[int, int]] = []
    manifest = render_street(SMALL, folder, workers=1, progress=lambda done, total: progress.append((done, total)))
    return Rendered(SMALL, folder, manifest, progress)
