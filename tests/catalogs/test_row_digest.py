"""Digests of rows, whatever their order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.catalogs.row_digest import RowDigest, digests_by, id_hashes, surplus_id


def of(ids: list[str], **columns: list[str | None]) -> pa.Table:
    return pa.table({"tracklet_id": pa.array(ids, pa.string()), **columns})


def test_sums_of_hashes_begin_again_at_2_to_the_64() -> None:
    found = RowDigest.of(np.array([2**63, 2**63, 5], np.uint64))
    assert found == RowDigest(3, 5)
    assert found + RowDigest(1, 2**64 - 1) == RowDigest(4, 4)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.text(max_size=4), min_size=1, max_size=8))
def test_the_order_changes_nothing_and_another_row_does(ids: list[str]) -> None:
    whole = RowDigest.of(id_hashes(of(ids)))
    assert RowDigest.of(id_hashes(of(ids[::-1]))) == whole
    assert whole.rows == len(ids)
    assert RowDigest.of(id_hashes(of([*ids[1:], f"{ids[0]}x"]))) != whole


def test_digests_by_columns_add_up() -> None:
    table = of(["a", "b", "c"], camera=["1", None, "1"])
    found = digests_by(table, ["camera"])
    assert {values: digest.rows for values, digest in found.items()} == {("1",): 2, (None,): 1}
    assert found["1",] + found[None,] == RowDigest.of(id_hashes(table))
    assert digests_by(of([]), []) == {}


def test_the_least_id_that_is_there_too_often() -> None:
    assert surplus_id(of(["c", "b", "a"]), of(["a"])) == "b"
    assert surplus_id(of(["a", "a"]), of(["a"])) == "a"
    assert surplus_id(of(["a"]), of(["a", "b"])) is None
