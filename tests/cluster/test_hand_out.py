"""Units reach workers by number, from files that they see or that an actor reads for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from par_model.cluster.hand_out import blocks, served
from par_model.inference.planned import Units, write_units
from par_model.inference.units import UNIT_SCHEMA
from par_model.runs.done import DoneRows


def unit(*ids: str) -> pa.Table:
    columns = {"tracklet_id": ids, "frame_indices": [[1, len(i)] for i in ids], "_row": [ord(i[0]) - 97 for i in ids]}
    arrays = [pa.array(columns.get(f.name, [None] * len(ids)), f.type) for f in UNIT_SCHEMA]
    return pa.table(arrays, schema=UNIT_SCHEMA)


ALL = [unit("a", "bb"), unit("c"), unit("d", "e")]


@pytest.fixture
def units(tmp_path: Path) -> Units:
    files = [write_units(str(tmp_path / name), some, lambda: None) for name, some in (("x", ALL[:2]), ("y", ALL[2:]))]
    return Units(str(tmp_path), tuple(files))


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("shared", [True, False])
def test_units_are_fetched_by_number_as_often_as_asked(units: Units, shared: bool) -> None:
    with served(units, shared=shared) as within_reach:
        assert within_reach.by_server != shared
        first, second, third = blocks(units.numbers, 1)
        assert list(within_reach.fetch(second)) == [ALL[1]]
        assert list(within_reach.fetch(first)) == list(within_reach.fetch(first)) == [ALL[0]]
        assert list(within_reach.fetch(pa.concat_tables([first, second, third]))) == ALL


@pytest.mark.usefixtures("local_ray")
def test_what_is_done_of_a_unit_does_not_travel(units: Units) -> None:
    left = units.without(DoneRows(np.array([1, 2])))
    with served(left, shared=False) as within_reach:
        (both,) = blocks(left.numbers, 1)[:1]
        assert [u["tracklet_id"].to_pylist() for u in within_reach.fetch(both)] == [["a"]]


@pytest.mark.parametrize(
    ("count", "workers", "wanted", "largest"),
    [(0, 4, 0, 0), (1, 4, 1, 1), (70, 1, 64, 2), (10**4, 2, 64, 157), (10**6, 100, 800, 1250), (10**6, 999, 4096, 245)],
)
def test_many_units_travel_in_few_blocks(count: int, workers: int, wanted: int, largest: int) -> None:
    numbers = blocks(np.arange(count), workers)
    assert (len(numbers), max(map(len, numbers), default=0)) == (wanted, largest)
    assert [n for some in numbers for n in some["unit"].to_pylist()] == list(range(count))
