"""Outcomes become parts, whoever writes them and whatever happens to who does. tests/cluster has the real workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from par_model.errors import ClusterError, FailureCode, OutputError, StorageError
from par_model.inference import keep
from par_model.inference.keep import Keeper, Kept, write_kept
from par_model.inference.wire import Work, outcomes_to_table
from par_model.inference.work import TotalWork
from par_model.runs.parts import PartStore, PartToWrite, outcomes_of
from par_model.types import Failure

HELD: Any = SimpleNamespace(look_only=lambda: lambda: None)


def outcomes(*rows: int) -> pa.Table:
    failures = [Failure(r, f"t{r}", 3, FailureCode.VIDEO_DAMAGED, "why") for r in rows]
    return outcomes_to_table(failures, Work(decode_seconds=1.0, decode_worker=5))


@dataclass
class There:
    """Outcomes in another process."""

    table: pa.Table
    lost: bool = False

    @property
    def num_rows(self) -> int:
        return len(self.table)

    @property
    def nbytes(self) -> int:
        return self.table.nbytes

    def fetched(self, seconds: float) -> pa.Table:
        if self.lost:
            raise ClusterError("its node is gone")
        return self.table


@dataclass
class Task:
    run: Any
    rounds: int
    patience: list[float] = field(default_factory=list)

    def kept(self, seconds: float) -> Kept | None:
        self.patience.append(seconds)
        self.rounds -= 1
        return None if self.rounds >= 0 else self.run()


@dataclass
class Workers:
    """Write when asked after ``rounds`` questions without an answer. error: what they raise instead."""

    rounds: int = 1
    error: Exception | None = None
    tasks: list[Task] = field(default_factory=list)

    def write(self, part: PartToWrite, waiting: Sequence[pa.Table | There]) -> Task:
        def run() -> Kept:
            if self.error is not None:
                raise self.error
            return write_kept(part, *(some.table if isinstance(some, There) else some for some in waiting))

        self.tasks.append(Task(run, self.rounds))
        return self.tasks[-1]


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PartStore:
    """A part for whatever is added."""
    monkeypatch.setattr(keep, "_FLUSH_BYTES", 1)
    return PartStore(str(tmp_path / "_parts"), "job", "run", 4, lambda: None)


def keep_all(parts: PartStore, workers: Workers | None, *some: pa.Table | There, error: Exception | None = None) -> Any:
    work = TotalWork()
    with Keeper(parts, HELD, work, workers) as keeper:
        for one in some:
            keeper.add(one)
        if error is not None:
            raise error
    return work


@pytest.mark.parametrize("rounds", [0, 1, 2, 9])
def test_workers_write_what_they_have_and_this_process_counts_it(parts: PartStore, rounds: int) -> None:
    workers = Workers(rounds)
    work = keep_all(parts, workers, *(There(outcomes(r, r + 10)) for r in range(5)))
    assert parts.done().rows().tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert len(workers.tasks) == 5
    assert (work.decode_seconds, work.decode_workers, work.recognised) == (5.0, {5}, 0)


def test_without_workers_all_is_written_here(parts: PartStore) -> None:
    work = keep_all(parts, None, outcomes(1), There(outcomes(2)))
    assert (parts.done().rows().tolist(), len(parts.parts), work.decode_seconds) == ([1, 2], 2, 2.0)


def test_what_waits_is_one_part_when_the_block_ends(parts: PartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "_FLUSH_BYTES", 2**30)
    keep_all(parts, Workers(), *(There(outcomes(r)) for r in (3, 1, 2)))
    assert [(part.first_row, part.last_row) for part in parts.parts] == [(1, 3)]


def test_workers_that_may_not_write_leave_it_to_this_process(
    parts: PartStore, caplog: pytest.LogCaptureFixture
) -> None:
    workers = Workers(0, StorageError("cannot write: access denied"))
    keep_all(parts, workers, *(There(outcomes(r)) for r in range(4)))
    assert parts.done().rows().tolist() == [0, 1, 2, 3]
    assert len(workers.tasks) == 1
    assert [record.message for record in caplog.records if "access denied" in record.message] == [
        "workers cannot write below the output, so this process does: cannot write: access denied"
    ]


def test_a_task_that_ends_its_workers_is_done_here_and_what_is_lost_is_not_done(parts: PartStore) -> None:
    workers = Workers(0, ClusterError("a worker failed for good"))
    lost, there = There(outcomes(2), lost=True), There(outcomes(1))
    keep_all(parts, workers, lost, There(outcomes(0)), there, lost)
    assert parts.done().rows().tolist() == [0, 1]
    keep_all(parts, None, lost, There(outcomes(3)), lost)
    assert parts.done().rows().tolist() == [0, 1, 3]


def test_a_lost_lock_ends_the_job(parts: PartStore) -> None:
    with pytest.raises(OutputError, match="taken"):
        keep_all(parts, Workers(0, OutputError("another has taken it")), There(outcomes(0)))
    assert parts.parts == []


def test_who_is_interrupted_does_not_wait_for_workers(parts: PartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they write all the same is there twice, and counts once."""
    monkeypatch.setattr(keep, "_HURRY_SECONDS", 0.5)
    workers = Workers(99)
    with pytest.raises(KeyboardInterrupt):
        keep_all(parts, workers, There(outcomes(0)), There(outcomes(1)), error=KeyboardInterrupt())  # type: ignore[arg-type]
    assert parts.done().rows().tolist() == [0, 1]
    assert max(seconds for task in workers.tasks for seconds in task.patience) <= 0.5
    for task in workers.tasks:
        parts.count(task.run().part)
    (found,) = outcomes_of([part.uri for part in parts.parts], [(0, 4)])
    assert found["_row"].to_pylist() == [0, 1]


def test_few_parts_are_being_written_at_a_time(parts: PartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "_MOST_BEING_WRITTEN", 2)
    workers = Workers(4)
    keep_all(parts, workers, *(There(outcomes(r)) for r in range(6)))
    assert parts.done().rows().tolist() == list(range(6))
    assert any(seconds > 0 for seconds in workers.tasks[0].patience)
