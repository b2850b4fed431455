import tempfile
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.runs import buckets
from par_model.runs.buckets import Buckets, enough_buckets

SCHEMA = pa.schema([("number", pa.int64()), ("at", pa.int64()), ("text", pa.list_(pa.string()))])


def rows(numbers: list[int], first: int) -> pa.Table:
    ats = range(first, first + len(numbers))
    columns = {"number": numbers, "at": list(ats), "text": [["x"] * (at % 3) for at in ats]}
    return pa.table(columns, schema=SCHEMA)


@settings(deadline=None)  # opening files may take its time
@given(st.lists(st.lists(st.integers(0, 4), max_size=20), max_size=8))
def test_every_row_is_in_its_bucket_in_the_order_in_which_it_came(batches: list[list[int]]) -> None:
    with Buckets(SCHEMA, 5) as dealt:
        first = 0
        for numbers in batches:
            dealt.add(rows(numbers, first), np.array(numbers, np.int64))
            first += len(numbers)
        found = [table.to_pylist() for table in dealt.tables()]
    everything = rows([*chain.from_iterable(batches)], 0).to_pylist()
    assert found == [[row for row in everything if row["number"] == bucket] for bucket in range(5)]


def test_nothing_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(buckets, "_PIECE_BYTES", 1)
    with Buckets(SCHEMA, 2) as dealt:
        dealt.add(rows([0, 1, 1], 0), np.array([0, 1, 1]))
        assert len(list(tmp_path.rglob("*.arrow"))) == 2
    assert list(tmp_path.iterdir()) == []


def test_buckets_follow_the_bytes_up_to_as_many_as_may_be_open() -> None:
    assert [enough_buckets(n, 1024) for n in (1, 24 * 1024, 240 * 1024, 10**9)] == [1, 1, 10, 200]
