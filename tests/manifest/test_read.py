"""Manifests are read in their own types, whoever wrote them and however many files they are."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.attributes import load_schema
from par_model.errors import ManifestError
from par_model.manifest import Manifest, write_manifest
from par_model.manifest.schema import COLUMNS
from tests.manifest.examples import NOON, box, on_images, on_video, write


def rows(uri: str, columns: list[str] | None = None) -> list[dict[str, Any]]:
    return [row for batch in Manifest.open(uri).iter_batches(columns) for row in batch.to_pylist()]


def full(row: dict[str, Any], position: int) -> dict[str, Any]:
    """A row as reading gives it: every column, null where absent."""
    return {name: row.get(name) for name in COLUMNS.names} | {"_row": position, "_defect": None}


MIXED = [on_video("a"), on_video("b", camera_id=None, boxes=None), on_images("c", "/crops/1.jpg", "s3://crops/2.jpg")]


def test_a_manifest_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    uri = str(tmp_path / "m.parquet")
    mixed = [MIXED[0] | {"video_stream": 1}, *MIXED[1:]]
    assert write_manifest(uri, mixed, label_schema=load_schema("mars")) == 3
    assert rows(uri) == [full(row, i) for i, row in enumerate(mixed)]
    manifest = Manifest.open(uri)
    assert manifest.label_schema == load_schema("mars")
    assert (manifest.num_rows, manifest.column_names) == (3, tuple(COLUMNS.names))
    assert manifest.pass_through == ("tracklet_id", "video_uri", "camera_id", "start_time", "split", "video_stream")
    assert manifest.schema == COLUMNS


def test_a_column_of_video_tracks_is_written_only_where_a_row_has_one(tmp_path: Path) -> None:
    uri = str(tmp_path / "m.parquet")
    write_manifest(uri, MIXED)
    assert Manifest.open(uri).column_names == tuple(name for name in COLUMNS.names if name != "video_stream")
    assert [row["video_stream"] for row in rows(uri)] == [None] * 3


def test_rows_come_out_clustered_by_video_in_row_groups(tmp_path: Path) -> None:
    uri = str(tmp_path / "m.parquet")
    mixed = [on_video(f"{i}", video_uri=f"/{'ba'[i % 2]}.mp4") for i in range(1200)]
    write_manifest(uri, mixed)
    assert [row["tracklet_id"] for row in rows(uri)] == [f"{i}" for i in (*range(1, 1200, 2), *range(0, 1200, 2))]
    metadata = pq.read_metadata(uri)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [600, 600]


def test_absent_columns_are_typed_nulls_and_further_ones_pass_through(tmp_path: Path) -> None:
    table = pa.table({"visible": [[1, 2]], "tracklet_id": ["a"], "image_uris": [["/1.jpg"]]})
    pq.write_table(table, tmp_path / "m.parquet")
    manifest = Manifest.open(str(tmp_path / "m.parquet"))
    assert manifest.column_names == ("visible", "tracklet_id", "image_uris")
    assert manifest.pass_through == ("visible", "tracklet_id")
    (batch,) = manifest.iter_batches()
    assert batch.schema.names == [*COLUMNS.names, "visible", "_row", "_defect"]
    assert [batch.schema.field(name).type for name in COLUMNS.names] == COLUMNS.types
    assert batch.to_pylist() == [full(on_images("a", "/1.jpg"), 0) | {"visible": [1, 2]}]


def test_the_columns_asked_for_come_in_that_order(tmp_path: Path) -> None:
    uri = write(tmp_path / "m.parquet", MIXED, zone=[1, 2, 3])
    assert rows(uri, ["zone", "split"])[1] == {"zone": 2, "split": "train", "_row": 1, "_defect": None}
    with pytest.raises(ManifestError, match="has no column 'zones'"):
        rows(uri, ["zones"])


# --- many files -------------------------------------------------------------------------------------------------------


def test_many_files_are_one_manifest_in_name_order(tmp_path: Path) -> None:
    for name, tracklet_id in [("b.parquet", "b"), ("a/2.parquet", "a2"), ("a/1.parquet", "a1"), ("B.parquet", "B")]:
        write(tmp_path / name, [on_video(tracklet_id)])
    for hidden in ("_c.parquet", ".d.parquet", "_tmp/e.parquet", "notes.txt"):
        path = tmp_path / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_text("not a manifest", encoding="utf-8")
    found = [(row["_row"], row["tracklet_id"]) for row in rows(str(tmp_path))]
    assert found == [(0, "B"), (1, "a1"), (2, "a2"), (3, "b")]
    assert [row["tracklet_id"] for row in rows(f"{tmp_path}/[ab].parquet")] == ["b"]
    assert [row["tracklet_id"] for row in rows(f"{tmp_path}/**/*.parquet")] == ["B", "a1", "a2", "b"]
    manifest = Manifest.open(str(tmp_path))
    assert manifest.where(2) == "row 2 (row 0 of a/2.parquet)"
    assert manifest.tracklet_id(2) == "a2"
    assert [(f.name, f.num_rows, f.first_row) for f in manifest.files][2] == ("a/2.parquet", 1, 2)
    assert manifest.files[0].size == (tmp_path / "B.parquet").stat().st_size


@pytest.mark.parametrize("way", [".data/../.data/m", ".data//m/", "./.data/m"])
def test_what_counts_does_not_hang_on_how_the_folder_is_spelt(way: str, tmp_path: Path) -> None:
    """Neither what it lies in, be it hidden or called as a column's value is."""
    write(tmp_path / ".data" / "m" / "camera=1" / "a.parquet", [on_video("a")])
    for place in (f"{tmp_path}/{way}", f"file://{tmp_path}/{way}"):
        manifest = Manifest.open(place)
        assert [(file.name, file.partition) for file in manifest.files] == [("camera=1/a.parquet", (("camera", "1"),))]


