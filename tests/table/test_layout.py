"""What the footers of the table's files say of their layout."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.table.layout import sorted_by, table_file
from par_model.table.schema import embedding_field

SCHEMA = pa.schema(
    [
        ("places", pa.map_(pa.string(), pa.list_(pa.float64()))),
        ("boxes", pa.large_list(pa.struct([("x", pa.float32()), ("name", pa.string())]))),
        ("tracklet_id", pa.string()),
        ("a.b", pa.float32()),
        ("rank", pa.int32()),
        embedding_field(None),
    ]
)
ROWS = pa.Table.from_pylist(
    [
        {
            "places": [("a", [0.5])],
            "boxes": [{"x": 0.5, "name": "n"}],
            "tracklet_id": f"t{i}",
            "a.b": i / 8,
            "rank": i // 2,
            "embedding": [0.6, 0.8],
        }
        for i in range(100)
    ],
    schema=SCHEMA,
)


@pytest.fixture
def written(tmp_path: Path) -> pq.FileMetaData:
    with table_file(tmp_path / "file", SCHEMA, ("rank", "tracklet_id")) as writer:
        writer.write_table(ROWS, row_group_size=50)
    with pq.ParquetFile(tmp_path / "file") as file:
        assert file.read() == ROWS
        assert sorted_by(file) == ("rank", "tracklet_id")
        return file.metadata


def test_scores_and_embeddings_have_no_dictionary_and_texts_have_one(written: pq.FileMetaData) -> None:
    group = written.row_group(0)
    leaves = [group.column(i) for i in range(group.num_columns)]
    assert {leaf.path_in_schema: leaf.has_dictionary_page for leaf in leaves} == {
        "places.key_value.key": True,
        "places.key_value.value.list.element": False,
        "boxes.list.element.x": False,
        "boxes.list.element.name": True,
        "tracklet_id": True,
        "a.b": False,
        "rank": True,
        "embedding.list.element": False,
    }
    assert {leaf.compression for leaf in leaves} == {"ZSTD"}
    assert all(leaf.has_column_index and leaf.has_offset_index for leaf in leaves)


def test_ids_alone_have_a_bloom_filter_as_large_as_they_need(written: pq.FileMetaData, tmp_path: Path) -> None:
    group = written.row_group(1)
    sizes = {group.column(i).path_in_schema: group.column(i).bloom_filter_length for i in range(group.num_columns)}
    assert {path for path, size in sizes.items() if size is not None} == {"tracklet_id"}
    assert sizes["tracklet_id"] < 200
    ids = pa.table({"tracklet_id": [f"t{i}" for i in range(5000)]})
    with table_file(tmp_path / "large", ids.schema) as writer:
        writer.write_table(ids)
    assert 5_000 < pq.read_metadata(tmp_path / "large").row_group(0).column(0).bloom_filter_length < 10_000


def test_a_file_without_ids_or_an_order(tmp_path: Path) -> None:
    with table_file(tmp_path / "file", pa.schema([("n", pa.int8())])) as writer:
        writer.write_table(pa.table({"n": pa.array([1], pa.int8())}))
    with pq.ParquetFile(tmp_path / "file") as file:
        assert sorted_by(file) == ()
        assert file.read()["n"].to_pylist() == [1]


@pytest.mark.slow  # since only `make test-slow` installs engines
@pytest.mark.filterwarnings("default")
def test_fastparquet_cannot_read_the_encoding_that_would_be_smaller(tmp_path: Path) -> None:
    """The reason that docs/table.md gives for files without it: where this fails, choose anew."""
    fastparquet = pytest.importorskip("fastparquet", reason="fastparquet is not installed")
    scores = pa.table({"score": pa.array([0.5, 0.25], pa.float32())})
    for split in (False, True):
        pq.write_table(scores, tmp_path / f"{split}", use_byte_stream_split=split, use_dictionary=False)
    assert fastparquet.ParquetFile(str(tmp_path / "False")).to_pandas().score.tolist() == [0.5, 0.25]
    with pytest.raises(NotImplementedError, match="Encoding 9"):
        fastparquet.ParquetFile(str(tmp_path / "True")).to_pandas()
