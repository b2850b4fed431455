import gc
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from par_model.errors import OutputError
from par_model.table import writer
from par_model.table.layout import sorted_by
from par_model.table.writer import NULL_FOLDER, TableWriter, folder_value

SCHEMA = pa.schema([("id", pa.int64()), ("camera", pa.string()), ("day", pa.int32())])


def table(*rows: tuple[int, str | None, int | None]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def test_rows_come_out_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    with TableWriter(str(tmp_path), SCHEMA) as out:
        out.write(table((3, "a", 1), (1, "b", 2)))
        out.write(table((2, None, None)))
    assert out.files == [str(tmp_path / "part-00000.parquet")]
    assert pq.read_table(tmp_path / "part-00000.parquet") == table((3, "a", 1), (1, "b", 2), (2, None, None))


def test_files_are_closed_at_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FILE_BYTES", 1000)
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 20)
    with TableWriter(str(tmp_path), SCHEMA) as out:
        for start in range(0, 300, 10):
            out.write(table(*((i, "camera", i) for i in range(start, start + 10))))
    assert sorted(str(p) for p in tmp_path.iterdir()) == out.files
    assert len(out.files) > 3
    assert pq.ParquetFile(out.files[0]).num_row_groups > 1
    assert pq.read_table(out.files)["id"].to_pylist() == list(range(300))


def test_rows_are_sorted_within_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(i, (None, "b", "a")[i % 3], (i * 7) % 5 or None) for i in range(60)]
    monkeypatch.setattr(writer, "FILE_BYTES", table(*rows[:30]).nbytes)
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 7)
    with TableWriter(str(tmp_path), SCHEMA, sort_by=("camera", "day")) as out:
        for start in range(0, 60, 10):
            out.write(table(*rows[start : start + 10]))
    assert len(out.files) == 2
    for file, half in zip(out.files, (rows[:30], rows[30:]), strict=True):
        keys = [(camera is None, camera or "", day is None, day or 0, i) for i, camera, day in half]
        assert pq.read_table(file)["id"].to_pylist() == [key[-1] for key in sorted(keys)]
        parquet = pq.ParquetFile(file)
        assert [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)] == [6] * 5
        assert sorted_by(parquet) == ("camera", "day")


def test_folders_are_sorted_each_by_itself(tmp_path: Path) -> None:
    rows = [(1, "b", 9), (2, "a", 5), (3, "b", 3), (4, "a", None), (5, "a", 4)]
    with TableWriter(str(tmp_path), SCHEMA, ["camera"], sort_by=("day",)) as out:
        out.write(table(*rows))
    assert [pq.ParquetFile(file).read()["id"].to_pylist() for file in out.files] == [[5, 2, 4], [3, 1]]


def test_a_file_is_replaced_in_the_layout_that_it_had(tmp_path: Path) -> None:
    schema = pa.schema(
        [("places", pa.list_(pa.struct([("x", pa.int8()), ("y", pa.int8())]))), ("tracklet_id", pa.string())]
    )
    rows = pa.Table.from_pylist([{"places": None, "tracklet_id": "b"}, {"places": [], "tracklet_id": "a"}], schema)
    with TableWriter(str(tmp_path), schema, sort_by=("tracklet_id",)) as out:
        out.write(rows)
    (uri,) = out.files
    with pq.ParquetFile(uri) as old:
        before, read = old.metadata.row_group(0), old.read()
        with writer.replacing(old, uri) as new:
            new.write_table(read)
    with pq.ParquetFile(uri) as again:
        assert again.read() == read == rows.take([1, 0])
        assert sorted_by(again) == ("tracklet_id",)
        assert again.metadata.row_group(0).column(2).bloom_filter_length == before.column(2).bloom_filter_length


def test_who_is_refused_while_it_ends_leaves_no_file_and_says_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)
    asked: list[int] = []

    def before() -> None:
        asked.append(0)
        if len(asked) > 3:  # three files are begun
            raise OutputError("another job has it")

    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 1)  # all are open when the end comes
    with pytest.raises(OutputError, match="another job"), TableWriter(str(tmp_path), SCHEMA, ["camera"], before) as out:
        out.write(table((1, "a", 1), (2, "b", 1), (3, "c", 1)))
    del out
    gc.collect()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert unraised == []


def test_hive_folders_that_duckdb_and_arrow_read_back(tmp_path: Path) -> None:
    rows = table((1, "a/b c", 1), (2, None, 1), (3, "a/b c", 2), (4, "ü=%", None), (5, "a/b c", 1))
    with TableWriter(str(tmp_path), SCHEMA, ["camera", "day"]) as out:
        out.write(rows)
    folders = {str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet")}
    assert folders == {
        "camera=a%2Fb%20c/day=1",
        f"camera={NULL_FOLDER}/day=1",
        "camera=a%2Fb%20c/day=2",
        f"camera=%C3%BC%3D%25/day={NULL_FOLDER}",
    }
    partitioning = ds.partitioning(pa.schema([SCHEMA.field("camera"), SCHEMA.field("day")]), flavor="hive")
    arrow = ds.dataset(tmp_path, partitioning=partitioning).to_table().select(SCHEMA.names).sort_by("id")
    assert arrow.to_pylist() == rows.to_pylist()
    duck = duckdb.sql(
        f"SELECT id, camera, day FROM read_parquet('{tmp_path}/**/*.parquet', hive_partitioning = true, "
        "hive_types = {'camera': VARCHAR, 'day': INT}) ORDER BY id"
    ).fetchall()
    assert duck == [tuple(row.values()) for row in rows.to_pylist()]


def test_many_partitions_are_flushed_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_BUFFERED_BYTES", 2000)
    monkeypatch.setattr(writer, "_OPEN_FILES", 4)
    with TableWriter(str(tmp_path), SCHEMA, ["camera"]) as out:
        for i in range(200):
            out.write(table((i, f"c{i % 50}", i)))
        assert len(list(tmp_path.rglob("_partial-*"))) == 4
    assert sorted(pq.read_table(out.files, partitioning=None)["id"].to_pylist()) == list(range(200))


def test_what_ends_with_an_error_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 1)
    out = TableWriter(str(tmp_path), SCHEMA, ["camera"])
    with pytest.raises(KeyboardInterrupt):
        interrupted(out)
    assert len(out.files) == 2
    assert [*tmp_path.rglob("*.parquet"), *tmp_path.rglob("_partial*")] == []


def interrupted(out: TableWriter) -> None:
    with out:
        out.write(table((1, "a", 1), (2, "b", 2)))
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        *[(None, NULL_FOLDER), (True, "true"), (7, "7"), ("", ""), ("a b", "a%20b"), ("..", ".."), ("x\n", "x%0A")],
        (datetime(2026, 5, 1, 8, tzinfo=UTC), "2026-05-01%2008%3A00%3A00%2B00%3A00"),
        (datetime(2026, 5, 1, 8, 0, 0, 250_000, UTC), "2026-05-01%2008%3A00%3A00.250%2B00%3A00"),
        (datetime(2026, 5, 1, 8, 0, 0, 250_100), "2026-05-01%2008%3A00%3A00.250100"),
    ],
)
def test_folder_values(value: object, folder: str) -> None:
    assert folder_value(value) == folder
