"""What is found is on disk within seconds, whoever found it, and is read by video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from par_model import storage
from par_model.errors import FailureCode
from par_model.tracking import store as store_module
from par_model.tracking.batches import FoundBatch, VideoEnd, found_to_table
from par_model.tracking.store import DetectionStore, batches_of

JOB = "ab12"


def found(video: int, number: int, score: float = 0.5) -> FoundBatch:
    """A batch of two frames, with a box in the second."""
    return FoundBatch(
        video=video,
        number=number,
        frames=[2 * number, 2 * number + 1],
        seconds=[0.2 * number, None],
        damage=[None, None],
        counts=[0, 1],
        boxes=np.asarray([[1, 2, 3, 4 + number]], np.float32),
        scores=np.asarray([score], np.float32),
        size=(64, 48),
    )


def end(video: int, number: int, frames: int) -> FoundBatch:
    return FoundBatch(video, number, end=VideoEnd(frames, None))


def failed(video: int, number: int) -> FoundBatch:
    return FoundBatch(video, number, end=VideoEnd(0, None, FailureCode.VIDEO_TIMEOUT, "too slow"))


def opened(folder: Path, run: str = "01", job: str = JOB) -> DetectionStore:
    return DetectionStore(str(folder), job, run, 3, lambda: None)


def test_what_is_missing_is_known_from_what_is_there(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(found_to_table([found(0, 0), found(1, 1), found(0, 1)]))
    store.add(found_to_table([found(1, 3), end(0, 2, 4)]))
    store.flush()
    store.flush()  # of nothing
    assert len(storage.list_files(str(tmp_path))) == 1
    again = opened(tmp_path, "02")
    assert [state.is_complete for state in again.states] == [True, False, False]
    assert (again.states[1].prefix, again.states[1].beyond) == (0, {1, 3})
    again.add(found_to_table([found(1, 0), found(1, 2), end(1, 4, 8), failed(2, 0)]))
    again.flush()
    assert all(state.is_complete for state in again.states)
    for ready in (again, opened(tmp_path, "03")):
        batches = list(batches_of(ready.states[1].pieces))
        assert [batch.number for batch in batches] == [0, 1, 2, 3, 4]
        assert [batch.frames for batch in batches] == [[0, 1], [2, 3], [4, 5], [6, 7], []]
        assert batches[3].boxes.tolist() == [[1, 2, 3, 7]]
        assert batches[3].seconds == pytest.approx([0.6, None])
        assert batches[3].size == (64, 48)
        assert batches[4].end == VideoEnd(8, None)
        (failure,) = batches_of(ready.states[2].pieces)
        assert failure.end == VideoEnd(0, None, FailureCode.VIDEO_TIMEOUT, "too slow")


def test_of_a_batch_that_was_found_twice_the_first_counts(tmp_path: Path) -> None:
    for run, score in (("01", 0.25), ("02", 0.75)):
        store = opened(tmp_path, run)
        store.add(found_to_table([found(0, 0, score), found(0, 0, 0.9), end(0, 1, 2), end(0, 1, 2)]))
        store.flush()
    batches = list(batches_of(opened(tmp_path).states[0].pieces))
    assert [batch.scores.tolist() for batch in batches] == [[0.25], []]


def test_files_of_another_job_are_none_of_this_ones(tmp_path: Path) -> None:
    store = opened(tmp_path, job="cd34")
    store.add(found_to_table([found(0, 0)]))
    store.flush()
    assert not opened(tmp_path).holds_any
    assert opened(tmp_path, job="cd34").holds_any


def test_what_waits_is_written_by_time_and_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    store.add(found_to_table([found(0, 0)]))
    assert storage.list_files(str(tmp_path)) == []
    monkeypatch.setattr(store_module, "_FLUSH_BYTES", 1)
    store.add(found_to_table([found(0, 1)]))
    assert len(storage.list_files(str(tmp_path))) == 1
    monkeypatch.setattr(store_module, "_FLUSH_BYTES", 2**30)
    monkeypatch.setattr(store_module, "_FLUSH_SECONDS", 0.0)
    store.add(found_to_table([found(0, 2)]))
    assert len(storage.list_files(str(tmp_path))) == 2
    assert opened(tmp_path).states[0].prefix == 3