def test_files_may_differ_in_columns_and_types_that_agree(tmp_path: Path) -> None:
    narrow = pa.schema([("tracklet_id", pa.large_string()), ("image_uris", pa.large_list(pa.large_string()))])
    write(tmp_path / "1.parquet", [on_images("a", "/1.jpg")], narrow, zone=pa.array([7], pa.int32()))
    write(tmp_path / "2.parquet", [on_video("b")], zone=pa.array([1.5]), note=["x"])
    write(tmp_path / "3.parquet", [on_video("c")], zone=pa.nulls(1))
    found = rows(str(tmp_path), ["tracklet_id", "zone", "note", "frame_indices"])
    assert [tuple(row.values())[:4] for row in found] == [
        ("a", 7.0, None, None),
        ("b", 1.5, "x", [3, 7]),
        ("c", None, None, [3, 7]),
    ]


def test_files_that_contradict_each_other_are_both_named(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", [on_video("a")], zone=[1])
    write(tmp_path / "2.parquet", [on_video("b")], zone=["one"])
    with pytest.raises(ManifestError, match=r"'zone' is int64 in 1\.parquet and string in 2\.parquet"):
        Manifest.open(str(tmp_path))


def test_labels_of_different_schemas_are_not_one_manifest(tmp_path: Path) -> None:
    for name in ("mars", "duke", "mars2"):
        write_manifest(f"{tmp_path}/{name}.parquet", [on_video(name)], label_schema=load_schema(name.strip("2")))
    with pytest.raises(ManifestError, match=r"labels of .*duke\.parquet.* follow different attribute schemas"):
        _ = Manifest.open(str(tmp_path)).label_schema
    (tmp_path / "duke.parquet").unlink()
    write(tmp_path / "plain.parquet", [on_video("p")])
    assert Manifest.open(str(tmp_path)).label_schema == load_schema("mars")


def test_folders_named_by_a_column_give_that_column(tmp_path: Path) -> None:
    plain = pa.schema([field for field in COLUMNS if field.name != "camera_id"])
    write(tmp_path / "camera_id=gate%201/x.parquet", [on_video("a")], plain)
    write(tmp_path / "camera_id=__HIVE_DEFAULT_PARTITION__/x.parquet", [on_video("b")], plain)
    manifest = Manifest.open(str(tmp_path))
    assert "camera_id" in manifest.column_names
    assert {row["tracklet_id"]: row["camera_id"] for row in rows(str(tmp_path))} == {"a": "gate 1", "b": None}


@pytest.mark.parametrize("kind", ["text", "empty", "cut"])
def test_what_is_not_parquet_is_named(kind: str, tmp_path: Path) -> None:
    path = Path(write(tmp_path / "m.parquet", MIXED))
    path.write_bytes({"text": b"tracklet_id,video_uri\n", "empty": b"", "cut": path.read_bytes()[:-9]}[kind])
    with pytest.raises(ManifestError, match=r"m\.parquet: is not Parquet, or is damaged") as caught:
        Manifest.open(str(path))
    assert "\n" not in str(caught.value)


def test_damage_inside_a_file_is_an_error_of_the_manifest(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "m.parquet", [on_video(f"{i}") for i in range(2000)]))
    data = bytearray(path.read_bytes())
    data[4:400] = b"\xff" * 396
    path.write_bytes(data)
    with pytest.raises(ManifestError, match=r"m\.parquet: is not Parquet, or is damaged"):
        rows(str(path))


