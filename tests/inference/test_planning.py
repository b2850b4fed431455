"""A manifest is planned by tasks as it is in one process: every row in one unit, and once for all runs of a job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from par_model import storage
from par_model.errors import ManifestError, OutputError, UsageError
from par_model.inference import survey
from par_model.inference.job import run_inference
from par_model.inference.kinds import Add, Kind, Retry
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from par_model.inference.planning import plan_by_tasks, plan_here, survey_here
from par_model.inference.survey import RowQuestion
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import Complaint
from par_model.runs import lock
from tests.archive import assert_same_table, write_archive
from tests.inference.plans import accept, by_tasks, desk, in_groups, some_rows
from tests.inference.test_job import Interrupted

pytestmark = pytest.mark.usefixtures("tiny_spans")


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 30),
    group=st.integers(1, 9),
    split=st.sampled_from([None, "val", "train"]),
    stop=st.integers(0, 30),
    left=st.integers(0, 2**30),
)
def test_tasks_find_and_cut_what_one_process_finds_and_cuts(
    count: int, group: int, split: str | None, stop: int, left: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("plan")
    rows = some_rows(count)
    half = count // 2
    in_groups(folder / "m" / "1.parquet", rows[:half], group)
    in_groups(folder / "m" / "2.parquet", rows[half:], group)
    manifest = Manifest.open(str(folder / "m"))
    left_out = np.array([left >> i & 1 for i in range(count)], bool)
    question = RowQuestion.of(manifest, split, min(stop, count), ())
    surveyed, twice = survey_here(manifest, question, left_out)
    here = plan_here(desk(folder / "here"), manifest, question, left_out, surveyed, accept(surveyed, twice))
    tasks = by_tasks(manifest, folder / "tasks", left_out, question)
    assert (tasks.selected, tasks.rows, tasks.digest) == (here.selected, here.rows, here.digest)
    meant = [i for i in range(min(stop, count)) if split is None or rows[i]["split"] == split]
    assert here.selected == len(meant)
    wanted = [i for i in meant if not left_out[i]]
    for planned in (here, tasks):
        found = [row for unit in planned.units for row in unit.to_pylist()]
        assert sorted(row["_row"] for row in found) == wanted
        assert [row["tracklet_id"] for row in found] == [f"t{row['_row']}" for row in found]
        assert all(1 <= len(unit) <= 4 for unit in planned.units)
    assert {p.name.split("-")[0] for p in (folder / "tasks" / "_plan").iterdir()} == {"units", "plan"}
    again = desk(folder / "tasks").planned()
    assert again is not None
    assert [unit.to_pylist() for unit in again.units] == [unit.to_pylist() for unit in tasks.units]


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """14 rows of which four fail, in row groups of two: three spans."""
    path = write_archive(tmp_path, bad=True)
    pq.write_table(pq.read_table(path), path, row_group_size=2)
    return tmp_path


def infer(folder: Path, weights: Path, kind: Kind | None = None, runner: Any = None, **options: Any) -> dict[str, Any]:
    manifest, output = (options.pop(name, folder / name) for name in ("manifest", "output"))
    uri = str(manifest if manifest.exists() else manifest.with_suffix(".parquet"))
    asked = InferOptions(manifest=uri, weights=str(weights), output=str(output), **options)
    return run_inference(asked, lambda: nullcontext(runner or LocalRunner("cpu")), kind)


def table_of(output: Path) -> pa.Table:
    return pq.read_table(output / "attributes")


class Killed(LocalRunner):
    """Stops, as a kill would, before task ``at`` of planning; counts those that were done."""

    def __init__(self, at: int) -> None:
        super().__init__("cpu")
        self._at = at
        self.done = 0

    def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            if self.done == self._at:
                raise KeyboardInterrupt
            self.done += 1
            yield work(item)


def test_planning_killed_at_any_task_goes_on_from_there(tmp_path: Path) -> None:
    manifest = Manifest.open(str(in_groups(tmp_path / "m.parquet", some_rows(12))))
    question = RowQuestion.of(manifest, None, 12, ())
    spans, of_ids, buckets = 3, 1, 2

    def planned(folder: Path, runner: Killed) -> list[Any]:
        found = plan_by_tasks(desk(folder), manifest, question, None, accept, runner.spread)
        assert {p.name.split("-")[0] for p in (folder / "_plan").iterdir()} == {"units", "plan"}
        return [unit.to_pylist() for unit in found.units]

    undisturbed = planned(tmp_path / "whole", Killed(100))
    for at in range(spans + of_ids + buckets):
        folder = tmp_path / f"out{at}"
        first, second = Killed(at), Killed(100)
        with pytest.raises(KeyboardInterrupt):
            planned(folder, first)
        (folder / "_plan" / "_partial-0123").write_bytes(b"torn")
        (folder / "_plan" / "dealt-000002-0b-1234").write_bytes(b"another job's")
        for double in list((folder / "_plan").glob("dealt-000000-*"))[:1]:  # of a task that was lost late
            double.with_name("dealt-000000-0a-zz").write_bytes(double.read_bytes())
        assert planned(folder, second) == undisturbed
        assert first.done + second.done == spans + of_ids + buckets + min(of_ids, max(0, at - spans))


@pytest.mark.slow
def test_a_job_killed_while_it_plans_goes_on_and_gives_the_same_table(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights, output=archive / "whole")
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, runner=Killed(2))
    assert sorted(p.name for p in (archive / "output").iterdir()) == ["_job.json", "_plan"]
    second = Killed(100)
    infer(archive, tiny_weights, runner=second)
    assert second.done == 2 + 2 + 2  # of four spans two are left; buckets of ids; buckets of rows
    assert_same_table(table_of(archive / "output"), table_of(archive / "whole"))
    assert sorted(p.name for p in (archive / "output").iterdir()) == ["attributes", "run.json"]


def test_what_a_killed_run_found_of_a_span_is_known_to_the_next(tiny_weights: Path, tmp_path: Path) -> None:
    """Times that microseconds do not hold, of which one span alone has some."""
    seen = pa.array([i * 10**9 + (1 if i < 3 else 0) for i in range(14)], pa.timestamp("ns", "UTC"))
    in_groups(tmp_path / "manifest.parquet", some_rows(14), seen=seen)
    with pytest.raises(KeyboardInterrupt):
        infer(tmp_path, tiny_weights, runner=Killed(2))
    infer(tmp_path, tiny_weights)
    assert table_of(tmp_path / "output")["seen"].combine_chunks() == seen


def test_a_job_that_goes_on_plans_nothing_again(archive: Path, tiny_weights: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, runner=Interrupted(2), batch_size=1)
    second = Killed(0)
    summary = infer(archive, tiny_weights, runner=second)
    assert second.done == 0
    assert 0 < summary["stages"]["tracklets"] < 14
    assert summary["counts"]["tracklets"] == 14


@pytest.mark.parametrize("tasks", [True, False])
@pytest.mark.parametrize("cut", [True, False])
def test_a_job_whose_plan_is_not_whole_plans_anew(
    archive: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, tasks: bool, cut: bool
) -> None:
    if not tasks:
        monkeypatch.setattr(survey, "SPAN_ROWS", 100)
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, runner=Interrupted(2), batch_size=1)
    units = max((archive / "output" / "_plan").glob("units-*"), key=lambda path: path.stat().st_size)
    if cut:
        units.write_bytes(units.read_bytes()[:50])
    else:
        units.unlink()
    summary = infer(archive, tiny_weights)
    assert 0 < summary["stages"]["tracklets"] < 14
    assert (
        table_of(archive / "output")["tracklet_id"].to_pylist()
        == pq.read_table(archive / "manifest.parquet")["tracklet_id"].to_pylist()
    )


def id_of(row: dict[str, Any], value: str | None) -> dict[str, Any]:
    return row | {"tracklet_id": value}


def twice(rows: list[dict[str, Any]]) -> None:
    rows[9], rows[12] = id_of(rows[9], "t1"), id_of(rows[12], "t0")


def without_id(rows: list[dict[str, Any]]) -> None:
    rows[8] = id_of(rows[8], "")
    rows[11] = id_of(rows[11], None)
    twice(rows)


@pytest.mark.parametrize(
    ("change", "options", "error", "said"),
    [
        (twice, {}, ManifestError, r"row 9 has the tracklet_id 't1' of row 1; ids must be unique"),
        (without_id, {"limit": 3}, ManifestError, r"row 8: tracklet_id is empty; every row needs"),
        (len, {"split": "nope"}, ManifestError, "no tracklet of split 'nope': nothing to do"),
        (len, {"split": "val", "limit": 2, "partition_by": ("camera_id",)}, UsageError, "has the value '__HIVE"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_manifest_that_is_refused_leaves_the_output_as_it_was(
    there: bool, change: Any, options: Any, error: type[Exception], said: str, tiny_weights: Path, tmp_path: Path
) -> None:
    rows = some_rows(14)
    rows[6]["camera_id"] = "__HIVE_DEFAULT_PARTITION__"
    change(rows)
    in_groups(tmp_path / "manifest.parquet", rows)
    if there:
        (tmp_path / "output").mkdir()
    runner = Killed(100)
    with pytest.raises(error, match=said):
        infer(tmp_path, tiny_weights, runner=runner, **options)
    assert runner.done > 0
    assert (tmp_path / "output").exists() == there
    assert list(tmp_path.glob("output/*")) == []


def test_a_value_that_the_table_cannot_hold_is_refused(tiny_weights: Path, tmp_path: Path) -> None:
    in_groups(tmp_path / "m" / "1.parquet", some_rows(7), x=pa.array([-1] * 7))
    rows = [id_of(row, f"u{i}") for i, row in enumerate(some_rows(7))]
    in_groups(tmp_path / "m" / "2.parquet", rows, x=pa.array([*[5] * 5, 2**63 + 5, 5], pa.uint64()))
    with pytest.raises(
        ManifestError, match=r"row 12 \(row 5 of 2.parquet\): x: does not fit .*one type that holds its"
    ):
        infer(tmp_path, tiny_weights, manifest=tmp_path / "m", limit=1)
    assert not (tmp_path / "output").exists()


def test_a_manifest_that_changes_while_it_is_planned_is_noticed(tiny_weights: Path, tmp_path: Path) -> None:
    class Changing(Killed):
        def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            for done in super().spread(work, items):
                in_groups(tmp_path / "manifest.parquet", some_rows(11))
                yield done

    in_groups(tmp_path / "manifest.parquet", some_rows(14))
    with pytest.raises(
        ManifestError, match=r"3 rows where its files had 4, from row 8 on: it changed while the job read"
    ):
        infer(tmp_path, tiny_weights, runner=Changing(100))
    assert not (tmp_path / "output").exists()


def test_where_workers_may_not_write_the_job_plans_by_itself(
    archive: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Denied(Killed):
        def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            raise storage.PlaceError("cannot write s3://x: AccessDenied", storage.Reason.ACCESS_DENIED)

    summary = infer(archive, tiny_weights, runner=Denied(100), limit=2)
    assert summary["counts"]["tracklets"] == 2
    assert "it plans by itself: cannot write s3://x: AccessDenied" in capsys.readouterr().err


def test_equal_hashes_of_ids_are_looked_at(tmp_path: Path) -> None:
    manifest = Manifest.open(str(in_groups(tmp_path / "m.parquet", [*some_rows(5), id_of(some_rows(1)[0], "t2")])))
    same = pa.table({"hash": pa.array([7] * 6, pa.uint64()), "_row": range(6)})
    found = survey.doubts(same)
    assert found == [(row, 0, row - 1) for row in range(1, 6)]
    assert survey.first_twice(manifest, [*found, (5, 2, 4)]) == Complaint(
        5, " has the tracklet_id 't2' of row 2; ids must be unique (`parjob manifest check` lists all)"
    )
    assert survey.first_twice(manifest, found) is None


@pytest.mark.slow
def test_retry_and_add_by_tasks(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights, limit=9)
    with pytest.raises(OutputError, match=r"limit \(9 there"):
        infer(archive, tiny_weights)
    assert infer(archive, tiny_weights, Add())["stages"]["tracklets"] == 5
    infer(archive, tiny_weights, output=archive / "fresh")
    assert_same_table(table_of(archive / "output"), table_of(archive / "fresh"))
    assert infer(archive, tiny_weights, Retry())["stages"]["tracklets"] == 4
    assert_same_table(table_of(archive / "output"), table_of(archive / "fresh"))


@pytest.mark.slow
def test_an_add_that_is_refused_leaves_no_claim(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights)
    rows = pq.read_table(archive / "manifest.parquet")
    pq.write_table(rows.slice(1), archive / "less.parquet", row_group_size=2)
    with pytest.raises(OutputError, match="lacks 1 of its 14"):
        infer(archive, tiny_weights, Add(), manifest=archive / "less.parquet")
    assert sorted(p.name for p in (archive / "output").iterdir()) == ["attributes", "run.json"]
    assert infer(archive, tiny_weights, Retry())["stages"]["tracklets"] == 4


class Overtaken(Killed):
    """Another job takes the output after the first task of planning, and holds it."""

    def __init__(self, lock_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(100)
        self._lock, self._patch = lock_file, monkeypatch

    def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        for number, done in enumerate(super().spread(work, items)):
            yield done
            if number == 0:
                self._lock.write_text(json.dumps({"token": "another's", "pid": 1, "host": "elsewhere"}))
                for name in ("_LOOK_SECONDS", "_SURE_SECONDS"):
                    self._patch.setattr(lock, name, 0.0)  # the last look is of long ago
                self.there = sorted(self._lock.parent.rglob("*"))


def test_a_job_that_loses_its_output_while_it_plans_leaves_it_as_it_is(
    archive: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Overtaken(archive / "output" / "_lock", monkeypatch)
    with pytest.raises(OutputError, match=r"process 1 on elsewhere has taken .*output over while this job"):
        infer(archive, tiny_weights, runner=runner)
    assert runner.done == 2  # the second task asks before it writes
    assert sorted((archive / "output").rglob("*")) == runner.there
    assert {p.name for p in (archive / "output").iterdir()} == {"_job.json", "_lock", "_plan"}
