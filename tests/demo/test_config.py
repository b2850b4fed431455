"""What can be rendered."""

from __future__ import annotations

from typing import Any

import pytest

from par_model.demo.config import StreetConfig
from par_model.errors import UsageError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cameras": 0}, "cameras is 0, expected at least 1"),
        ({"first_camera": -1}, "first_camera is -1, expected 0 or more"),
        ({"seconds": 90000.0}, "seconds is 90000.0, expected above 0 and at most a day"),
        ({"fps": 0.0}, "fps is 0.0, expected from 0.1 to 60"),
        ({"width": 101}, "width is 101, expected an even number from 64"),
        ({"height": 62}, "height is 62, expected an even number from 64"),
        ({"tint": (1.0, 0.0, 1.0)}, "tint is (1.0, 0.0, 1.0), expected three numbers above 0 and at most 2"),
        ({"vest_share": 1.5}, "vest_share is 1.5, expected from 0 to 1"),
        ({"splits": (0.5, 0.4, 0.2)}, "splits is (0.5, 0.4, 0.2), expected shares that sum to 1"),
        ({"run_share": 1.5}, "run_share is 1.5, expected from 0 to 1"),
        ({"stop_share": -0.1}, "stop_share is -0.1, expected from 0 to 1"),
        ({"people_per_minute": 0.0}, "people_per_minute is 0.0, expected above 0"),
        ({"min_boxes": 0}, "min_boxes is 0, expected at least 1"),
        ({"seconds": float("nan")}, "seconds is nan, expected above 0 and at most a day"),
    ],
)
def test_values_out_of_range_are_named_with_their_limit(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        StreetConfig(**changes)
    assert str(caught.value) == f"street configuration: {said}"


@pytest.mark.parametrize(("seconds", "fps", "frames"), [(60.0, 12, 720), (0.01, 12, 1), (14, 2, 28), (1.25, 10, 12)])
def test_the_number_of_frames_is_time_by_rate_and_one_at_least(seconds: float, fps: float, frames: int) -> None:
    assert StreetConfig(seconds=seconds, fps=fps).num_frames == frames
