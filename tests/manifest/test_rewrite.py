"""A manifest written anew from another: where it may go, and which rows and values come along."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.errors import ManifestError, UsageError
from par_model.manifest.read import Manifest
from par_model.manifest.rewrite import refuse_own_place, whole_batches, write_whole
from par_model.manifest.schema import COLUMNS
from tests.manifest.examples import on_video, write


def streams(path: Path, numbers: list[int]) -> Manifest:
    """Rows a, b, ... whose video_stream is stored as int64."""
    rows = [on_video(name) for name in "abcd"[: len(numbers)]]
    stored = pa.schema([field for field in COLUMNS if field.name != "video_stream"])
    return Manifest.open(write(path, rows, stored, video_stream=numbers))


def test_rows_are_picked_and_only_their_values_have_to_fit(tmp_path: Path) -> None:
    manifest = streams(tmp_path / "m.parquet", [0, 2**40, 1, 0])
    names = ["tracklet_id", "video_stream"]
    found = pa.Table.from_batches(whole_batches(manifest, names, rows=pa.array([0, 2])))
    assert found.select(names).to_pylist() == [
        {"tracklet_id": "a", "video_stream": 0},
        {"tracklet_id": "c", "video_stream": 1},
    ]
    with pytest.raises(ManifestError, match=r"row 1: video_stream: does not fit int32: .*; nothing was written"):
        list(whole_batches(manifest, names))


def test_nothing_is_left_of_a_file_whose_rows_do_not_fit(tmp_path: Path) -> None:
    manifest = streams(tmp_path / "m.parquet", [0, 2**40])
    schema = pa.schema([manifest.schema.field(name) for name in ("tracklet_id", "video_stream")])
    with pytest.raises(ManifestError):
        write_whole(str(tmp_path / "o.parquet"), schema, whole_batches(manifest, schema.names), None)
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]
    street = load_schema("street")
    write_whole(str(tmp_path / "o.parquet"), schema, whole_batches(manifest, schema.names, rows=pa.array([0])), street)
    assert pq.read_table(tmp_path / "o.parquet").to_pylist() == [{"tracklet_id": "a", "video_stream": 0}]
    assert pq.read_schema(tmp_path / "o.parquet").metadata[b"par.schema"].decode() == street.to_toml()


def test_a_place_among_the_manifests_own_files_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write(folder / "1.parquet", [on_video("a")])
    for uri, output, problem in (
        (folder, folder / "2.parquet", "is inside the manifest's folder"),
        (folder / "*.parquet", folder / "2.parquet", "is a file of the manifest's pattern"),
    ):
        with pytest.raises(UsageError, match=problem):
            refuse_own_place(Manifest.open(str(uri)), str(output))
    refuse_own_place(Manifest.open(str(folder)), str(tmp_path / "m2.parquet"))
