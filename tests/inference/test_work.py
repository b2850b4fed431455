from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from par_model.errors import FailureCode
from par_model.inference.wire import Work, outcomes_to_table, video_number
from par_model.inference.work import SumOfWork, TotalWork, advice, closing
from par_model.types import Failure

ROW = Failure(0, "t", 3, FailureCode.VIDEO_DAMAGED, "why")


def test_work_adds_up_over_tables_and_workers() -> None:
    total = TotalWork()
    for worker, seconds in ((7, 0.5), (8, 0.25), (7, 0.25)):
        counts = {"frames_decoded": 3, "frames_needed": 2}
        work = Work(decode_seconds=seconds, counts=counts, decode_worker=worker, model_worker=9)
        work.several_tracks = {video_number("s3://b/a.mp4"), video_number(f"s3://b/{worker}.mp4")}
        table = outcomes_to_table([ROW, ROW], work)
        total.begin(table)
        total.add(SumOfWork.of([table]))
    assert (total.decode_seconds, total.counts["frames_decoded"], total.counts["frames_needed"]) == (1.0, 9, 6)
    assert (total.decode_workers, total.model_workers) == ({7, 8}, {9})
    assert len(total.several_tracks) == 3
    assert total.startup_seconds is not None


def test_rates_leave_the_start_out() -> None:
    counts = Counter(frames_decoded=10, frames_needed=8, videos_opened=3, seeks_refuted=1, bytes_read=99)
    counts.update(sampled_by_cost=12, uniform_without_index=5, uniform_unproven=3)
    counts.update(uniform_frames=50, cheap_frames=4, uniform_cost=1000, cheap_cost=250)
    total = TotalWork(4.0, 9.0, counts, {1, 2}, {3}, {-5, 6}, startup_seconds=5.0, recognised=19)
    rates = total.rates(20, 15.0)
    assert rates == {
        "tracklets": 20,
        "recognised": 19,
        "working_seconds": 10.0,
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
            "sampled_by_cost": 12,
            "videos_with_several_tracks": 2,
            "sampled_uniformly": {"no_packet_index": 5, "beyond_the_end": 0, "unproven": 3},
            "cheap_sampling": {"frames_share": 0.08, "time_share": 0.25},
        },
        "model": {"workers": 1, "busy_seconds": 9.0, "busy_share": 0.9, "tracklets_per_busy_second": 2.222},
        "held_back_by": "model",
    }


ON_GPU: dict[str, Any] = {"device": "cuda", "in_one_process": False}


def stages(
    decode: float = 9.0, model: float = 3.0, tracklets: int = 5, recognised: int = 5, seconds: float = 10.0
) -> Any:
    total = TotalWork(decode, model, decode_workers={1}, model_workers={2}, startup_seconds=0.0, recognised=recognised)
    return total.rates(tracklets, seconds)


@pytest.mark.parametrize(
    ("decode", "model", "said"),
    [(9.0, 3.0, "decoding held"), (3.0, 9.0, "more GPUs"), (1.0, 1.0, "neither held")],
)
def test_advice_names_the_stage_that_was_busy(decode: float, model: float, said: str) -> None:
    assert said in str(advice(stages(decode, model), **ON_GPU))


@pytest.mark.parametrize(
    ("weighed", "said"),
    [
        ({"uniform_frames": 50, "cheap_frames": 4, "uniform_cost": 100, "cheap_cost": 25}, True),
        ({"uniform_frames": 50, "cheap_frames": 49, "uniform_cost": 100, "cheap_cost": 99}, False),
        ({}, False),
    ],
)
def test_advice_names_cheap_sampling_where_that_pays_and_decoding_is_slow(weighed: dict[str, int], said: bool) -> None:
    would = "; --sampling cheap would decode 8% of the frames, in about 25% of the time"
    slow, fast = (TotalWork(s, 5.0, Counter(weighed), {1}, {2}, startup_seconds=0.0, recognised=5) for s in (9.0, 1.0))
    for in_one_process in (True, False):
        told = advice(slow.rates(5, 10.0), device="cpu", in_one_process=in_one_process)
        assert str(told).endswith(would) == said
        assert "cheap" not in str(advice(fast.rates(5, 10.0), device="cpu", in_one_process=in_one_process))


def test_advice_fits_where_the_stages_ran() -> None:
    assert "a GPU, or more CPUs" in str(advice(stages(3.0, 9.0), device="cpu", in_one_process=False))
    assert "without --no-ray" in str(advice(stages(), device="cpu", in_one_process=True))


@pytest.mark.parametrize("cannot_tell", [{"seconds": 9.9}, {"recognised": 2}, {"tracklets": 1, "recognised": 1}])
def test_no_advice_where_the_figures_cannot_tell(cannot_tell: dict[str, Any]) -> None:
    assert advice(stages(**cannot_tell), **ON_GPU) is None


def test_the_closing_lines_count_what_was_recognised() -> None:
    assert closing(stages(recognised=0, seconds=3.1), **ON_GPU) == ["none recognised, 5 failed, in 3.1 s"]
    assert closing(stages(recognised=3, seconds=6.0), **ON_GPU) == [
        "3 recognised, 2 failed, in 6.0 s: 0.0 s to start, then 0.5 a second"
    ]
    assert closing(stages(seconds=5.0), **ON_GPU) == ["5 recognised, in 5.0 s: 0.0 s to start, then 1.0 a second"]
    assert closing(stages(tracklets=0, recognised=0), **ON_GPU) == []
    assert len(closing(stages(), **ON_GPU)) == 2


def test_only_outcomes_without_an_error_are_recognised() -> None:
    total = TotalWork()
    total.add(SumOfWork.of([outcomes_to_table([ROW, ROW], Work())]))
    assert total.recognised == 0


def test_nothing_done_has_no_rates() -> None:
    rates = TotalWork().rates(0, 0.0)
    assert rates["tracklets_per_second"] is None
    assert rates["held_back_by"] is None
