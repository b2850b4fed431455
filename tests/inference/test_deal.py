"""Rows on their way to units: dealt out by video."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.manifest.read import Manifest
from tests.inference.plans import by_tasks, in_groups, some_rows

pytestmark = pytest.mark.usefixtures("tiny_spans")


def test_a_video_is_in_one_bucket_and_stills_are_dealt_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("par_model.inference.deal._STILLS_TOGETHER", 4)
    manifest = Manifest.open(str(in_groups(tmp_path / "m.parquet", some_rows(40))))
    planned = by_tasks(manifest, tmp_path / "out")
    numbers = iter(range(len(planned.units)))
    buckets: dict[str | None, set[str]] = {}
    for file in planned.units.files:
        for _ in range(file.units):
            for uri in planned.units.read(next(numbers))["video_uri"].to_pylist():
                buckets.setdefault(uri, set()).add(file.name)
    stills = buckets.pop(None)
    assert [len(files) for files in buckets.values()] == [1] * 5
    assert len(stills) > 1
