"""Catalogs of the tests' own: Iceberg's in a file, Delta's in OUT."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pyiceberg's catalog ``local``, as its own variables configure it."""
    place = tmp_path / "warehouse"
    place.mkdir()
    settings = {"TYPE": "sql", "URI": f"sqlite:///{place}/catalog.db", "WAREHOUSE": f"file://{place}"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__LOCAL__{name}", value)
    monkeypatch.setenv("PYICEBERG_HOME", str(place))
    catalog = pytest.importorskip("pyiceberg.catalog", reason="the extra iceberg is not installed")
    config = importlib.import_module("pyiceberg.utils.config")
    monkeypatch.setattr(catalog, "_ENV_CONFIG", config.Config())  # which is read once, at the import
    return place
