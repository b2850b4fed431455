from pathlib import Path

import numpy as np
import pyarrow as pa

from par_model.table.parts import PartStore
from par_model.table.rows import OUTCOME_SCHEMA


def outcomes(*rows: int) -> pa.Table:
    full = [dict.fromkeys(OUTCOME_SCHEMA.names) | {"_row": r, "tracklet_id": f"t{r}", "scores": [r / 10]} for r in rows]
    return pa.Table.from_pylist(full, schema=OUTCOME_SCHEMA)


def test_what_was_flushed_is_done_and_what_was_not_is_lost(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    store = PartStore(folder, "first")
    store.append(outcomes(5, 2))
    store.flush()
    store.append(outcomes(9))
    again = PartStore(folder, "second")
    assert sorted(again.done()) == [2, 5]


def test_rows_come_back_sorted_over_all_parts_with_the_run_that_made_them(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    for run, rows in (("first", (5, 2)), ("second", (4, 0, 3)), ("third", (1,))):
        store = PartStore(folder, run)
        store.append(outcomes(*rows))
        store.flush()
    found = pa.concat_tables(PartStore(folder, "x").in_row_order(2))
    assert found["_row"].to_pylist() == [0, 1, 2, 3, 4, 5]
    assert found["run_id"].to_pylist() == ["second", "third", "first", "second", "second", "first"]
    assert found["scores"].to_pylist() == [[np.float32(r / 10)] for r in range(6)]


def test_what_a_killed_writer_left_is_not_read_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "_parts"
    folder.mkdir()
    (folder / "_partial-0123").write_bytes(b"PAR1 torn")
    store = PartStore(str(folder), "run")
    assert len(store.done()) == 0
    assert list(folder.iterdir()) == []


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    assert list(PartStore(str(tmp_path / "none"), "run").in_row_order(10)) == []


def test_a_row_that_came_twice_counts_once_as_it_came_first(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    for run, rows in (("first", (5, 2)), ("second", (2, 3))):
        store = PartStore(folder, run)
        store.append(outcomes(*rows))
        store.flush()
    found = pa.concat_tables(PartStore(folder, "x").in_row_order(10))
    assert found["_row"].to_pylist() == [2, 3, 5]
    assert found["run_id"].to_pylist() == ["first", "second", "first"]
