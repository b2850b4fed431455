"""Further columns pass through in types that every reader of the table opens, with the values that they had."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.errors import ManifestError
from par_model.manifest import Manifest, refuse_ambiguous
from par_model.manifest.check import check
from par_model.manifest.plain import coarse, plain, plain_type, uuid_text

IDS = [uuid.UUID(int=5), uuid.UUID("12345678-1234-5678-1234-56781234ABCD")]
TEXTS = [str(one) for one in IDS]
BYTES = pa.array([one.bytes for one in IDS], pa.binary(16))
UUIDS = pa.ExtensionArray.from_storage(pa.uuid(), BYTES)
NOON = datetime(2026, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)
INDIA = pa.timestamp("us", "+05:30")


def manifest_of(folder: Path, *columns: pa.Array) -> Manifest:
    """A file for each array, which is its column ``x``."""
    for number, values in enumerate(columns):
        ids = [f"{number}-{i}" for i in range(len(values))]
        table = pa.table({"tracklet_id": ids, "image_uris": [["/1.jpg"]] * len(ids), "x": values})
        pq.write_table(table, folder / f"{number}.parquet")
    return Manifest.open(str(folder))


def values_of(manifest: Manifest, name: str = "x") -> list[Any]:
    return [value for batch in manifest.iter_batches([name]) for value in batch.column(name).to_pylist()]


def defects_of(manifest: Manifest) -> list[tuple[int, str]]:
    return [(defect.row, defect.code.value) for defect in check(manifest, None)]


def dictionary(*values: Any) -> pa.DictionaryArray:
    return pa.array(values).dictionary_encode()


@pytest.mark.parametrize(
    ("stored", "kind", "values"),
    [
        (pa.array(["a", None], pa.string_view()), pa.string(), ["a", None]),
        (pa.array([b"\xff", None], pa.binary_view()), pa.binary(), [b"\xff", None]),
        (pa.array([["a", None], None], pa.list_(pa.string_view())), pa.list_(pa.string()), [["a", None], None]),
        (
            pa.array([{"s": "a"}, None], pa.struct([("s", pa.string_view())])),
            pa.struct([("s", pa.string())]),
            [{"s": "a"}, None],
        ),
        (
            pa.array([[("a", "b")], None, [("c", None)]], pa.map_(pa.string_view(), pa.string_view())),
            pa.map_(pa.string(), pa.string()),
            [[("a", "b")], None, [("c", None)]],
        ),
        (pa.array([[1, 2], None, [], [3]], pa.list_view(pa.int64())), pa.list_(pa.int64()), [[1, 2], None, [], [3]]),
        (pa.array([[1], None], pa.large_list_view(pa.int8())), pa.large_list(pa.int8()), [[1], None]),
        (dictionary("a", None, "a"), pa.string(), ["a", None, "a"]),
        (
            pa.ListArray.from_arrays(pa.array([0, 2, 3]), dictionary("a", "b", "a")),
            pa.list_(pa.string()),
            [["a", "b"], ["a"]],
        ),
        (UUIDS, pa.string(), TEXTS),
        (pa.ListArray.from_arrays(pa.array([0, 2]), UUIDS), pa.list_(pa.string()), [TEXTS]),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None])), pa.string(), ['{"a":1}', None]),
        (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())), pa.int8(), [1, 0]),
        (pa.array([NOON, None], INDIA), pa.timestamp("us", "UTC"), [NOON, None]),
        (
            pa.array([{"t": NOON}], pa.struct([("t", INDIA)])),
            pa.struct([("t", pa.timestamp("us", "UTC"))]),
            [{"t": NOON}],
        ),
        (pa.array([Decimal("1.50"), None], pa.decimal256(50, 2)), pa.decimal128(38, 2), [Decimal("1.50"), None]),
        (
            pa.array([[Decimal("1.5")]], pa.list_(pa.decimal256(9, 1))),
            pa.list_(pa.decimal128(9, 1)),
            [[Decimal("1.5")]],
        ),
        (pa.array([Decimal("1.5")], pa.decimal32(5, 2)), pa.decimal128(5, 2), [Decimal("1.50")]),
        (pa.array(["a"], pa.large_string()), pa.large_string(), ["a"]),
        (pa.array([0.5, None, 65504], pa.float16()), pa.float32(), [0.5, None, 65504.0]),
        (pa.array([[0.25], None], pa.list_(pa.float16())), pa.list_(pa.float32()), [[0.25], None]),
        (pa.array([{"h": 0.5}], pa.struct([("h", pa.float16())])), pa.struct([("h", pa.float32())]), [{"h": 0.5}]),
        (pa.array([[], None, [None]], pa.list_(pa.null())), pa.list_(pa.string()), [[], None, [None]]),
        (pa.array([NOON, None], pa.timestamp("ns", "UTC")), pa.timestamp("ns", "UTC"), [NOON, None]),
        (pa.array([2**63 + 5], pa.uint64()), pa.uint64(), [2**63 + 5]),
        (pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)), pa.list_(pa.float32(), 2), [[1.0, 2.0], None]),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else None,
)
def test_a_further_column_becomes_plain_and_keeps_its_values(
    stored: pa.Array, kind: pa.DataType, values: list[Any], tmp_path: Path
) -> None:
    manifest = manifest_of(tmp_path, stored)
    assert manifest.schema.field("x").type == kind
    assert values_of(manifest) == values
    assert defects_of(manifest) == []
    refuse_ambiguous(manifest, None)


@pytest.mark.parametrize(
    ("one", "other", "kind", "values"),
    [
        (pa.array(["a"]), pa.array(["b"], pa.string_view()), pa.string(), ["a", "b"]),
        (pa.array([TEXTS[0]]), UUIDS.slice(1), pa.string(), TEXTS),
        (pa.array([["a"]]), pa.array([["b"]], pa.list_(pa.string_view())), pa.list_(pa.string()), [["a"], ["b"]]),
        (pa.array([NOON], INDIA), pa.array([NOON], pa.timestamp("us", "UTC")), pa.timestamp("us", "UTC"), [NOON, NOON]),
        (
            pa.array([NOON], pa.timestamp("us", "UTC")),
            pa.array([NOON.replace(microsecond=0)], pa.timestamp("s", "UTC")),
            pa.timestamp("us", "UTC"),
            [NOON, NOON - timedelta(microseconds=123_456)],
        ),
        (
            pa.array([Decimal(5)], pa.decimal128(38, 0)),
            pa.array([Decimal("1.5")], pa.decimal128(38, 10)),
            pa.decimal128(38, 10),
            [Decimal(5), Decimal("1.5")],
        ),
        (
            pa.array([Decimal("1.5")], pa.decimal128(10, 2)),
            pa.array([-(2**63)]),
            pa.decimal128(22, 2),
            [Decimal("1.5"), Decimal(-(2**63))],
        ),
        (pa.array([Decimal("1.5")], pa.decimal128(10, 2)), pa.array([0.1], pa.float32()), pa.float64(), None),
        (pa.array([-1]), pa.array([5], pa.uint64()), pa.int64(), [-1, 5]),
        (pa.array([2**53]), pa.array([0.5]), pa.float64(), [2.0**53, 0.5]),
    ],
)
def test_files_of_differing_types_have_one_that_holds_both(
    one: pa.Array, other: pa.Array, kind: pa.DataType, values: list[Any] | None, tmp_path: Path
) -> None:
    manifest = manifest_of(tmp_path, one, other)
    assert manifest.schema.field("x").type == kind
    if values is not None:
        assert values_of(manifest) == values
    assert defects_of(manifest) == []
    refuse_ambiguous(manifest, None)


@pytest.mark.parametrize(
    ("one", "other", "row"),
    [
        (pa.array([-1]), pa.array([5, 2**63 + 5], pa.uint64()), 2),
        (pa.array([1, 2**53 + 1]), pa.array([0.5]), 1),
        (pa.array([Decimal(10**35)], pa.decimal128(38, 0)), pa.array([Decimal("1.5")], pa.decimal128(38, 10)), 0),
        (pa.array([Decimal("1.5")], pa.decimal128(38, 30)), pa.array([7, 10**9]), 2),
        (pa.array([10**17], pa.timestamp("us")), pa.array([1], pa.timestamp("ns")), 0),
        (pa.array([Decimal(1), Decimal(10**45)], pa.decimal256(50, 0)), None, 1),
    ],
)
def test_a_value_that_no_common_type_holds_is_a_defect_and_refused_before_any_work(
    one: pa.Array, other: pa.Array | None, row: int, tmp_path: Path
) -> None:
    manifest = manifest_of(tmp_path, one, *([other] if other is not None else []))
    assert defects_of(manifest) == [(row, "value-does-not-fit")]
    with pytest.raises(ManifestError, match=rf": row {row}\b.*: x: does not fit .*in one type that holds its values"):
        refuse_ambiguous(manifest, None)


def test_a_decimal_of_more_digits_than_a_double_is_not_put_beside_one(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"'x' is decimal128\(16, 2\) in 0\.parquet and double in 1\.parquet"):
        manifest_of(tmp_path, pa.array([Decimal("1.5")], pa.decimal128(16, 2)), pa.array([0.5]))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("5::VARIANT", "column is a variant, which only the tool that wrote it can read: write it as JSON text"),
        ("[INTERVAL 3 DAYS]", "column is an interval, which few tools read: write seconds, or text"),
    ],
)
def test_columns_without_a_plain_type_are_defects_and_refused(value: str, said: str, tmp_path: Path) -> None:
    duckdb.sql(f"COPY (SELECT 'a' AS tracklet_id, ['/1.jpg'] AS image_uris, {value} AS x) TO '{tmp_path}/m.parquet'")
    manifest = Manifest.open(str(tmp_path))
    (defect,) = check(manifest, None)
    assert (defect.row, defect.code.value) == (0, "wrong-type")
    assert defect.message == f"x: {said} (all rows of m.parquet)"
    with pytest.raises(ManifestError, match=rf"m\.parquet: x: {said}, or leave it out"):
        refuse_ambiguous(manifest, None)


def test_a_decimal_of_more_places_than_tables_have_is_refused(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, pa.array([Decimal("0.5")], pa.decimal256(60, 40)))
    assert defects_of(manifest) == [(0, "wrong-type")]


@pytest.mark.parametrize("written_by", ["arrow", "bytes", "duckdb"])
def test_a_uuid_is_an_id_in_its_canonical_text(written_by: str, tmp_path: Path) -> None:
    if written_by == "duckdb":
        said = ", ".join(f"('{text.upper()}'::UUID)" for text in TEXTS)
        duckdb.sql(
            f"COPY (SELECT u AS tracklet_id, ['/1.jpg'] AS image_uris, u AS camera_id FROM (VALUES {said}) t(u)) "
            f"TO '{tmp_path}/m.parquet'"
        )
    else:
        ids = UUIDS if written_by == "arrow" else BYTES
        table = pa.table({"tracklet_id": ids, "image_uris": [["/1.jpg"]] * 2, "camera_id": ids})
        pq.write_table(table, tmp_path / "m.parquet")
    manifest = Manifest.open(str(tmp_path / "m.parquet"))
    assert defects_of(manifest) == []
    assert values_of(manifest, "tracklet_id") == TEXTS
    assert values_of(manifest, "camera_id") == TEXTS


@given(st.lists(st.none() | st.uuids(), max_size=9), st.integers(0, 4))
def test_uuid_text_is_pythons(ids: list[uuid.UUID | None], start: int) -> None:
    stored = pa.array([one.bytes if one else None for one in ids], pa.binary(16)).slice(start)
    assert uuid_text(stored).to_pylist() == [str(one) if one else None for one in ids][start:]


TEXT = st.text("aé\0€😀", max_size=20)  # up to 12 bytes lie within a view, more beside it
NESTED = pa.struct(
    [
        ("texts", pa.list_view(pa.string_view())),
        ("named", pa.map_(pa.string_view(), pa.list_(pa.binary_view(), 2))),
    ]
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.none()
        | st.fixed_dictionaries(
            {
                "texts": st.none() | st.lists(st.none() | TEXT, max_size=3),
                "named": st.none()
                | st.dictionaries(TEXT, st.none() | st.lists(st.binary(max_size=3), min_size=2, max_size=2)),
            }
        ),
        max_size=6,
    ),
    st.integers(0, 3),
)
def test_plain_keeps_every_value_of_nested_columns_and_of_slices(rows: list[dict[str, Any] | None], start: int) -> None:
    rows = [row and row | {"named": row["named"] and list(row["named"].items())} for row in rows]
    stored = pa.array(rows, NESTED).slice(start)
    found = plain(stored)
    assert found.type == plain_type(NESTED)
    assert found.to_pylist() == stored.to_pylist()
    found.validate(full=True)


def test_runs_become_their_values() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 5], pa.int16()), pa.array(["a", None, "b"]))
    assert plain_type(runs.type) == pa.string()
    assert plain(runs).to_pylist() == ["a", "a", None, "b", "b"]
    assert plain(runs.slice(1, 3)).to_pylist() == ["a", None, "b"]
    nested = pa.ListArray.from_arrays(pa.array([0, 3, 5], pa.int32()), runs)
    assert plain(nested).to_pylist() == [["a", "a", None], ["b", "b"]]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (pa.array([NOON, None], pa.timestamp("ns")), pa.timestamp("us")),
        (pa.array([NOON], pa.timestamp("ns", "UTC")), pa.timestamp("us", "+00:00")),
        (pa.array([[{"t": NOON}], None], pa.list_(pa.struct([("t", pa.timestamp("ns"))]))), None),
        (pa.array([NOON], pa.timestamp("ms")), pa.timestamp("ms")),
        (pa.array(["a"]), pa.string()),
    ],
)
def test_times_become_coarse_where_no_value_is_lost(values: pa.Array, wanted: pa.DataType | None) -> None:
    found = coarse(pa.chunked_array([values]))
    assert found is not None
    assert found.type == (wanted or pa.list_(pa.struct([("t", pa.timestamp("us"))])))
    assert found.to_pylist() == values.to_pylist()


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("ns", "UTC")])
def test_a_time_that_would_lose_something_stays(kind: pa.DataType) -> None:
    for values in (pa.array([1000, 1, None], kind), pa.array([[1]], pa.list_(kind))):
        assert coarse(pa.chunked_array([values])) is None
