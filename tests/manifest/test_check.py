"""Every defect is found with its row; the job refuses what is ambiguous and turns other bad rows into failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.errors import FailureCode, ManifestError
from par_model.manifest import Manifest, refuse_ambiguous
from par_model.manifest.check import check
from par_model.manifest.duplicates import duplicate_ids
from par_model.manifest.schema import COLUMNS
from par_model.types import Failure, Tracklet
from tests.manifest.examples import box, converted, defects, on_images, on_video, write

NAN = float("nan")

# A change to a sound row, and the codes that `check` gives it.
ROW_DEFECTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"video_uri": None}, ["no-source"]),
    ({"frame_indices": None}, ["no-source"]),
    ({"video_uri": None, "frame_indices": None}, ["no-source"]),
    ({"video_uri": ""}, ["empty-uri"]),
    ({"image_uris": ["/1.jpg"]}, ["two-sources", "boxes-on-images"]),
    ({"frame_indices": [], "boxes": []}, ["no-frames"]),
    ({"frame_indices": [3, None]}, ["null-index"]),
    ({"frame_indices": [-3, 7]}, ["negative-index"]),
    ({"frame_indices": [7, 7]}, ["indices-not-increasing"]),
    ({"frame_indices": [7, -1]}, ["negative-index", "indices-not-increasing"]),
    ({"frame_indices": [3, 7, 9]}, ["lengths-differ"]),
    ({"boxes": []}, ["lengths-differ"]),
    ({"boxes": [box(0, 0, 1, 1), box(0, NAN, 1, 1)]}, ["box-not-finite"]),
    ({"boxes": [box(0, 0, 1, 1), None]}, ["box-not-finite"]),
    ({"boxes": [box(0, 0, 0, 1), box(0, 0, 1, -1)]}, ["box-empty"]),
    ({"video_stream": -1}, ["negative-stream"]),
    (
        {"boxes": [box(0, 0, 0, 1), box(0, 0, NAN, 1), box(0, 0, 1, 1)]},
        ["lengths-differ", "box-not-finite", "box-empty"],
    ),
]
IMAGE_DEFECTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"image_uris": []}, ["no-images"]),
    ({"image_uris": ["/1.jpg", "", None]}, ["empty-uri"]),
    ({"video_uri": "/a.mp4"}, ["two-sources"]),
    ({"boxes": [box(0, 0, 1, 1)]}, ["boxes-on-images"]),
]
BROKEN_ROWS = [(on_video("t") | change, codes) for change, codes in ROW_DEFECTS]
BROKEN_ROWS += [(on_images("t", "/1.jpg") | change, codes) for change, codes in IMAGE_DEFECTS]


@pytest.mark.parametrize(("row", "codes"), BROKEN_ROWS)
def test_each_defect_has_its_code_and_makes_its_row_a_failure(
    row: dict[str, Any], codes: list[str], tmp_path: Path
) -> None:
    uri = write(tmp_path / "m.parquet", [on_video("sound"), row, on_images("stills", "/2.jpg")])
    assert defects(uri) == [(1, "t", code) for code in codes]
    sound, failure, stills = converted(uri)
    assert isinstance(sound, Tracklet)
    assert isinstance(stills, Tracklet)
    assert isinstance(failure, Failure)
    assert (failure.row, failure.tracklet_id, failure.code) == (1, "t", FailureCode.INVALID_TRACKLET)
    told = row["frame_indices"] if row.get("frame_indices") is not None else row.get("image_uris")
    assert failure.num_frames == (0 if told is None else len(told))
    refuse_ambiguous(Manifest.open(uri), load_schema("mars"))


# --- ids --------------------------------------------------------------------------------------------------------------


def test_null_empty_and_repeated_ids_are_defects_of_their_rows(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", [on_video("a"), on_video(None), on_video("b")])
    write(tmp_path / "2.parquet", [on_video(""), on_video("a"), on_video("b"), on_video("a"), on_video(None)])
    assert defects(str(tmp_path)) == [
        (1, None, "null-id"),
        (3, "", "empty-id"),
        (4, "a", "duplicate-id"),
        (5, "b", "duplicate-id"),
        (6, "a", "duplicate-id"),
        (7, None, "null-id"),
    ]
    messages = [d.message for d in check(Manifest.open(str(tmp_path)), None)]
    assert messages[2] == "tracklet_id is already that of row 0 (row 0 of 1.parquet)"


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("absent", "missing"),
    [
        ({"tracklet_id"}, ["tracklet_id"]),
        ({"frame_indices", "image_uris"}, ["frame_indices"]),
        ({"video_uri", "frame_indices", "image_uris"}, ["video_uri", "frame_indices"]),
    ],
)
def test_a_required_column_that_is_missing_is_said_once_and_refused(
    absent: set[str], missing: list[str], tmp_path: Path
) -> None:
    schema = pa.schema([field for field in COLUMNS if field.name not in absent])
    uri = write(tmp_path / "m.parquet", [on_video("a"), on_video("b")], schema)
    found = list(check(Manifest.open(uri), None))
    assert [(d.row, d.code.value) for d in found] == [(0, "missing-column")] * len(missing)
    assert [d.message for d in found] == [f"m.parquet has no column {name}, which is required" for name in missing]
    with pytest.raises(ManifestError, match=rf"column {missing[0]} is missing"):
        refuse_ambiguous(Manifest.open(uri), None)


def test_a_wrong_type_is_said_once_a_file_and_refused_where_required(tmp_path: Path) -> None:
    wrong = COLUMNS.set(3, pa.field("frame_indices", pa.list_(pa.string())))
    write(tmp_path / "1.parquet", [on_video("a")])
    write(tmp_path / "2.parquet", [on_video(i, frame_indices=["3", "7"]) for i in "bc"], wrong)
    found = list(check(Manifest.open(str(tmp_path)), None))
    assert [(d.row, d.tracklet_id, d.code.value) for d in found] == [(1, "b", "wrong-type")]
    assert "column has type list<" in found[0].message
    assert "expected list<item: int32> (all rows of 2.parquet)" in found[0].message
    with pytest.raises(ManifestError, match=r"2\.parquet: frame_indices: column has type list<"):
        refuse_ambiguous(Manifest.open(str(tmp_path)), None)


def test_an_optional_column_of_a_wrong_type_fails_rows_not_the_job(tmp_path: Path) -> None:
    schema = pa.schema([field if field.name != "boxes" else pa.field("boxes", pa.string()) for field in COLUMNS])
    uri = write(tmp_path / "m.parquet", [on_video("a", boxes="1,2,3,4"), on_video("b", boxes=None)], schema)
    assert defects(uri) == [(0, "a", "wrong-type")]
    refuse_ambiguous(Manifest.open(uri), None)
    a, b = converted(uri)
    assert isinstance(a, Failure)
    assert a.message.startswith("boxes: column has type string, expected list<")
    assert isinstance(b, Tracklet)


def test_a_value_that_does_not_fit_is_its_rows_defect(tmp_path: Path) -> None:
    wide = COLUMNS.set(3, pa.field("frame_indices", pa.list_(pa.int64())))
    uri = write(tmp_path / "m.parquet", [on_video("a"), on_video("b", frame_indices=[1, 3_000_000_000])], wide)
    assert defects(uri) == [(1, "b", "value-does-not-fit")]
    _, b = converted(uri)
    assert isinstance(b, Failure)
    assert b.num_frames == 2
    assert "3000000000" in b.message


# --- splits and labels ------------------------------------------------------------------------------------------------


def test_splits_and_labels_are_checked_against_what_exists(tmp_path: Path) -> None:
    good = [1, 0, -1] + [0] * 40
    uri = write(
        tmp_path / "m.parquet",
        [
            on_video("a", labels=good),
            on_video("b", labels=good[:-1]),
            on_video("c", labels=[2, None, *good[2:]]),
            on_video("d", split="training"),
        ],
    )
    expected = [(1, "b", "labels-length"), (2, "c", "label-value"), (3, "d", "unknown-split")]
    assert defects(uri, "mars") == expected
    assert defects(uri) == expected
    assert [code for _, _, code in defects(uri, "duke")].count("labels-length") == 3
    messages = [d.message for d in check(Manifest.open(uri), load_schema("mars"))]
    assert messages == [
        "labels has 42 values, but schema mars has 43",
        "label 0 is 2, expected 1, 0 or -1 (and 1 more)",
        "split is 'training', expected one of train, val, test",
    ]
    assert all(isinstance(t, Tracklet) for t in converted(uri))  # labels and splits are nothing to recognition


def test_every_defect_of_a_row_is_told(tmp_path: Path) -> None:
    worst = on_video("", frame_indices=[5, 4], boxes=[box(0, 0, 0, 0)], split="x", labels=[9])
    uri = write(tmp_path / "m.parquet", [worst])
    assert [code for _, _, code in defects(uri, "mars")] == [
        "empty-id",
        "indices-not-increasing",
        "lengths-differ",
        "box-empty",
        "unknown-split",
        "labels-length",
        "label-value",
    ]


@pytest.mark.slow
def test_a_million_rows_are_checked_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    rows = 1_000_000
    with pq.ParquetWriter(
        path, pa.schema([("tracklet_id", pa.string()), ("image_uris", pa.list_(pa.string()))])
    ) as out:
        for start in range(0, rows, 50_000):
            ids = [f"t{i}" for i in range(start, start + 50_000)]
            if start:
                ids[7] = "t0"
            out.write_table(pa.table({"tracklet_id": ids, "image_uris": [["/1.jpg"]] * 50_000}))
    pa.default_memory_pool().release_unused()
    before = pa.total_allocated_bytes()
    found = list(duplicate_ids(Manifest.open(str(path)).iter_batches(["tracklet_id"])))
    assert found == [(start + 7, 0, "t0") for start in range(50_000, rows, 50_000)]
    assert pa.default_memory_pool().max_memory() - before < 300 << 20
