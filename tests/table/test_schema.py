import pyarrow as pa
import pytest

from par_model.attributes import load_schema, shipped_schemas
from par_model.errors import ManifestError, UsageError
from par_model.manifest.schema import reserved_columns
from par_model.table.schema import check_partition_columns, check_sort_columns, table_schema

ID = pa.field("tracklet_id", pa.string(), nullable=False)


def test_the_id_comes_first_and_the_others_keep_their_order() -> None:
    fields = [pa.field("zone", pa.int64()), ID, pa.field("camera_id", pa.string())]
    assert table_schema(fields, load_schema("mars"), embedding=False).names[:4] == [
        "tracklet_id", "zone", "camera_id", "status",
    ]  # fmt: skip


@pytest.mark.parametrize("name", shipped_schemas())
def test_no_manifest_column_may_be_called_like_one_of_the_tables_own(name: str) -> None:
    own = table_schema([ID], load_schema(name), embedding=True).names[1:]
    assert {column.lower() for column in own} <= reserved_columns(load_schema(name))


def test_names_that_differ_in_case_only_are_refused() -> None:
    with pytest.raises(ManifestError, match="'status'"):
        table_schema([ID, pa.field("STATUS", pa.string())], load_schema("mars"), embedding=False)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["nope"], "no such column"),
        (["scores"], "struct"),
        (["hat_score"], "float"),
        (["tracklet_id"], "not of ids"),
        (["hat", "hat"], "twice"),
        (["hat", "_zone"], "begins with '_', and would read no row; rename"),
        ([".zone"], "begins with '.', and"),
        (["message"], "sentences"),
    ],
)
def test_partition_columns_that_no_folder_can_be_made_of(columns: list[str], reason: str) -> None:
    hidden = [pa.field(name, pa.string()) for name in ("_zone", ".zone")]
    schema = table_schema([ID, *hidden], load_schema("mars"), embedding=False)
    with pytest.raises(UsageError, match=reason):
        check_partition_columns(columns, schema)


def test_groups_and_texts_can_be_partitioned_by() -> None:
    schema = table_schema([ID, pa.field("camera_id", pa.string())], load_schema("mars"), embedding=False)
    check_partition_columns(["camera_id", "hat", "top_color", "status", "num_frames"], schema)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["nope"], "nope: is no column that the table has from the manifest"),
        (["frame_indices"], "is no column that the table has from the manifest"),
        (["zone", "zone"], "twice"),
        (["camera_id"], "a folder already"),
        (["places"], r"list<.*no order"),
        (["hat"], "rows are sorted by those"),
    ],
)
def test_sort_columns_that_rows_cannot_be_sorted_by(columns: list[str], reason: str) -> None:
    texts = [pa.field(name, pa.string()) for name in ("camera_id", "zone")]
    with pytest.raises(UsageError, match=reason):
        check_sort_columns(columns, ["camera_id"], [ID, *texts, pa.field("places", pa.list_(pa.int8()))])
