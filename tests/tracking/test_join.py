"""Which fragments are one person."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from par_model.tracking.job import run_tracking
from par_model.tracking.join import Fragments, chains
from par_model.tracking.options import JoinOptions, TrackOptions
from par_model.tracking.runner import LocalTracking
from tests.tracking.colours import ColourDetector, Walk, write_walks

RED, BLUE = (1.0, 0.0), (0.0, 1.0)
NEARLY_RED = (0.96, 0.28)


def fragments(*found: tuple[float, float, float, float, tuple[float, float]]) -> Fragments:
    """Each as begin, end, left of the first and of the last box, looks. Boxes are 40 wide and 100 high."""
    begins, ends, first, last, looks = zip(*found, strict=True)
    boxes = [np.asarray([[left, 0, 40, 100] for left in lefts], np.float32) for lefts in (first, last)]
    return Fragments(np.asarray(begins), np.asarray(ends), *boxes, np.asarray(looks, np.float32))


@pytest.mark.parametrize(
    ("second", "made"),
    [
        ((12.0, 20.0, 250.0, 300.0, RED), [[0, 1]]),
        ((12.0, 20.0, 250.0, 300.0, NEARLY_RED), [[0, 1]]),
        ((12.0, 20.0, 250.0, 300.0, BLUE), [[0], [1]]),
        ((9.0, 20.0, 250.0, 300.0, RED), [[0], [1]]),  # there at the same time
        ((10.0, 20.0, 250.0, 300.0, RED), [[0], [1]]),
        ((16.0, 20.0, 250.0, 300.0, RED), [[0], [1]]),  # too late
        ((12.0, 20.0, 900.0, 300.0, RED), [[0], [1]]),  # too far away
        ((12.0, 20.0, 690.0, 300.0, RED), [[0, 1]]),
        ((12.0, 20.0, 250.0, 300.0, (0.0, 0.0)), [[0], [1]]),  # whose crops could not be read
    ],
)
def test_when_two_are_one(
    second: tuple[float, float, float, float, tuple[float, float]], made: list[list[int]]
) -> None:
    """The first ends at 10 s at 200 pixels; 2 s later somebody may be 500 pixels away."""
    assert chains(fragments((0.0, 10.0, 100.0, 200.0, RED), second), 0.95, 5.0) == made


def test_the_most_alike_are_joined_first_and_each_once() -> None:
    three = fragments((0.0, 10.0, 0.0, 0.0, RED), (12.0, 20.0, 0.0, 0.0, NEARLY_RED), (13.0, 20.0, 50.0, 50.0, RED))
    assert chains(three, 0.95, 5.0) == [[0, 2], [1]]


def test_a_chain_of_three_in_order_of_time_whatever_the_order_of_tracks() -> None:
    three = fragments((22.0, 30.0, 0.0, 0.0, RED), (0.0, 10.0, 0.0, 0.0, RED), (12.0, 20.0, 0.0, 0.0, RED))
    assert chains(three, 0.95, 5.0) == [[1, 2, 0]]


@pytest.mark.slow
def test_who_was_hidden_is_one_tracklet_again(tiny_weights: Path, tmp_path: Path) -> None:
    """Red is out of sight for 1.8 s of ten frames a second, which is longer than the tracker waits."""
    hidden = range(20, 38)
    write_walks(tmp_path / "a.mp4", [Walk("red", 0, 59, 4, 2, hidden), Walk("green", 5, 55, 80, 0)])
    rows = {}
    for join in (None, str(tiny_weights)):
        options = TrackOptions(
            videos=(str(tmp_path / "a.mp4"),),
            detector="colours",
            output=str(tmp_path / str(join is None)),
            join=JoinOptions(join),
        )
        record = run_tracking(options, lambda: nullcontext(LocalTracking("cpu", 1)), ColourDetector)
        rows[join is None] = pq.read_table(tmp_path / str(join is None) / "tracklets.parquet").to_pylist()
        videos = pq.read_table(tmp_path / str(join is None) / "_videos.parquet").to_pylist()
        assert record["counts"]["tracklets"] == videos[0]["tracks"] == len(rows[join is None])
    assert [row["tracklet_id"] for row in rows[True]] == ["a-0", "a-1", "a-2"]
    assert [row["tracklet_id"] for row in rows[False]] == ["a-0", "a-1"]
    red, green = rows[False]
    assert red["frame_indices"] == [*range(20), *range(38, 60)]
    assert red["boxes"] == rows[True][0]["boxes"] + rows[True][2]["boxes"]
    assert green == rows[True][1]
