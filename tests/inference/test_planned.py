"""Units where they lie: their numbers mean the same rows whatever is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from par_model.inference.planned import Units, write_units
from par_model.manifest.read import Manifest
from par_model.runs.done import DoneRows
from tests.inference.plans import by_tasks, in_groups, some_rows

pytestmark = pytest.mark.usefixtures("tiny_spans")


def test_units_keep_their_numbers_whatever_is_done(tmp_path: Path) -> None:
    manifest = Manifest.open(str(in_groups(tmp_path / "m.parquet", some_rows(40))))
    units = by_tasks(manifest, tmp_path / "out").units
    whole = {number: units.read(number)["_row"].to_pylist() for number in units.numbers.tolist()}
    some = next(n for n, rows in whole.items() if len(rows) > 2 and n not in (0, 3))
    done = [*whole[0], *whole[3], whole[some][0]]
    left = units.without(DoneRows(np.array(done)))
    assert left.numbers.tolist() == [n for n in whole if n not in (0, 3)]
    assert {n: left.read(n)["_row"].to_pylist() for n in left.numbers.tolist()} == {
        n: [row for row in rows if row not in done] for n, rows in whole.items() if n not in (0, 3)
    }
    assert sorted(row for unit in left for row in unit["_row"].to_pylist()) == sorted({*range(40)} - {*done})
    assert len(units.without(DoneRows(np.arange(40)))) == 0
    assert len(left.without(DoneRows())) == len(units)


def test_no_units_are_a_file_too(tmp_path: Path) -> None:
    file = write_units(str(tmp_path / "units"), iter([]), lambda: None)
    units = Units(str(tmp_path), (file,))
    assert (list(units), len(units), len(units.without(DoneRows(np.array([3]))))) == ([], 0, 0)
