import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.errors import OutputError
from par_model.runs.outcome import OUTCOME_SCHEMA
from par_model.runs.parts import PART_SCHEMA, PartStore, outcomes_of

STRIPE = 4


def outcomes(*rows: int) -> pa.Table:
    full = [dict.fromkeys(OUTCOME_SCHEMA.names) | {"_row": r, "tracklet_id": f"t{r}", "scores": [r / 10]} for r in rows]
    return pa.Table.from_pylist(full, schema=OUTCOME_SCHEMA)


def store(folder: str, run: str, job: str = "job") -> PartStore:
    return PartStore(folder, job, run, STRIPE, lambda: None)


def all_outcomes(parts: PartStore) -> pa.Table:
    (table,) = outcomes_of([part.uri for part in parts.parts], [(0, 100)])
    return table


def keep(parts: PartStore, *rows: int) -> None:
    parts.count(parts.next().write([outcomes(*rows)]))


def test_what_is_in_a_part_is_done_and_known_by_stripe(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    parts = store(folder, "first")
    parts.count(parts.next().write([outcomes(9, 5, 2), outcomes(0, 6)]))
    again = store(folder, "second")
    assert again.done().rows().tolist() == parts.done().rows().tolist() == [0, 2, 5, 6, 9]
    assert again.parts == parts.parts
    (part,) = parts.parts
    assert (part.first_row, part.last_row, part.rows_of) == (0, 9, {0: 2, 1: 2, 2: 1})
    assert [part.holds_some_of(*rows) for rows in ((0, 1), (9, 12), (10, 12))] == [True, True, False]


def test_a_part_is_written_by_whoever_is_given_it_and_twice_if_need_be(tmp_path: Path) -> None:
    """Its name is of its own each time; a row counts once."""
    parts = store(str(tmp_path / "_parts"), "run")
    wanted = pickle.loads(pickle.dumps(parts.next(print)))
    twice = [wanted.write([outcomes(1, 2)]) for _ in range(2)]
    keep(parts, 3)
    for part in twice:
        parts.count(part)
    assert [name.split("-")[1] for name in sorted(p.name for p in (tmp_path / "_parts").iterdir())] == [
        "000001",
        "000001",
        "000002",
    ]
    assert parts.done().rows().tolist() == [1, 2, 3]
    assert all_outcomes(parts)["_row"].to_pylist() == [1, 2, 3]


def test_a_stripe_is_read_from_the_row_groups_that_hold_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = store(str(tmp_path / "_parts"), "run")
    keep(parts, *range(0, 20, 2))
    keep(parts, *range(1, 9, 2))
    read: list[list[int]] = []
    whole = pq.ParquetFile.read_row_groups

    def noted(self: pq.ParquetFile, groups: list[int], **more: Any) -> pa.Table:
        read.append(groups)
        return whole(self, groups, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    found = [t["_row"].to_pylist() for t in outcomes_of([p.uri for p in parts.parts], [(4, 8), (12, 16), (20, 24)])]
    assert found == [[4, 5, 6, 7], [12, 14], []]
    assert read == [[1], [1], [3]]


@pytest.mark.parametrize("name", ["part-000003.parquet", "part-000003-job-old.parquet"])
def test_parts_of_earlier_versions_are_put_in_order_once(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "_parts"
    folder.mkdir()
    rows = outcomes(9, 2, 5).append_column("run_id", pa.array(["old"] * 3))
    pq.write_table(rows.cast(PART_SCHEMA), folder / name)
    parts = PartStore(str(folder), "job", "run", STRIPE, lambda: None, unnamed=True)
    assert [part.rows_of for part in parts.parts] == [{0: 1, 1: 1, 2: 1}]
    assert pq.read_table(folder / name)["_row"].to_pylist() == [2, 5, 9]
    found = all_outcomes(parts)
    assert (found["_row"].to_pylist(), set(found["run_id"].to_pylist())) == ([2, 5, 9], {"old"})
    keep(parts, 4)
    assert sorted(p.name.split("-")[1][:6] for p in folder.iterdir()) == ["000003", "000004"]
    before = (folder / name).stat().st_mtime_ns
    assert len(store(str(folder), "next").parts) == (2 if "job" in name else 1)
    assert not (folder / name).exists() or (folder / name).stat().st_mtime_ns == before


def test_rows_come_back_sorted_over_all_parts_with_the_run_that_made_them(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    for run, rows in (("first", (5, 2)), ("second", (4, 0, 3)), ("third", (1,))):
        parts = store(folder, run)
        keep(parts, *rows)
    found = all_outcomes(store(folder, "x"))
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


@pytest.mark.parametrize("size", [0, 100, -20])
def test_a_part_that_is_damaged_is_named_with_what_to_do(size: int, tmp_path: Path) -> None:
    keep(store(str(tmp_path), "first"), 1, 2)
    [part] = tmp_path.iterdir()
    part.write_bytes(part.read_bytes()[:size])
    with pytest.raises(OutputError, match=rf"{part} is damaged \(.*\): remove it and run the same command again"):
        store(str(tmp_path), "next")


@pytest.mark.parametrize("at", [20, -300], ids=["data", "footer"])
def test_so_is_one_of_which_some_bytes_are_others(at: int, tmp_path: Path) -> None:
    keep(store(str(tmp_path), "first"), *range(50))
    [part] = tmp_path.iterdir()
    content = bytearray(part.read_bytes())
    content[at : at + 8] = b"\xff" * 8
    part.write_bytes(content)
    with pytest.raises(OutputError, match=rf"{part} is damaged \(.*\): remove it and run the same command again"):
        all_outcomes(store(str(tmp_path), "next"))


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    assert all_outcomes(store(str(tmp_path / "none"), "run")).num_rows == 0


def test_a_row_that_came_twice_counts_once_as_it_came_first(tmp_path: Path) -> None:
    folder = str(tmp_path / "_parts")
    for run, rows in (("first", (5, 2)), ("second", (2, 3))):
        parts = store(folder, run)
        keep(parts, *rows)
    found = all_outcomes(store(folder, "x"))
    assert found["_row"].to_pylist() == [2, 3, 5]
    assert found["run_id"].to_pylist() == ["first", "second", "first"]


def test_parts_of_other_jobs_and_those_that_come_late_do_not_count(tmp_path: Path) -> None:
    """A run that lost its output may still have a part on its way, also when the job that it was of is done."""
    folder = str(tmp_path / "_parts")
    late, going_on = store(folder, "late"), store(folder, "next")
    for parts, row in ((late, 1), (going_on, 2)):
        keep(parts, row)
    assert going_on.done().rows().tolist() == [2]
    assert all_outcomes(going_on)["run_id"].to_pylist() == ["next"]
    assert sorted(store(folder, "third").done().rows().tolist()) == [1, 2]
    assert store(folder, "other", job="another").done().rows().tolist() == []
    assert list((tmp_path / "_parts").iterdir()) == []


def test_a_part_is_not_written_where_it_is_refused(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OutputError("no more")

    parts = PartStore(str(tmp_path / "_parts"), "job", "run", STRIPE, refuse)
    with pytest.raises(OutputError, match="no more"):
        keep(parts, 1)
    assert not (tmp_path / "_parts").exists()
