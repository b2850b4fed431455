"""What a tracking job says of its speed and of its result."""

from __future__ import annotations

from typing import Any

import pytest

from par_model.tracking.options import FollowOptions, TrackOptions
from par_model.tracking.work import closing, warnings_of


def stages(decode: float, detect: float, *, seconds: float = 20.0) -> dict[str, Any]:
    return {
        "frames": 200,
        "startup_seconds": 2.0,
        "working_seconds": seconds,
        "frames_per_second": 10.0,
        "decode": {"busy_share": decode},
        "detect": {"busy_share": detect},
    }


@pytest.mark.parametrize(
    ("decode", "detect", "device", "alone", "said"),
    [
        (0.1, 0.9, "cpu", False, "the detector held the job back; a GPU, or more CPUs, make it faster; --every N"),
        (
            0.1,
            0.9,
            "cuda",
            False,
            "the detector held the job back; more GPUs, or --model-actors, make it faster; --every N",
        ),
        (0.9, 0.3, "cuda", False, "reading pictures held the job back; more CPUs, or --decode-workers, make it faster"),
        (0.2, 0.2, "cpu", False, "neither held the job back, starting or storage did"),
        (0.55, 0.45, "cpu", True, "without --no-ray they run side by side"),
        (0.2, 0.9, "cpu", True, "without --no-ray they run side by side; --every N looks at fewer frames"),
    ],
)
def test_what_held_a_job_back(decode: float, detect: float, device: str, alone: bool, said: str) -> None:
    rate, advice = closing(stages(decode, detect), device=device, in_one_process=alone)
    assert rate == "200 frames in 22.0 s: 2.0 s to start, then 10.0 a second"
    busy, _, rest = advice.partition(": ")
    turns = ", one after the other" if alone else ""
    assert busy == f"reading pictures was busy {decode:.0%} of the time, the detector {detect:.0%}{turns}"
    assert rest.startswith(said)


def test_figures_of_some_seconds_tell_nothing() -> None:
    assert len(closing(stages(0.1, 0.9, seconds=5), device="cpu", in_one_process=False)) == 1
    assert closing(stages(0.1, 0.9) | {"frames": 0}, device="cpu", in_one_process=False) == []


def row(**more: Any) -> dict[str, Any]:
    return {"status": "ok", "detections": 10, "tracks": 1, "best_score": 0.9, "damaged_frames": 0} | more


def options(every: int = 1, **follow: Any) -> TrackOptions:
    return TrackOptions(videos=("v",), detector="demo", output="out", every=every, follow=FollowOptions(**follow))


def test_nothing_is_said_of_videos_in_which_all_went_well() -> None:
    assert warnings_of([row(), row()], options()) == []


def test_what_a_user_should_know() -> None:
    weak = row(tracks=0, best_score=0.42)
    assert warnings_of([row(), weak], options()) == [
        "1 video with boxes of people, but no tracks; the best score is 0.42, and tracks begin at 0.7: lower "
        "--start-score"
    ]
    silent = "1 video with boxes of people, but no tracks; no person was found in frames that follow each other"
    assert warnings_of([row(tracks=0)], options()) == [silent]
    assert warnings_of([row(tracks=0)], options(every=2)) == [f"{silent}: look at more of them with a lower --every"]
    assert warnings_of([row(tracks=0)], options(every=2, min_length=30)) == [
        "1 video with boxes of people, but no tracks; no track has the 30 boxes that --min-length asks for: lower it"
    ]
    nobody = row(detections=0, tracks=0, best_score=None)
    assert warnings_of([nobody] * 2, options()) == ["2 videos without any person found"]
    assert warnings_of([row(damaged_frames=1), row(damaged_frames=2)], options()) == [
        "3 damaged frames of 2 videos not looked at; --damaged use does"
    ]
    assert warnings_of([row(status="failed", detections=0, tracks=0, best_score=None)], options()) == []
