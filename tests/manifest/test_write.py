"""A manifest out of tables, one a video, of which only some are in memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.errors import OutputError
from par_model.manifest import write
from par_model.manifest.write import write_manifest_tables

SCHEMA = pa.schema([("tracklet_id", pa.string()), ("video_uri", pa.string())])


def of_video(video: int, rows: int) -> pa.Table:
    return pa.table({"tracklet_id": [f"{video}-{n}" for n in range(rows)], "video_uri": [str(video)] * rows}, SCHEMA)


def test_row_groups_end_with_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_GROUP_ROWS", 4)
    monkeypatch.setattr(write, "_GROUP_ROWS_MAX", 6)
    path = str(tmp_path / "m.parquet")
    assert write_manifest_tables(path, map(of_video, range(5), (3, 2, 0, 8, 1)), SCHEMA, lambda: None) == 14
    file = pq.ParquetFile(path)
    groups = [file.read_row_group(n)["tracklet_id"].to_pylist() for n in range(file.num_row_groups)]
    assert [len(group) for group in groups] == [5, 6, 2, 1]
    assert [name for group in groups for name in group] == [
        f"{v}-{n}" for v, rows in enumerate((3, 2, 0, 8, 1)) for n in range(rows)
    ]


def test_a_manifest_of_nobody_has_its_columns(tmp_path: Path) -> None:
    assert write_manifest_tables(str(tmp_path / "m.parquet"), [], SCHEMA, lambda: None) == 0
    assert pq.read_table(tmp_path / "m.parquet").schema.equals(SCHEMA)


def test_who_lost_the_lock_writes_nothing(tmp_path: Path) -> None:
    def lost() -> None:
        raise OutputError("lost")

    with pytest.raises(OutputError):
        write_manifest_tables(str(tmp_path / "m.parquet"), [of_video(0, 1)], SCHEMA, lost)
    assert list(tmp_path.iterdir()) == []
