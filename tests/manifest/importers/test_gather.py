"""Boxes in the order of a file become tracks, or are refused with their lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.errors import ManifestError
from par_model.manifest.importers.gather import Lines, Listed, Numbering, from_corners, gather
from par_model.manifest.importers.tracks import TrackBox

Row = tuple[str, int, tuple[float, float, float, float]]


def listed(rows: Sequence[Row], **more: Any) -> Listed:
    """Rows of a file whose first line is a header."""
    boxes = np.array([box for _, _, box in rows], np.float64).reshape(-1, 4)
    frames = np.array([frame for _, frame, _ in rows], np.int64)
    return Listed([name for name, _, _ in rows], frames, boxes, Lines("t.txt", range(2, 2 + len(rows))), **more)


def test_tracks_come_in_the_order_of_numbers_and_boxes_in_that_of_frames() -> None:
    found = gather(listed([("10", 4, (0, 0, 1, 1)), ("9", 7, (1, 1, 1, 1)), ("a", 3, (0, 0, 1, 1)),
                           ("9", 2, (2.5, 2, 1, 1)), ("-1", 2, (0, 0, 1, 1))]))  # fmt: skip
    assert list(found.by_id) == ["9", "10", "a"]
    assert list(found.by_id["9"]) == [TrackBox(2, 2.5, 2, 1, 1), TrackBox(7, 1, 1, 1, 1)]
    assert [str(left) for left in found.left_out] == ["1 box of no track (negative track id)"]


@pytest.mark.parametrize(
    ("numbering", "frames"),
    [(Numbering(), [1, 4]), (Numbering(first=1), [0, 3]), (Numbering(first=1, step=5), [0, 15])],
)
def test_numbers_lead_to_frames_of_the_video(numbering: Numbering, frames: list[int]) -> None:
    found = gather(listed([("1", 1, (0, 0, 1, 1)), ("1", 4, (0, 0, 1, 1))]), numbering)
    assert found.by_id["1"].frames.tolist() == frames


def test_rows_that_are_repeated_merge_unless_they_say_something_else() -> None:
    twice: list[Row] = [("1", 3, (0, 0, 1, 1)), ("2", 3, (0, 0, 1, 1)), ("1", 3, (0, 0, 1, 1))]
    found = gather(listed(twice))
    assert (found.merged, found.num_boxes) == (1, 2)
    unlike = r"^t\.txt, lines 2 and 4: frame 3 has track 1 twice, with different values"
    with pytest.raises(ManifestError, match=unlike):
        gather(listed([*twice[:2], ("1", 3, (0, 0, 1, 2))]))
    with pytest.raises(ManifestError, match=unlike):
        gather(listed(twice, others=np.array([[0.9], [0.9], [0.8]])))
    nothing = np.full((3, 1), np.nan)
    assert gather(listed(twice, others=nothing)).merged == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("1", 0, (0, 0, 1, 1)), "frame 0, but frames are counted from 1; if it counts from 0, say --first-frame 0"),
        (("1", -3, (0, 0, 1, 1)), "frame -3, but frames are counted from 1"),
        (("1", 2**40, (0, 0, 1, 1)), f"frame {2**40} is beyond any video's end"),
        (("1", 1, (0, 0, 0, 1)), "width 0 and height 1 must be positive; --skip-bad-boxes leaves such boxes out"),
        (("1", 1, (0, 0, 1e39, 1)), "box (0.0, 0.0, 1e+39, 1.0) is not finite in 32 bits; --skip-bad-boxes"),
    ],
)
def test_what_is_no_box_of_the_video_is_refused_with_its_line(row: Row, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        gather(listed([("1", 2, (0, 0, 1, 1)), row]), Numbering(first=1))
    assert str(caught.value).startswith(f"t.txt, line 3: {said}")


def test_bad_boxes_are_left_out_on_request_and_counted_by_kind() -> None:
    rows: list[Row] = [
        ("1", 1, (0, 0, 1, 1)),
        ("1", 2, (0, 0, -1, 1)),
        ("1", 3, (np.nan, 0, 0, 1)),
        ("1", 4, (0, 0, 1, 0)),
    ]
    found = gather(listed(rows), skip_bad_boxes=True)
    assert found.by_id["1"].frames.tolist() == [1]
    assert [str(left) for left in found.left_out] == [
        "1 box with a number that is not finite",
        "2 boxes without a width and height",
    ]


@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows: list[Row] = [(str(i % 2), i, (i, 0, 1, 1)) for i in range(6)]
    found = gather(listed([rows[i] for i in order]))
    assert {name: track.frames.tolist() for name, track in found.by_id.items()} == {"0": [0, 2, 4], "1": [1, 3, 5]}


def test_nothing_gives_no_tracks_and_corners_become_sides() -> None:
    assert gather(listed([])).by_id == {}
    assert from_corners(np.array([[1.0, 2, 5, 10]])).tolist() == [[1, 2, 4, 8]]
