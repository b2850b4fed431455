"""Rows on their way to units: dealt out by video."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from par_model import storage
from par_model.inference.deal import Dealing, Dealt, deal_span
from par_model.inference.survey import RowQuestion, Surveyed, spans_of
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


def test_a_file_of_pieces_says_all_that_was_found_of_its_span(tmp_path: Path) -> None:
    rows = some_rows(4)
    rows[1]["tracklet_id"] = ""
    seen = pa.array([1, 2, 3, 4], pa.timestamp("ns"))
    in_groups(tmp_path / "m" / "1.parquet", rows, seen=seen, x=pa.array([-1] * 4))
    in_groups(tmp_path / "m" / "2.parquet", some_rows(1), x=pa.array([2**63], pa.uint64()))
    manifest = Manifest.open(str(tmp_path / "m"))
    question = RowQuestion.of(manifest, None, 5, ())
    [span] = spans_of(manifest, np.array([True, False, False, False, False]))
    dealt = deal_span(0, span, Dealing(str(tmp_path), "0a", 2, 1, question, lambda: None))
    [file] = [file for file in storage.list_files(str(tmp_path)) if file.uri == dealt.uri]
    assert Dealt.found(file).surveyed == dealt.surveyed
    unlike_nothing = {field.name for field in fields(Surveyed) if getattr(dealt.surveyed, field.name) != field.default}
    assert unlike_nothing == {field.name for field in fields(Surveyed)}
