"""Fixtures that several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random weights file for the street schema; tests.tiny.write_tiny_weights makes others."""
    from tests.tiny import write_tiny_weights

    return Path(write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors"))
