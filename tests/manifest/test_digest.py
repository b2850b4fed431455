"""A row's digest follows what the table depends on, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.manifest import Manifest
from par_model.manifest.database import database
from par_model.manifest.digest import batch_digests
from par_model.manifest.schema import COLUMNS
from tests.manifest.examples import NOON, box, on_images, on_video, write

ROWS = [on_video("a"), on_video("b", boxes=None), on_images("c", "/1.jpg"), on_video("d", frame_indices=[3, None])]


def in_order(uri: str, rows_per_batch: int = 3) -> list[tuple[str, bytes]]:
    """The rows' ids, each with its digest."""
    found = []
    with database() as connection:
        for batch in Manifest.open(uri).iter_batches(rows_per_batch=rows_per_batch):
            rows = [row.tobytes() for row in batch_digests(connection, batch)]
            found += list(zip(batch.column("tracklet_id").to_pylist(), rows, strict=True))
    return found


def digests(uri: str) -> dict[str, bytes]:
    return dict(in_order(uri))


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
        {"video_stream": 0},
    ],
)
def test_every_value_that_the_table_depends_on_matters(change: dict[str, Any], tmp_path: Path) -> None:
    old = digests(write(tmp_path / "old.parquet", [on_video("a")]))
    assert digests(write(tmp_path / "new.parquet", [on_video("a", **change)])) != old


def test_a_further_columns_value_matters(tmp_path: Path) -> None:
    one, other = (digests(write(tmp_path / f"{z}.parquet", [on_video("a")], zone=[z])) for z in (1, 2))
    assert one != other


def test_times_within_a_column_are_as_they_were_when_a_zone_was_looked_up(tmp_path: Path) -> None:
    seen = pa.array([[NOON, None]], pa.list_(pa.timestamp("us", "UTC")))
    table = pa.table({"tracklet_id": ["a"], "image_uris": [["/1.jpg"]], "seen": seen})
    pq.write_table(table, tmp_path / "m.parquet")
    assert digests(str(tmp_path / "m.parquet"))["a"].hex() == "c98b4601f7c994ff950683057e7c2267"


def test_how_rows_are_cut_into_batches_does_not_matter(tmp_path: Path) -> None:
    """Whatever their neighbours have or lack, and where what looks alike lies otherwise between two columns or URIs."""
    rows: list[dict[str, Any]] = [
        *ROWS,
        on_images("e", "/ab", "/c"),
        on_images("e", "/a", "b/c"),
        on_images("e", "/ab/c"),
        on_images("e", "/ab", "/c", None),
        on_images("e", "/ab", "/c", ""),
        on_video("f", frame_indices=[0, None]),
        on_video("f", frame_indices=[None, 0]),
        on_video("f", frame_indices=[0, 0]),
        on_video("f", frame_indices=[]),
        on_video("f", frame_indices=None),
        on_video("f", camera_id="a", split=None),
        on_video("f", camera_id=None, split="a"),
        on_video(None, camera_id=None, split=None, video_uri=None, frame_indices=None, boxes=None, start_time=None),
    ]
    uri = write(tmp_path / "m.parquet", rows, zone=[None, 1.5, *[None] * (len(rows) - 2)])
    found = [[digest for _, digest in in_order(uri, size)] for size in (1, 3, 100)]
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == len(rows)