@pytest.mark.parametrize("pattern", ["nothing.parquet", "nothing-*.parquet", "empty"])
def test_what_is_not_there_is_said(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match=r"there is no such file or folder|no Parquet files there"):
        Manifest.open(str(tmp_path / pattern))


# --- URIs -------------------------------------------------------------------------------------------------------------


def test_relative_uris_are_taken_from_the_manifests_folder(tmp_path: Path) -> None:
    found = [on_video("a", video_uri="v/a.mp4"), on_video("b", video_uri=None), on_images("c", "1.jpg", None, "/2.jpg")]
    write(tmp_path / "one/m.parquet", found)
    for uri in (f"{tmp_path}/one/m.parquet", f"{tmp_path}/one", f"{tmp_path}/one/*.parquet"):
        read = rows(uri)
        assert [row["video_uri"] for row in read] == [f"{tmp_path}/one/v/a.mp4", None, None]
        assert read[2]["image_uris"] == [f"{tmp_path}/one/1.jpg", None, "/2.jpg"]
    assert rows(f"{tmp_path}/*/m.parquet")[0]["video_uri"] == f"{tmp_path}/v/a.mp4"


def test_a_relative_manifest_resolves_to_absolute_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m.parquet", [on_video("a", video_uri="a.mp4")])
    monkeypatch.chdir(tmp_path)
    assert rows("m.parquet")[0]["video_uri"] == str(tmp_path / "a.mp4")


def test_s3_holds_manifests_as_folders_files_and_patterns(s3: Callable[[], str]) -> None:
    bucket = s3()
    write_manifest(f"{bucket}/m/2.parquet", [on_video("b", video_uri="b.mp4")])
    write_manifest(f"{bucket}/m/1.parquet", [on_video("a", video_uri="a.mp4")])
    storage.write_bytes(f"{bucket}/m/_tmp/3.parquet", b"unfinished")
    for uri in (f"{bucket}/m", f"{bucket}/m/", f"{bucket}/m/*.parquet"):
        assert [row["video_uri"] for row in rows(uri)] == [f"{bucket}/m/a.mp4", f"{bucket}/m/b.mp4"]
    one = Manifest.open(f"{bucket}/m/2.parquet")
    assert [row["tracklet_id"] for batch in one.iter_batches() for row in batch.to_pylist()] == ["b"]
    with pytest.raises(ManifestError, match="there is no such file or folder"):
        Manifest.open(f"{bucket}/m/4.parquet")


# --- types ------------------------------------------------------------------------------------------------------------

FLOAT_BOXES = [[box(1.5, 2.0, 30.0, 60.25), box(4.0, 2.0, 30.0, 60.0)], None]


def test_polars_output_is_read_in_the_manifests_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "tracklet_id": pl.Series(["a", "b"], dtype=pl.Categorical),
            "video_uri": ["/a.mp4", None],
            "image_uris": [None, ["/1.jpg"]],
            "frame_indices": pl.Series([[3, 7], None], dtype=pl.List(pl.Int64)),
            "boxes": pl.Series(FLOAT_BOXES),
            "camera_id": pl.Series(["north", None], dtype=pl.Enum(["north"])),
            "start_time": pl.Series([NOON.replace(tzinfo=None), None], dtype=pl.Datetime("us")),
            "labels": pl.Series([[1, -1], [0, 0]], dtype=pl.Array(pl.Int64, 2)),
            "zone": pl.Series(["x", "y"], dtype=pl.Categorical),
        }
    )
    frame.write_parquet(tmp_path / "m.parquet")
    a = on_video("a", video_uri="/a.mp4", labels=[1, -1], split=None)
    b = on_images("b", "/1.jpg", labels=[0, 0])
    assert rows(str(tmp_path / "m.parquet")) == [full(a, 0) | {"zone": "x"}, full(b, 1) | {"zone": "y"}]


