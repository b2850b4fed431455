"""Values in other types than the manifest's: cast where nothing is lost, and refused row by row."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.manifest.cast import cast_column
from par_model.manifest.schema import COLUMNS
from tests.manifest.examples import NOON, box


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("tracklet_id", pa.array([7, 8]), ["7", "8"]),
        ("tracklet_id", pa.array([b"a", b"\xff"]), ["a", None]),
        ("tracklet_id", pa.array(["a", None], pa.string_view()), ["a", None]),
        ("frame_indices", pa.array([[1], [2**31]], pa.list_(pa.uint32())), [[1], [None]]),
        ("frame_indices", pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)), [[1, 2], None, [3, 4]]),
        ("frame_indices", pa.array([[1, 2], None, [3]], pa.list_view(pa.int64())), [[1, 2], None, [3]]),
        ("frame_indices", pa.array([[1.0], [1.5, 2.0], []]), [[1], [None, None], []]),
        ("frame_indices", pa.array([None, [None, 1]], pa.large_list(pa.int8())), [None, [None, 1]]),
        ("frame_indices", pa.nulls(2), [None, None]),
        ("labels", pa.array([[1, -1], [0, 300]]), [[1, -1], [None, None]]),
        ("labels", pa.array([[True, False, None]]), [[1, 0, None]]),
        ("start_time", pa.array([1_000_001], pa.timestamp("us")), [datetime.fromtimestamp(1, NOON.tzinfo)]),
        ("start_time", pa.array([2], pa.timestamp("s", "Europe/Berlin")), [datetime.fromtimestamp(2, NOON.tzinfo)]),
        ("start_time", pa.array([2**62], pa.timestamp("s")), [None]),
        ("boxes", pa.array([[{"h": 4, "w": 3, "y": 2, "x": 1, "score": 9}]]), [[box(1, 2, 3, 4)]]),
        ("boxes", pa.array([[box(1e300, 2, 3, 4)]]), [[box(math.inf, 2, 3, 4)]]),
        ("split", pa.array(["train", "val"]).dictionary_encode(), ["train", "val"]),
        ("video_stream", pa.array([1, 2**40]), [1, None]),
        ("video_stream", pa.array([1.0, 1.5, math.nan, None]), [1, None, None, None]),
        ("video_stream", pa.array([3, -1], pa.int8()).dictionary_encode(), [3, -1]),
        ("video_stream", pa.array([1, None], pa.uint64()), [1, None]),
    ],
)
def test_what_casts_without_loss_is_cast_and_one_bad_value_costs_its_row_only(
    name: str, stored: pa.Array, expected: list[Any]
) -> None:
    wanted = COLUMNS.field(name).type
    values, reasons = cast_column(name, stored, wanted)
    assert (values.type, values.to_pylist()) == (wanted, expected)
    lost = [value is None and stored[i].is_valid for i, value in enumerate(expected)]
    lost = [
        gone or (isinstance(value, list) and None in value and None not in stored[i].as_py())
        for i, (gone, value) in enumerate(zip(lost, expected, strict=True))
    ]
    assert [reason is not None for reason in reasons] == lost
    assert all(reason.startswith(f"{name}: does not fit") for reason in reasons if reason)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("tracklet_id", pa.array([1.5, None])),
        ("frame_indices", pa.array([["1"], None])),
        ("frame_indices", pa.array([1, None])),
        ("boxes", pa.array([[[1.0, 2.0, 3.0, 4.0]], None])),
        ("boxes", pa.array([[{"x": 1.0, "y": 2.0, "w": 3.0}], None])),
        ("start_time", pa.array(["2026-05-01", None])),
        ("video_stream", pa.array(["front", None])),
    ],
)
def test_a_column_of_a_wrong_type_is_wrong_in_every_row_that_has_a_value(name: str, stored: pa.Array) -> None:
    values, reasons = cast_column(name, stored, COLUMNS.field(name).type)
    assert values.to_pylist() == [None, None]
    assert reasons[0] is not None
    assert reasons[0].startswith(f"{name}: column has type ")
    assert reasons[1] is None


@settings(max_examples=60)
@given(st.lists(st.none() | st.lists(st.integers(-(2**40), 2**40), max_size=4), max_size=12))
def test_casting_loses_exactly_the_rows_that_do_not_fit(lists: list[list[int] | None]) -> None:
    values, reasons = cast_column("frame_indices", pa.array(lists, pa.large_list(pa.int64())), pa.list_(pa.int32()))
    for value, reason, original in zip(values.to_pylist(), reasons, lists, strict=True):
        fits = original is None or all(-(2**31) <= item < 2**31 for item in original)
        assert (reason is None) == fits
        assert value == (original if fits else [None] * len(original or []))
