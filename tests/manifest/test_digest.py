"""A row's digest follows what the table depends on, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from par_model.manifest import Manifest
from par_model.manifest.digest import row_digests
from par_model.manifest.schema import COLUMNS
from tests.manifest.examples import NOON, box, on_images, on_video, write

ROWS = [on_video("a"), on_video("b", boxes=None), on_images("c", "/1.jpg"), on_video("d", frame_indices=[3, None])]


def digests(uri: str) -> dict[str, bytes]:
    batches = list(Manifest.open(uri).iter_batches(rows_per_batch=3))
    ids = [tracklet_id for batch in batches for tracklet_id in batch.column("tracklet_id").to_pylist()]
    return dict(zip(ids, [d for batch in batches for d in row_digests(batch)], strict=True))


def test_position_files_types_null_columns_and_labels_do_not_matter(tmp_path: Path) -> None:
    old = digests(write(tmp_path / "old.parquet", ROWS))
    assert len(set(old.values())) == 4
    assert {len(d) for d in old.values()} == {16}
    wide = COLUMNS.set(3, pa.field("frame_indices", pa.large_list(pa.int64())))
    write(tmp_path / "new/1.parquet", [on_video("new"), *ROWS[2:]], pa.schema(list(reversed(wide))))
    write(tmp_path / "new/2.parquet", [row | {"labels": [1, 0]} for row in ROWS[:2]], zone=pa.nulls(2, pa.int64()))
    new = digests(str(tmp_path / "new"))
    assert {name: new[name] for name in old} == old


@pytest.mark.parametrize(
    "change",
    [
        {"video_uri": "/footage/b.mp4"},
        {"frame_indices": [3, 8]},
        {"frame_indices": [3]},
        {"boxes": None},
        {"boxes": [box(1.5, 2.0, 30.0, 60.25), box(4.0, 2.0, 30.0, 60.5)]},
        {"camera_id": None},
        {"start_time": NOON + timedelta(milliseconds=1)},
        {"split": "test"},
    ],
)
def test_every_value_that_the_table_depends_on_matters(change: dict[str, Any], tmp_path: Path) -> None:
    old = digests(write(tmp_path / "old.parquet", [on_video("a")]))
    assert digests(write(tmp_path / "new.parquet", [on_video("a", **change)])) != old


def test_a_further_columns_value_matters(tmp_path: Path) -> None:
    one, other = (digests(write(tmp_path / f"{z}.parquet", [on_video("a")], zone=[z])) for z in (1, 2))
    assert one != other
