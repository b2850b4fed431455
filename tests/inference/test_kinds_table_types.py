"""Further columns come into the table in types that engines take, or a line before the work says which do not."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.errors import OutputError, UsageError
from par_model.inference.job import run_inference
from par_model.inference.kinds import Add, Kind, Retry
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from tests.archive import good_rows, write_clips

US, NS = pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder)
    return folder


def write(place: Path, clips: Path, ids: range, **columns: pa.Array) -> None:
    """A manifest file with these tracklets, and further columns."""
    table = pa.Table.from_pylist([good_rows(str(clips))[i] for i in ids])
    for name, values in columns.items():
        table = table.append_column(name, values)
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, place)


def infer(folder: Path, weights: Path, kind: Kind | None = None, **options: Any) -> dict[str, Any]:
    asked = InferOptions(str(folder / "m"), str(weights), str(folder / "out"), **options)
    return run_inference(asked, lambda: nullcontext(LocalRunner("cpu")), kind)


def files(folder: Path) -> list[pa.Table]:
    return [pq.ParquetFile(path).read() for path in sorted((folder / "out" / "attributes").rglob("*.parquet"))]


def test_what_fits_becomes_coarse_and_what_does_not_is_named(
    clips: Path, tiny_weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        tmp_path / "m" / "1.parquet",
        clips,
        range(3),
        seen=pa.array([1_000, None, 5_000_000], NS),
        exact=pa.array([1_000, 2_000, 3_001], NS),
        clock=pa.array([1, None, 2], pa.time64("us")),
        spans=pa.array([[{"from": 7}], None, []], pa.list_(pa.struct([("from", pa.timestamp("ns"))]))),
        half=pa.array([0.5, None, 1.5], pa.float16()),
    )
    with caplog.at_level(logging.WARNING, "par_model"):
        infer(tmp_path, tiny_weights)
    (table,) = files(tmp_path)
    kinds = {name: str(table.schema.field(name).type) for name in ("seen", "exact", "clock", "spans", "half")}
    assert kinds == {
        "seen": "timestamp[us, tz=UTC]",
        "exact": "timestamp[ns, tz=UTC]",
        "clock": "time64[us]",
        "spans": "list<element: struct<from: timestamp[ns]>>",
        "half": "float",
    }
    assert table["seen"].cast(pa.int64()).to_pylist() == [1, None, 5_000]
    assert table["exact"].cast(pa.int64()).to_pylist() == [1_000, 2_000, 3_001]
    lines = [record.getMessage() for record in caplog.records if "Spark" in record.getMessage()]
    assert [line.split(":")[0] for line in lines] == [
        "Spark and Athena cannot read the column exact, which has the type timestamp[ns, tz=UTC]",
        "Spark and Athena cannot read the column clock, which has the type time64[us]",
        "Spark and Athena cannot read the column spans, which has the type timestamp[ns]",
    ]


def test_a_table_is_added_to_in_the_types_that_it_has(clips: Path, tiny_weights: Path, tmp_path: Path) -> None:
    write(tmp_path / "m" / "1.parquet", clips, range(2), seen=pa.array([1_000, 2_000], NS))
    infer(tmp_path, tiny_weights, embedding=True)
    (file,) = (tmp_path / "out" / "attributes").glob("*.parquet")
    table = pq.read_table(file)
    old = table.schema.get_field_index("embedding")
    lists = pa.list_(pa.float32())  # as earlier versions wrote them
    pq.write_table(table.set_column(old, "embedding", pa.array(table["embedding"].to_pylist(), lists)), file)
    write(tmp_path / "m" / "2.parquet", clips, range(2, 4), seen=pa.array([3_000, 4_000], NS))
    infer(tmp_path, tiny_weights, Add(), embedding=True)
    first, second = files(tmp_path)
    assert first.schema == second.schema
    assert first.schema.field("seen").type == US
    assert str(first.schema.field("embedding").type) == "list<element: float>"
    assert second["seen"].cast(pa.int64()).to_pylist() == [3, 4]
    assert infer(tmp_path, tiny_weights, Retry(), embedding=True)["counts"]["tracklets"] == 4


def test_finer_times_are_not_added_to_coarse_ones(clips: Path, tiny_weights: Path, tmp_path: Path) -> None:
    write(tmp_path / "m" / "1.parquet", clips, range(2), seen=pa.array([1_000, 2_000], NS))
    infer(tmp_path, tiny_weights)
    write(tmp_path / "m" / "2.parquet", clips, range(2, 4), seen=pa.array([3_000, 4_001], NS))
    with pytest.raises(OutputError, match=r"column seen as timestamp\[us, tz=UTC\], and the manifest has .* finer"):
        infer(tmp_path, tiny_weights, Add())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["attributes", "run.json"]
    assert len(files(tmp_path)) == 1


def test_coarse_times_are_added_to_finer_ones(clips: Path, tiny_weights: Path, tmp_path: Path) -> None:
    write(tmp_path / "m" / "1.parquet", clips, range(2), seen=pa.array([1_000, 2_001], NS))
    infer(tmp_path, tiny_weights)
    write(tmp_path / "m" / "2.parquet", clips, range(2, 4), seen=pa.array([3_000, 4_000], NS))
    infer(tmp_path, tiny_weights, Add())
    assert [table.schema.field("seen").type for table in files(tmp_path)] == [NS, NS]


def test_a_column_of_another_type_is_not_added(clips: Path, tiny_weights: Path, tmp_path: Path) -> None:
    write(tmp_path / "m" / "1.parquet", clips, range(2), number=pa.array([1, 2], pa.int32()))
    infer(tmp_path, tiny_weights)
    write(tmp_path / "m" / "2.parquet", clips, range(2, 4), number=pa.array([3, 2**40]))
    with pytest.raises(OutputError, match="the column number as int32, which is int64 now"):
        infer(tmp_path, tiny_weights, Add())
    assert len(files(tmp_path)) == 1


def test_columns_that_the_files_lack_or_alone_have_are_not_added(
    clips: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    """Rows that are there count as unchanged, since a column of nulls and none are the same to a manifest."""
    write(tmp_path / "m" / "1.parquet", clips, range(2), floor=pa.nulls(2, pa.string()))
    infer(tmp_path, tiny_weights)
    write(tmp_path / "m" / "1.parquet", clips, range(2))
    write(tmp_path / "m" / "2.parquet", clips, range(2, 4))
    with pytest.raises(OutputError, match="the manifest lacks the column floor of those that are there: add it"):
        infer(tmp_path, tiny_weights, Add())
    nulls = pa.nulls(2, pa.string())
    write(tmp_path / "m" / "2.parquet", clips, range(2, 4), floor=nulls, room=pa.array(["a", "b"]))
    with pytest.raises(OutputError, match="the column room of the manifest is in none of those that are there: leave"):
        infer(tmp_path, tiny_weights, Add())
    assert len(files(tmp_path)) == 1


def test_columns_in_another_order_are_added_in_that_of_the_files(
    clips: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    one, other = pa.array([1, 2]), pa.array(["a", "b"])
    write(tmp_path / "m" / "1.parquet", clips, range(2), number=one, room=other)
    infer(tmp_path, tiny_weights, partition_by=("camera_id",))
    write(tmp_path / "m" / "0.parquet", clips, range(2, 4), room=other, number=one)
    infer(tmp_path, tiny_weights, Add(), partition_by=("camera_id",))
    schemas = [table.schema for table in files(tmp_path)]
    assert len(schemas) > 2
    assert all(schema == schemas[0] for schema in schemas)
    found = {row["tracklet_id"]: (row["number"], row["room"]) for table in files(tmp_path) for row in table.to_pylist()}
    assert sorted(found.values()) == [(1, "a"), (1, "a"), (2, "b"), (2, "b")]


def test_folders_of_nanoseconds(clips: Path, tiny_weights: Path, tmp_path: Path) -> None:
    write(tmp_path / "m" / "1.parquet", clips, range(3), seen=pa.array([1_000, None, 10**9], NS))
    summary = infer(tmp_path, tiny_weights, partition_by=("seen",))
    assert summary["partitions"] == {"seen": "timestamp[us, tz=UTC]"}
    assert sorted(path.name for path in (tmp_path / "out" / "attributes").iterdir()) == [
        "seen=1970-01-01%2000%3A00%3A00.000001%2B00%3A00",
        "seen=1970-01-01%2000%3A00%3A01%2B00%3A00",
        "seen=__HIVE_DEFAULT_PARTITION__",
    ]
    write(tmp_path / "m" / "2.parquet", clips, range(3, 5), seen=pa.array([10**9, 2 * 10**9], NS))
    assert infer(tmp_path, tiny_weights, Add(), partition_by=("seen",))["counts"]["tracklets"] == 5
    write(tmp_path / "m" / "2.parquet", clips, range(3, 5), seen=pa.array([10**9, 1], NS))
    with pytest.raises(UsageError, match=r"--partition-by seen: .*finer than a microsecond"):
        infer(tmp_path, tiny_weights, Add(), partition_by=("seen",))


@pytest.mark.parametrize("partition_by", [(), ("camera_id",)])
def test_a_sorted_table_stays_sorted(
    partition_by: tuple[str, ...], clips: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    ranks = [3, 1, None, 2, 1]
    write(tmp_path / "m" / "1.parquet", clips, range(5), rank=pa.array(ranks, pa.int32()))
    infer(tmp_path, tiny_weights, partition_by=partition_by, sort_by=("rank",))
    found = [(row["rank"], row["tracklet_id"]) for table in files(tmp_path) for row in table.to_pylist()]
    wanted = [(1, "t1"), (1, "t4"), (2, "t3"), (3, "t0"), (None, "t2")]
    if partition_by:
        wanted = [(1, "t4"), (3, "t0"), (None, "t2"), (1, "t1"), (2, "t3")]
    assert found == wanted
    with pytest.raises(OutputError, match=r"differs in sort_by \(\['rank'\] there, \[\] now\)"):
        infer(tmp_path, tiny_weights, partition_by=partition_by)
