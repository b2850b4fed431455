from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from par_model.errors import OutputError
from par_model.runs.outcome import OUTCOME_SCHEMA
from par_model.runs.parts import PartStore

STRIPE = 4


def outcomes(*rows: int) -> pa.Table:
    full = [dict.fromkeys(OUTCOME_SCHEMA.names) | {"_row": r, "tracklet_id": f"t{r}", "scores": [r / 10]} for r in rows]
    return pa.Table.from_pylist(full, schema=OUTCOME_SCHEMA)


def store(folder: str, run: str, job: str = "job") -> PartStore:
    return PartStore(folder, job, run, STRIPE, lambda: None)


def test_what_was_flushed_is_done_and_what_was_not_is_lost(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    parts = store(folder, "first")
    parts.append(outcomes(5, 2))
    parts.flush()
    parts.append(outcomes(9))
    again = store(folder, "second")
    assert sorted(again.done()) == [2, 5]


def test_rows_come_back_sorted_over_all_parts_with_the_run_that_made_them(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    for run, rows in (("first", (5, 2)), ("second", (4, 0, 3)), ("third", (1,))):
        parts = store(folder, run)
        parts.append(outcomes(*rows))
        parts.flush()
    found = store(folder, "x").all_outcomes()
    assert found["_row"].to_pylist() == [0, 1, 2, 3, 4, 5]
    assert found["run_id"].to_pylist() == ["second", "third", "first", "second", "second", "first"]
    assert found["scores"].to_pylist() == [[np.float32(r / 10)] for r in range(6)]


def test_what_a_killed_writer_left_is_not_read_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "_parts"
    folder.mkdir()
    (folder / "_partial-0123").write_bytes(b"PAR1 torn")
    parts = store(str(folder), "run")
    assert len(parts.done()) == 0
    assert list(folder.iterdir()) == []


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    assert store(str(tmp_path / "none"), "run").all_outcomes().num_rows == 0


def test_a_row_that_came_twice_counts_once_as_it_came_first(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    for run, rows in (("first", (5, 2)), ("second", (2, 3))):
        parts = store(folder, run)
        parts.append(outcomes(*rows))
        parts.flush()
    found = store(folder, "x").all_outcomes()
    assert found["_row"].to_pylist() == [2, 3, 5]
    assert found["run_id"].to_pylist() == ["first", "second", "first"]


def test_parts_of_other_jobs_and_those_that_come_late_do_not_count(tmp_path: Path) -> None:
    """A run that lost its output may still have a part on its way, also when the job that it was of is done."""
    folder = str(tmp_path / "_parts")
    late, going_on = store(folder, "late"), store(folder, "next")
    for parts, row in ((late, 1), (going_on, 2)):
        parts.append(outcomes(row))
        parts.flush()
    assert going_on.done().tolist() == [2]
    assert going_on.all_outcomes()["run_id"].to_pylist() == ["next"]
    assert sorted(store(folder, "third").done().tolist()) == [1, 2]
    assert store(folder, "other", job="another").done().tolist() == []
    assert list((tmp_path / "_parts").iterdir()) == []


def test_a_part_is_not_written_where_it_is_refused(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OutputError("no more")

    parts = PartStore(str(tmp_path / "_parts"), "job", "run", STRIPE, refuse)
    parts.append(outcomes(1))
    with pytest.raises(OutputError, match="no more"):
        parts.flush()
    assert not (tmp_path / "_parts").exists()
