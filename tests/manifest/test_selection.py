"""Which rows a run means, by split and limit, as a whole and by ranges."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.manifest import Manifest
from par_model.manifest.selection import Selection

SPLITS = ["train", "val", None, "val", "val", "test", "val", None]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    table = pa.table({"tracklet_id": [f"t{i}" for i in range(8)], "image_uris": [["/1.jpg"]] * 8, "split": SPLITS})
    pq.write_table(table, tmp_path / "m.parquet", row_group_size=3)
    return Manifest.open(str(tmp_path / "m.parquet"))


@pytest.mark.parametrize(
    ("split", "limit", "rows", "stop"),
    [
        (None, None, [0, 1, 2, 3, 4, 5, 6, 7], 8),
        (None, 3, [0, 1, 2], 3),
        (None, 99, [0, 1, 2, 3, 4, 5, 6, 7], 8),
        ("val", None, [1, 3, 4, 6], 8),
        ("val", 3, [1, 3, 4], 5),
        ("val", 4, [1, 3, 4, 6], 7),
        ("val", 5, [1, 3, 4, 6], 8),
        ("nope", 2, [], 8),
    ],
)
def test_ranges_up_to_the_stop_hold_what_the_whole_holds(
    manifest: Manifest, split: str | None, limit: int | None, rows: list[int], stop: int
) -> None:
    selection = Selection(split, limit)
    assert [r for t in selection.batches(manifest, ["tracklet_id"]) for r in t["_row"].to_pylist()] == rows
    assert selection.stop(manifest) == stop
    assert selection.count(manifest) == len(rows)
    found: list[int] = []
    for start in range(0, stop, 3):
        for table in selection.batches(manifest, ["tracklet_id"], rows=(start, min(start + 3, stop))):
            found += table["_row"].to_pylist()
    assert found == rows
