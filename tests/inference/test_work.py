from __future__ import annotations

import pytest

from par_model.errors import FailureCode
from par_model.inference.wire import Work, outcomes_to_table, video_number
from par_model.inference.work import TotalWork, advice
from par_model.types import Failure

ROW = Failure(0, "t", 3, FailureCode.VIDEO_DAMAGED, "why")


def test_work_adds_up_over_tables_and_workers() -> None:
    total = TotalWork()
    for worker, seconds in ((7, 0.5), (8, 0.25), (7, 0.25)):
        work = Work(decode_seconds=seconds, frames_decoded=3, frames_needed=2, decode_worker=worker, model_worker=9)
        work.several_tracks = {video_number("s3://b/a.mp4"), video_number(f"s3://b/{worker}.mp4")}
        total.add(outcomes_to_table([ROW, ROW], work))
    assert (total.decode_seconds, total.frames_decoded, total.frames_needed) == (1.0, 9, 6)
    assert (total.decode_workers, total.model_workers) == ({7, 8}, {9})
    assert len(total.several_tracks) == 3
    assert total.startup_seconds is not None


def test_rates_leave_the_start_out() -> None:
    total = TotalWork(4.0, 9.0, 10, 8, 3, 1, 99, {1, 2}, {3}, {-5, 6}, startup_seconds=5.0)
    rates = total.rates(20, 15.0)
    assert rates == {
        "tracklets": 20,
        "startup_seconds": 5.0,
        "tracklets_per_second": 2.0,
        "decode": {
            "workers": 2,
            "busy_seconds": 4.0,
            "busy_share": 0.2,
            "tracklets_per_busy_second": 5.0,
            "frames_decoded": 10,
            "frames_needed": 8,
            "videos_opened": 3,
            "seeks_refuted": 1,
            "bytes_read": 99,
            "videos_with_several_tracks": 2,
        },
        "model": {"workers": 1, "busy_seconds": 9.0, "busy_share": 0.9, "tracklets_per_busy_second": 2.222},
        "held_back_by": "model",
    }


@pytest.mark.parametrize(
    ("decode", "model", "said"),
    [(9.0, 3.0, "decoding held"), (3.0, 9.0, "the model held"), (1.0, 1.0, "neither held")],
)
def test_advice_names_the_stage_that_was_busy(decode: float, model: float, said: str) -> None:
    total = TotalWork(decode, model, decode_workers={1}, model_workers={2}, startup_seconds=0.0)
    assert said in advice(total.rates(5, 10.0))


def test_nothing_done_has_no_rates() -> None:
    rates = TotalWork().rates(0, 0.0)
    assert rates["tracklets_per_second"] is None
    assert rates["held_back_by"] is None
