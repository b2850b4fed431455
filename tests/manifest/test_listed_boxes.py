"""Boxes that are lists of four become x, y, w, h, and nothing else of a manifest changes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.attributes import load_schema
from par_model.errors import ManifestError, UsageError
from par_model.manifest import Manifest, write_manifest
from par_model.manifest.check import check
from par_model.manifest.listed_boxes import Converted, convert, struct_boxes
from par_model.manifest.schema import COLUMNS, SCHEMA_METADATA
from tests.manifest.examples import NOON, box, on_images, on_video, write

WITHOUT_BOXES = pa.schema([field for field in COLUMNS if field.name != "boxes"])
CORNERS = [[[1.5, 2.0, 31.5, 62.25], [4.0, 2.0, 34.0, 62.0]], None]
SIDES = [[[1.5, 2.0, 30.0, 60.25], [4.0, 2.0, 30.0, 60.0]], None]
BOXES = [[box(1.5, 2.0, 30.0, 60.25), box(4.0, 2.0, 30.0, 60.0)], None]


def write_listed(path: Path, boxes: Any, **columns: Any) -> str:
    rows = [on_video("a", video_uri="v/a.mp4"), on_images("b", "1.jpg", "/2.jpg")][: len(boxes)]
    return write(path, rows, WITHOUT_BOXES, boxes=boxes, **columns)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.list_(pa.float64(), 4)),
        pa.list_(pa.list_(pa.float32())),
        pa.large_list(pa.large_list(pa.float64())),
        pa.large_list(pa.list_(pa.float32(), 4)),
        pa.list_view(pa.list_view(pa.float32())),
        pa.list_(pa.list_(pa.decimal128(9, 2))),
    ],
    ids=str,
)
@pytest.mark.parametrize("box_format", ["xywh", "xyxy"])
def test_lists_of_any_kind_become_the_manifests_boxes(kind: pa.DataType, box_format: Any, tmp_path: Path) -> None:
    boxes: Any = SIDES if box_format == "xywh" else CORNERS
    if pa.types.is_list(kind) and pa.types.is_decimal(kind.value_type.value_type):
        boxes = [row and [[Decimal(str(side)) for side in one] for one in row] for row in boxes]
    uri = write_listed(tmp_path / "in" / "m.parquet", pa.array(boxes, kind))
    (defect,) = check(Manifest.open(uri), None)
    assert defect.code.value == "wrong-type"
    assert defect.message.endswith("(or xyxy) makes it of lists of four (all rows of m.parquet)")
    output = str(tmp_path / "out.parquet")
    assert convert(uri, output, box_format) == Converted(rows=2, boxes=2, empty=0)
    assert pq.read_table(output)["boxes"].to_pylist() == BOXES
    assert list(check(Manifest.open(output), None)) == []


def test_whole_numbers_are_taken(tmp_path: Path) -> None:
    uri = write_listed(
        tmp_path / "m.parquet", pa.array([[[1, 2, 4, 6], [0, 0, 9, 9]], []], pa.list_(pa.list_(pa.int64())))
    )
    convert(uri, str(tmp_path / "out"), "xyxy")
    assert pq.read_table(tmp_path / "out")["boxes"].to_pylist() == [[box(1, 2, 3, 4), box(0, 0, 9, 9)], []]


def test_all_other_columns_stay_and_addresses_become_absolute(tmp_path: Path) -> None:
    more = {"zone": pa.array([7, None], pa.int16()), "seen": pa.array([NOON, None], pa.timestamp("ns", "UTC"))}
    uri = write_listed(tmp_path / "in" / "m.parquet", pa.array(CORNERS), **more)
    table = pq.read_table(uri).replace_schema_metadata({SCHEMA_METADATA: load_schema("mars").to_toml()})
    pq.write_table(table, uri)
    output = str(tmp_path / "out" / "m.parquet")
    convert(uri, output, "xyxy")
    found = pq.read_table(output)
    assert found.column_names == table.column_names
    expected = table.to_pydict() | {"boxes": BOXES}
    expected["video_uri"] = [f"{tmp_path}/in/v/a.mp4", None]
    expected["image_uris"] = [None, [f"{tmp_path}/in/1.jpg", "/2.jpg"]]
    assert found.to_pydict() == expected
    assert [found.schema.field(name).type for name in more] == [values.type for values in more.values()]
    assert Manifest.open(output).label_schema == load_schema("mars")


def test_many_files_become_one_in_name_order(tmp_path: Path) -> None:
    for name, kind in (("2", pa.float32()), ("1", pa.int32())):
        row = [on_video(f"t{name}", frame_indices=[int(name)])]
        listed = pa.array([[[0, 0, int(name), 5]]], pa.list_(pa.list_(kind)))
        write(tmp_path / "in" / f"{name}.parquet", row, WITHOUT_BOXES, boxes=listed)
    write(tmp_path / "in" / "3.parquet", [on_video("t3")], WITHOUT_BOXES)
    assert convert(str(tmp_path / "in"), str(tmp_path / "out"), "xywh").rows == 3
    found = pq.read_table(tmp_path / "out").select(["tracklet_id", "boxes"]).to_pylist()
    assert found == [
        {"tracklet_id": "t1", "boxes": [box(0, 0, 1, 5)]},
        {"tracklet_id": "t2", "boxes": [box(0, 0, 2, 5)]},
        {"tracklet_id": "t3", "boxes": None},
    ]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[[1.0, 2, 3, 4], [1.0, 2, 3]], None], r"row 0: boxes: box 1 has 3 numbers, expected 4; nothing was written"),
        ([None, [[1.0, 2, 3, 4, 0.9]]], r"row 1: boxes: box 0 has 5 numbers, expected 4"),
        ([[1.0, 2.0], None], r"boxes of m\.parquet have type list<.*>, no lists of four numbers: write lists"),
        ([[["1", "2", "3", "4"]], None], r"boxes of m\.parquet have type .*no lists of four numbers"),
        (BOXES, r"no lists of four numbers: such boxes are not converted"),
        (pa.nulls(2), "has no boxes to convert"),
    ],
)
def test_what_are_no_lists_of_four_is_refused_with_its_place(boxes: Any, message: str, tmp_path: Path) -> None:
    uri = write_listed(tmp_path / "m.parquet", boxes)
    with pytest.raises(ManifestError, match=message):
        convert(uri, str(tmp_path / "out.parquet"), "xywh")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.parquet"]


def test_a_value_that_would_be_lost_is_refused(tmp_path: Path) -> None:
    wide = WITHOUT_BOXES.set(3, pa.field("frame_indices", pa.list_(pa.int64())))
    row = on_video("a", frame_indices=[1, 3_000_000_000])
    uri = write(tmp_path / "m.parquet", [row], wide, boxes=[SIDES[0]])
    with pytest.raises(ManifestError, match=r"row 0: frame_indices: does not fit .*; nothing was written"):
        convert(uri, str(tmp_path / "out.parquet"), "xywh")


def test_an_output_among_the_manifests_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_listed(tmp_path / "in" / "m.parquet", SIDES)
    with pytest.raises(UsageError, match="would then have every row twice"):
        convert(str(tmp_path / "in"), str(tmp_path / "in" / "new.parquet"), "xywh")
    for uri, output in (("in/", f"file://{tmp_path}/in/new.parquet"), (f"file://{tmp_path}/in", "in/new.parquet")):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError, match="would then have every row twice"):
            convert(uri, output, "xywh")
    for name in ("m.parquet", "new.parquet"):
        with pytest.raises(UsageError, match="is a file of the manifest's pattern, which would then have rows twice"):
            convert("in/*.parquet", f"in/{name}", "xywh")
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["m.parquet"]
    convert(str(tmp_path / "in" / "m.parquet"), str(tmp_path / "in" / "m.parquet"), "xywh")
    assert Manifest.open(str(tmp_path / "in")).schema.field("boxes").type == COLUMNS.field("boxes").type


def test_a_manifest_that_is_right_already_is_left_alone(tmp_path: Path) -> None:
    write_manifest(str(tmp_path / "m.parquet"), [on_video("a")])
    with pytest.raises(ManifestError, match="such boxes are not converted"):
        convert(str(tmp_path / "m.parquet"), str(tmp_path / "out.parquet"), "xywh")


@pytest.mark.filterwarnings("error")
def test_sides_that_are_not_finite_are_left_to_check(tmp_path: Path) -> None:
    uri = write_listed(tmp_path / "m.parquet", [[[float("inf"), 0.0, float("inf"), 5.0], [0.0, 0.0, 1e300, 9.0]], None])
    convert(uri, str(tmp_path / "out.parquet"), "xyxy")
    (defect,) = check(Manifest.open(str(tmp_path / "out.parquet")), None)
    assert (defect.row, defect.code.value) == (0, "box-not-finite")


SIDE = st.none() | st.integers(-500, 5000) | st.floats(-500, 5000, width=32)
ONE = st.none() | st.lists(SIDE, min_size=4, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.lists(ONE, max_size=4), max_size=6), st.sampled_from(["xywh", "xyxy"]), st.integers(0, 3)
)
def test_each_box_is_that_of_its_list(rows: list[Any], box_format: Any, start: int) -> None:
    stored = pa.array(rows, pa.list_(pa.list_(pa.float64()))).slice(start)
    found, reasons = struct_boxes(stored, box_format)
    assert reasons == [None] * len(stored)

    def expected(sides: list[float | None] | None) -> dict[str, float | None] | None:
        if sides is None:
            return None
        x, y, w, h = sides
        if box_format == "xyxy":
            w = None if w is None or x is None else w - x
            h = None if h is None or y is None else h - y
        return {n: None if v is None else float(np.float32(v)) for n, v in zip("xywh", (x, y, w, h), strict=True)}

    assert found.to_pylist() == [None if row is None else [expected(one) for one in row] for row in rows[start:]]
