"""Ids that are there twice, in manifests of any size."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.manifest.duplicates import duplicate_ids


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "Ä", "", None]), max_size=12), st.integers(1, 5))
def test_duplicates_are_all_later_rows_with_an_earlier_rows_id(ids: list[str | None], size: int) -> None:
    table = pa.table({"tracklet_id": pa.array(ids, pa.string()), "_row": pa.array(range(len(ids)), pa.int64())})
    expected = [(i, ids.index(v), v) for i, v in enumerate(ids) if v and ids.index(v) < i]
    assert list(duplicate_ids(table.to_batches(max_chunksize=size))) == expected
