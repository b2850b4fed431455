"""Units reach workers by number, and leave nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from par_model.cluster.hand_out import Units, served

UNITS = [pa.table({"id": ["a", "b"], "frames": [[1, 2], []]}), pa.table({"id": ["c"], "frames": [[3]]})]


@pytest.mark.usefixtures("local_ray")
def test_units_are_fetched_by_number_as_often_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    in_pieces = pa.concat_tables([UNITS[0].slice(0, 1), UNITS[0].slice(1)])
    with served(iter([in_pieces, UNITS[1]])) as units:
        assert units.count == 2
        first, second = units.numbers()
        assert list(units.fetch(second)) == [UNITS[1]]
        assert list(units.fetch(first)) == list(units.fetch(first)) == [UNITS[0]]
        assert list(units.fetch(pa.concat_tables([first, second]))) == UNITS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("local_ray")
def test_no_units_need_no_actor() -> None:
    with served(iter([])) as units:
        assert units.count == 0
        assert units.numbers() == []


@pytest.mark.parametrize(
    ("count", "blocks", "largest"), [(1, 1, 1), (4096, 4096, 1), (4097, 2049, 2), (10**6, 4082, 245)]
)
def test_many_units_travel_in_few_blocks(count: int, blocks: int, largest: int) -> None:
    numbers = Units(count, None, 1).numbers()
    assert (len(numbers), max(map(len, numbers))) == (blocks, largest)
    assert pa.concat_tables(numbers)["unit"].to_pylist() == list(range(count))