def test_pandas_output_is_read_in_the_manifests_types(tmp_path: Path) -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=2)))
    frame = pd.DataFrame(
        {
            "tracklet_id": ["a", "b"],
            "video_uri": pd.Series(["/a.mp4", None], dtype="category"),
            "image_uris": [None, ["/1.jpg"]],
            "frame_indices": [[3.0, 7.0], None],
            "boxes": FLOAT_BOXES,
            "camera_id": ["north", None],
            "start_time": pd.to_datetime([berlin, None]),
            "split": [None, None],
            "zone": [1.5, float("nan")],
        }
    )
    frame.to_parquet(tmp_path / "m.parquet")
    a, b = rows(str(tmp_path / "m.parquet"))
    assert a == full(on_video("a", video_uri="/a.mp4", split=None), 0) | {"zone": 1.5}
    assert b == full(on_images("b", "/1.jpg"), 1) | {"zone": None}


# --- the whole --------------------------------------------------------------------------------------------------------


def test_batches_are_bounded_and_keep_counting(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write(tmp_path / f"{name}.parquet", [on_video(f"{name}-{i}") for i in range(25)])
    batches = list(Manifest.open(str(tmp_path)).iter_batches(["tracklet_id"], rows_per_batch=10))
    assert [batch.num_rows for batch in batches] == [10, 10, 5, 10, 10, 5]
    assert [row for batch in batches for row in batch["_row"].to_pylist()] == list(range(50))


def test_wide_rows_make_small_batches(tmp_path: Path) -> None:
    huge = [on_images(f"{i}", *(f"/crops/{i}-{k}-{'x' * 400}.jpg" for k in range(20_000))) for i in range(12)]
    path = write(tmp_path / "m.parquet", huge)
    assert max(batch.num_rows for batch in Manifest.open(path).iter_batches()) < 12


def test_the_fingerprint_follows_the_content_alone(tmp_path: Path) -> None:
    first = write(tmp_path / "one/m.parquet", MIXED)
    again = write(tmp_path / "two/renamed.parquet", MIXED)
    changed = write(tmp_path / "three/m.parquet", [on_video("a", frame_indices=[3, 8]), *MIXED[1:]])
    fingerprints = [Manifest.open(uri).content_fingerprint() for uri in (first, again, changed)]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert len(fingerprints[0]) == 64
    write(tmp_path / "one/n.parquet", MIXED)
    assert Manifest.open(str(tmp_path / "one")).content_fingerprint() != fingerprints[0]


def test_manifests_travel_between_processes(tmp_path: Path) -> None:
    manifest = Manifest.open(write(tmp_path / "m.parquet", MIXED))
    assert pickle.loads(pickle.dumps(manifest)) == manifest


@pytest.mark.parametrize("columns", [["tracklet_id"], ["camera_id"]])
@pytest.mark.parametrize("where", [(0, 0), (0, 12), (3, 5), (4, 8), (5, 11), (11, 12), (2, 10**6)])
def test_some_rows_are_read_from_the_files_and_row_groups_that_hold_them(
    where: tuple[int, int], columns: list[str], tmp_path: Path
) -> None:
    for number, count in enumerate((4, 0, 8)):
        ids = [f"{number}-{i}" for i in range(count)]
        table = pa.table({"tracklet_id": pa.array(ids, pa.string()), "image_uris": [["/1.jpg"]] * count})
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=3)
    manifest = Manifest.open(str(tmp_path))
    everything = [row for batch in manifest.iter_batches(columns, 2) for row in batch.to_pylist()]
    found = [row for batch in manifest.iter_batches(columns, 2, rows=where) for row in batch.to_pylist()]
    assert found == everything[slice(*where)]
    assert [row["_row"] for row in everything] == list(range(12))
