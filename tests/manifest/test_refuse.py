"""What makes a manifest ambiguous, so that no job starts on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from par_model.attributes import load_schema
from par_model.errors import ManifestError
from par_model.manifest import Manifest, refuse_ambiguous
from tests.manifest.examples import defects, on_video, write


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (on_video(None), r"row 2 \(row 0 of 2\.parquet\): tracklet_id is null"),
        (on_video(""), r"row 2 \(row 0 of 2\.parquet\): tracklet_id is empty"),
        (on_video("a"), r"row 2 \(row 0 of 2\.parquet\) has the tracklet_id 'a' of row 0 \(row 0 of 1\.parquet\)"),
    ],
)
def test_the_job_refuses_ids_that_name_no_row_or_two(last: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", [on_video("a"), on_video("b")])
    write(tmp_path / "2.parquet", [last])
    with pytest.raises(ManifestError, match=message):
        refuse_ambiguous(Manifest.open(str(tmp_path)), None)


@pytest.mark.parametrize(
    ("name", "schema", "reason"),
    [
        ("status", None, "the name of a column of the attribute table"),
        ("Run_ID", None, "the name of a column of the attribute table"),
        ("_row", None, "the name of a column of the attribute table"),
        ("top_color", "mars", "the name of a column of the attribute table"),
        ("Hat_Score", "mars", "the name of a column of the attribute table"),
        ("Camera_ID", None, "differs from 'camera_id' only in case"),
    ],
)
def test_a_column_that_the_table_could_not_hold_is_refused(
    name: str, schema: str | None, reason: str, tmp_path: Path
) -> None:
    uri = write(tmp_path / "m.parquet", [on_video("a"), on_video("b")], **{name: [1, 2]})
    assert defects(uri, schema) == [(0, "a", "colliding-column")]
    with pytest.raises(ManifestError, match=reason):
        refuse_ambiguous(Manifest.open(uri), load_schema(schema) if schema else None)


def test_an_empty_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no rows"):
        refuse_ambiguous(Manifest.open(write(tmp_path / "m.parquet", [])), None)
