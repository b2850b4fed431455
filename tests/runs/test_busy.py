"""What held a job back, and what its user is told to change."""

from __future__ import annotations

import pytest

from par_model.runs.busy import BusyStage, advice, held_back_by, pace, stage_record

STAGES = {"startup_seconds": 2.0, "working_seconds": 20.0}


def said(
    read: float, recognise: float, *, device: str = "cpu", alone: bool = False, seconds: float = 20.0
) -> str | None:
    reader, network = BusyStage("decode", "reading", read, "; skip some"), BusyStage("model", "the network", recognise)
    stages = STAGES | {"working_seconds": seconds}
    return advice(reader, network, stages, device=device, in_one_process=alone)


@pytest.mark.parametrize(
    ("read", "recognise", "device", "alone", "rest"),
    [
        (
            0.9,
            0.3,
            "cuda",
            False,
            ": reading held the job back; more CPUs, or --decode-workers, make it faster; skip some",
        ),
        (0.3, 0.9, "cpu", False, ": the network held the job back; a GPU, or more CPUs, make it faster"),
        (0.3, 0.9, "cuda", False, ": the network held the job back; more GPUs, or --model-actors, make it faster"),
        (0.59, 0.2, "cpu", False, ": neither held the job back, starting or storage did"),
        (0.6, 0.2, "cpu", True, ", one after the other: without --no-ray they run side by side; skip some"),
        (0.2, 0.6, "cpu", True, ", one after the other: without --no-ray they run side by side"),
    ],
)
def test_the_busier_stage_is_named_with_what_would_make_it_faster(
    read: float, recognise: float, device: str, alone: bool, rest: str
) -> None:
    busy = f"reading was busy {read:.0%} of the time, the network {recognise:.0%}"
    assert said(read, recognise, device=device, alone=alone) == busy + rest


def test_some_seconds_of_work_tell_nothing() -> None:
    assert said(0.9, 0.3, seconds=9.9) is None


def test_a_stage_that_is_busy_for_most_of_the_time_held_the_job_back() -> None:
    reader, network = BusyStage("decode", "reading", 0.6), BusyStage("model", "the network", 0.59)
    assert held_back_by(reader, network) is reader
    assert held_back_by(network, reader) is reader
    assert held_back_by(network, network) is None


def test_a_share_is_of_all_workers_and_never_more_than_one() -> None:
    assert stage_record(9.0, 2, 10.0) == {"workers": 2, "busy_seconds": 9.0, "busy_share": 0.45}
    assert stage_record(30.0, 2, 10.0)["busy_share"] == 1.0
    assert stage_record(0.0, 0, 10.0)["busy_share"] is None
    assert stage_record(1.0, 1, 0.0)["busy_share"] is None


def test_the_pace_leaves_the_start_out() -> None:
    assert pace("7 frames", STAGES, 0.5) == "7 frames in 22.0 s: 2.0 s to start, then 0.5 a second"
    assert pace("7 frames", STAGES, None) == "7 frames in 22.0 s: 2.0 s to start"
