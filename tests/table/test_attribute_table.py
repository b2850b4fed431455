"""The table's files together: what is in them, and in which types more may be added. tests/table/test_row_range.py and
tests/inference/test_kinds.py write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.errors import OutputError
from par_model.table.attribute_table import AttributeTable

SCHEMA = pa.schema(
    [("tracklet_id", pa.string()), ("error", pa.string()), ("seen", pa.timestamp("ns")), ("day", pa.int32())]
)
STORED = SCHEMA.remove(3).set(2, pa.field("seen", pa.timestamp("us")))


def table(folder: Path, files: dict[str, list[tuple[str, str | None]]], **more: Any) -> AttributeTable:
    """Of files in folders of a day, each with ids and errors."""
    uris = []
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = [{"tracklet_id": tracklet_id, "error": error} for tracklet_id, error in rows]
        pq.write_table(pa.Table.from_pylist(values, STORED), path)
        uris.append(str(path))
    return AttributeTable(str(folder), SCHEMA, ("day",), tuple(uris), **more)


FILES: dict[str, list[tuple[str, str | None]]] = {
    "day=1/part-0.parquet": [("a", None), ("b", "video-timeout")],
    "day=2/part-1.parquet": [("c", "video-damaged"), ("d", "video-timeout"), ("e", None)],
}


def test_rows_are_read_in_the_files_order_with_what_their_folders_say(tmp_path: Path) -> None:
    of = replace(table(tmp_path, FILES), schema=STORED.append(SCHEMA.field("day")))
    found = pa.Table.from_batches(of.batches(["day", "tracklet_id"])).to_pylist()
    assert [(row["day"], row["tracklet_id"]) for row in found] == [(1, "a"), (1, "b"), (2, "c"), (2, "d"), (2, "e")]
    assert of.ids().to_pylist() == ["a", "b", "c", "d", "e"]
    assert of.ids(failed_only=True).to_pylist() == ["b", "c", "d"]
    assert replace(of, files=()).ids().to_pylist() == []


def test_rows_are_counted_by_status_and_error_or_there_are_too_few(tmp_path: Path) -> None:
    of = table(tmp_path, FILES)
    assert of.counts(5) == {
        "tracklets": 5,
        "status": {"ok": 2, "failed": 3},
        "error": {"video-damaged": 1, "video-timeout": 2},
    }
    with pytest.raises(OutputError, match="has 5 rows for 6 tracklets: run the same command again"):
        of.counts(6)


def test_a_column_has_the_type_of_the_files_where_these_hold_the_same_values(tmp_path: Path) -> None:
    of = table(tmp_path, FILES)
    assert of.as_stored("out").schema.field("seen").type == pa.timestamp("us")
    other = replace(of, schema=SCHEMA.set(1, pa.field("error", pa.int64())))
    with pytest.raises(OutputError, match="its files have the column error as string, which is int64 now"):
        other.as_stored("out")


@pytest.mark.parametrize(
    ("name", "advice"),
    [("room", "leave it out, or give another --output"), ("video_stream", "give another --output")],
)
def test_a_column_that_says_what_is_read_is_not_to_be_left_out(name: str, advice: str, tmp_path: Path) -> None:
    of = replace(table(tmp_path, FILES), schema=SCHEMA.append(pa.field(name, pa.int32())))
    with pytest.raises(OutputError) as caught:
        of.as_stored("out")
    assert str(caught.value).endswith(f"the column {name} of the manifest is in none of those that are there: {advice}")


def test_times_are_to_the_microsecond_unless_that_loses_some(tmp_path: Path) -> None:
    new = AttributeTable(str(tmp_path), SCHEMA, ())
    assert new.with_times((), "out").schema.field("seen").type == pa.timestamp("us")
    assert new.with_times(("seen",), "out").schema.field("seen").type == pa.timestamp("ns")
    stored = table(tmp_path, FILES).as_stored("out")
    assert stored.with_times((), "out") == stored
    with pytest.raises(OutputError, match=r"the column seen as timestamp\[us\], and the manifest has times in it"):
        stored.with_times(("seen",), "out")
