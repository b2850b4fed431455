"""The benchmark of readers counts crops that show the frame that they are said to be of, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.peer_files import BITS, HEIGHT, STRIPE, TOP, Picture, draw_number, read_number, right_crops
from benchmarks.peer_readers import SIZE, any_frame, cut, sampled
from benchmarks.peers import Measured, against, described, score
from par_model.types import Tracklet
from par_model.video.crop import cut_crop
from par_model.video.fit import fit_crop

WIDTH = 120
BOX = (20.0, 280.0, 90.0, 230.0)


def picture(number: int) -> Picture:
    drawn = np.full((HEIGHT, WIDTH, 3), 140, np.uint8)
    draw_number(drawn, number)
    return drawn


def fitted(of: Picture, box: tuple[float, float, float, float] = BOX) -> Picture:
    return fit_crop(cut_crop(of, np.float32(box), 0), SIZE)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**BITS - 1), st.floats(0, WIDTH - 40), st.floats(200, TOP), st.floats(2, 60))
def test_a_number_is_read_from_any_box_that_holds_the_stripes(number: int, x: float, y: float, more: float) -> None:
    box = (x, float(np.float32(y)), 40.0, TOP + BITS * STRIPE + more - y)
    assert read_number(fitted(picture(number), box), box[1], box[3]) == number


def test_what_shows_no_number_or_a_blend_of_two_is_of_no_frame() -> None:
    assert read_number(np.full((224, 224, 3), 127, np.uint8), BOX[1], BOX[3]) == -1
    assert read_number(fitted(picture(6))[:0], BOX[1], BOX[3]) == -1
    blend = (fitted(picture(6)).astype(int) + fitted(picture(7))) // 2
    assert read_number(blend.astype(np.uint8), BOX[1], BOX[3]) == -1


def test_crops_of_neighbours_do_not_count() -> None:
    crops = np.stack([fitted(picture(number)) for number in (5, 6, 7, 1499)])
    assert right_crops(crops, [5, 6, 7, 1499], BOX) == 4
    assert right_crops(crops, [5, 7, 6, 1499], BOX) == 2
    assert right_crops(crops, [4, 5, 6, 1500], BOX) == 0


def tracklet(row: int, start: int, length: int) -> Tracklet:
    frames = np.arange(start, start + length, dtype=np.int32)
    return Tracklet(row, f"t{row}", video_uri="v", frame_indices=frames, boxes=np.tile(np.float32([BOX]), (length, 1)))


def test_crops_are_scored_by_tracklet(tmp_path: Path) -> None:
    tracklets = [tracklet(0, 0, 12), tracklet(1, 6, 12)]
    takers = sampled(tracklets)
    assert sorted(takers) == [1, 3, 5, 7, 9, 11, 13, 15, 17]
    off_by_one = [(index, picture(index + (index == 9))) for index in takers]
    rows, frames, images = zip(*cut(off_by_one, takers), strict=True)
    np.savez(tmp_path / "crops.npz", rows=rows, frames=frames, images=images)
    asked = json.loads(json.dumps([described(t) for t in tracklets]))
    assert asked[1] == {"start": 6, "length": 12, "box": list(BOX)}
    assert score(tmp_path / "crops.npz", asked) == (12, 10)  # frame 9 is of both


def test_frames_that_a_reader_chose_are_cut_for_each_tracklet_in_which_they_lie() -> None:
    takers = any_frame([tracklet(0, 0, 60), tracklet(1, 40, 20)])
    found = cut([(0, picture(0)), (50, picture(50)), (100, picture(100))], takers)
    assert [(row, index) for row, index, _ in found] == [(0, 0), (0, 50), (1, 50)]


def test_daft_is_given_the_cutting_of_the_crops_that_it_lacks() -> None:
    seconds = {"ours-tightest": 0.6, "daft-key-time": 0.9, "cutting": 0.2, "decord-each": 12.0}
    crops = {"daft-key-time": 180}
    found = {n: {"quiet": Measured(s, 0.0, crops.get(n, 360), 0)} for n, s in seconds.items()}
    lines = against(found)
    assert [line[1:] for line in lines] == [
        ["0.60 s", "1.00 s", "0.60 of it", "<= 0.7"],
        ["0.60 s", "12.00 s", "20.0 times faster", ">= 18"],
    ]
    del found["cutting"]
    assert len(against(found)) == 1


@pytest.mark.parametrize("number", [0, 1, 2**BITS - 1])
def test_one_stripe_changes_from_frame_to_frame(number: int) -> None:
    before, after = np.zeros((2, HEIGHT, 4, 3), np.uint8)
    draw_number(before, number)
    draw_number(after, number ^ 1 if number else 1)
    assert (before != after).any(axis=(1, 2)).sum() == STRIPE
