"""One file of the table, written anew with some of its rows replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.runs.parts import outcomes_of
from par_model.table import file_anew
from par_model.table.file_anew import FileAnew, write_anew
from par_model.table.results import Reading, table_results
from par_model.table.schema import table_schema
from tests.table.test_results import PASSED, SCHEMA
from tests.table.test_row_range import STRIPE, outcomes, store

READING = Reading(SCHEMA, (0.5,) * 4, (True,) * 4, "abcdef012345")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Three tracklets of whom the second and third failed, in two row groups."""
    schema = table_schema(PASSED, SCHEMA, embedding=False)
    rows: list[dict[str, Any]] = [
        {"tracklet_id": f"t{i}", "camera_id": f"c{i}", "status": "failed" if i else "ok", "num_frames": 1}
        | ({"error": "video-timeout", "message": "too slow"} if i else {"hat": True})
        for i in range(3)
    ]
    path = tmp_path / "part-00000.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=2)
    return path


def anew(old: Path, target: Path, rows: list[int], asked: list[bool] | None = None) -> tuple[str, str]:
    parts = store(target.parent / f"parts-{target.name}", outcomes(rows))
    before: Any = lambda: (asked if asked is not None else []).append(target.exists())  # noqa: E731
    uris = tuple(part.uri for part in parts.parts)
    return write_anew(FileAnew(str(old), str(target), uris, parts.stripe, 1000, READING, before))


def test_results_of_the_same_ids_are_replaced_in_their_place(old: Path, tmp_path: Path) -> None:
    target = tmp_path / "anew.parquet"
    asked: list[bool] = []
    assert anew(old, target, [2], asked) == (str(old), str(target))
    assert asked
    assert not any(asked)
    before, after = pq.read_table(old).to_pylist(), pq.read_table(target).to_pylist()
    assert after[:2] == before[:2]
    assert (after[2]["tracklet_id"], after[2]["camera_id"]) == ("t2", "c2")
    assert (after[2]["status"], after[2]["error"]) == ("ok", None)
    assert [pq.ParquetFile(target).metadata.row_group(i).num_rows for i in range(2)] == [2, 1]
    assert anew(old, target, [2]) == (str(old), str(target))
    assert pq.read_table(target).to_pylist() == after


def test_a_file_without_such_ids_stays(old: Path, tmp_path: Path) -> None:
    assert anew(old, tmp_path / "anew.parquet", [7]) == (str(old), str(old))
    assert not (tmp_path / "anew.parquet").exists()


def test_of_other_files_outcomes_no_more_is_held_than_a_stripe(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry after an outage may have millions."""
    asked: list[tuple[int, int]] = []
    put_in: list[int] = []

    def noted(uris: Any, stripes: Any) -> Any:
        return outcomes_of(uris, (asked.append(rows) or rows for rows in stripes))  # type: ignore[func-returns-value]

    def counted(passed: pa.Table, found: pa.Table, *more: Any) -> pa.Table:
        put_in.append(len(found))
        return table_results(passed, found, *more)

    monkeypatch.setattr(file_anew, "outcomes_of", noted)
    monkeypatch.setattr(file_anew, "table_results", counted)
    target = tmp_path / "anew.parquet"
    anew(old, target, [1, 2, *range(5, 999)])
    assert asked == [(start, start + STRIPE) for start in range(0, 1000, STRIPE)]
    assert put_in == [1, 1]
    assert pq.read_table(target)["status"].to_pylist() == ["ok", "ok", "ok"]
