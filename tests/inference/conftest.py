"""What tests of planning share."""

from __future__ import annotations

import pytest

from par_model.inference import planning, survey


@pytest.fixture
def tiny_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are many spans and buckets."""
    monkeypatch.setattr(survey, "SPAN_ROWS", 5)
    monkeypatch.setattr(planning, "_BUCKET_ROWS", 8)
    monkeypatch.setattr(planning, "_BUCKET_IDS", 12)
