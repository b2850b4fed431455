"""How much of a tracklet others hide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.labelling.covered import Boxes, covered, more_covered, read_covered
from par_model.manifest.read import Manifest
from par_model.manifest.write import write_manifest


def row(name: str, frames: list[int], left: float, top: float, *, video: str | None = "v.mp4", **more: Any) -> Any:
    """A tracklet whose boxes are all 10 wide and 20 high at one place; stills where ``video`` is None."""
    boxes = [{"x": left, "y": top, "w": 10.0, "h": 20.0}] * len(frames)
    where = (
        {"image_uris": ["a.png"]} if video is None else {"video_uri": video, "frame_indices": frames, "boxes": boxes}
    )
    return {"tracklet_id": name, "camera_id": "a", **where, **more}


def read(folder: Path, rows: list[Any], **asked: Any) -> list[float]:
    write_manifest(str(folder / "m.parquet"), rows)
    manifest = Manifest.open(str(folder / "m.parquet"))
    return [float(share) for share in read_covered(manifest, range(len(rows)), **asked)]


def test_who_stands_nearer_hides_the_other_where_both_are_in_the_picture(tmp_path: Path) -> None:
    """Half of the width and three quarters of the height, in two of four frames; not in another video or stream."""
    rows = [
        row("far", [1, 2, 3, 4], 0, 0),
        row("near", [3, 4, 5], 5, 5),
        row("elsewhere", [3, 4], 0, 5, video="w.mp4"),
        row("other stream", [3, 4], 0, 5, video_stream=1),
        row("stills", [], 0, 0, video=None),
    ]
    assert read(tmp_path, rows) == pytest.approx([0.5 * 0.75 / 2, 0, 0, 0, 0])


def test_of_two_whose_feet_the_edge_cuts_the_taller_is_nearer() -> None:
    corners = np.array([[0, 10, 10, 20.2], [5, 0, 15, 20], [5, 0, 15, 20]], np.float32)
    boxes = Boxes(np.arange(3), np.array([0, 0, 1], np.int32), np.zeros(3, np.int32), corners)
    assert covered(boxes).tolist() == pytest.approx([5 * 10 / (10 * 10.2), 0, 0])


@pytest.mark.parametrize("far", [1e20, 3e38, float("inf")])
def test_boxes_beyond_all_pictures_hide_nobody_and_spoil_no_median(far: float, tmp_path: Path) -> None:
    rows = [row("far", [1, 2], 0, 0), row("near", [1, 2], 5, 5)]
    rows += [
        {**row(name, [1], 0, 0), "boxes": [{"x": 0.0, "y": y, "w": far, "h": far}]}
        for name, y in (("a", 0.0), ("b", 5.0))
    ]
    shares = read(tmp_path, rows)
    assert shares == pytest.approx([0.5 * 0.75, 0, 0, 0])
    assert more_covered(shares, ["a"] * 4).tolist() == [True, False, False, False]


def test_of_very_many_boxes_some_frames_are_compared_of_everybody_the_same(tmp_path: Path) -> None:
    rows = [row("far", [*range(40)], 0, 0), row("near", [*range(20, 60)], 5, 5)]
    assert read(tmp_path, rows) == pytest.approx([0.5 * 0.75 / 2, 0])
    assert read(tmp_path, rows, most_boxes=20) == pytest.approx([0.5 * 0.75 / 2, 0])
    assert read(tmp_path, rows, most_boxes=0) == [0, 0]


_PLACE = st.integers(0, 12).map(float)
_BOX = st.tuples(st.integers(0, 1), st.integers(0, 2), _PLACE, _PLACE, st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=200, deadline=None)
@given(st.lists(_BOX, max_size=14))
def test_covered_is_the_most_that_any_one_nearer_box_covers(drawn: list[tuple[Any, ...]]) -> None:
    values = np.array(drawn, float).reshape(-1, 6)
    corners = np.concatenate([values[:, 2:4], values[:, 2:4] + values[:, 4:]], axis=1).astype(np.float32)
    video, frame = values[:, 0].astype(np.int32), values[:, 1].astype(np.int32)
    found = covered(Boxes(np.arange(len(drawn)), video, frame, corners))
    for i, a in enumerate(drawn):
        expected = 0.0
        for b in drawn:
            nearer = (b[3] + b[5], b[5]) > (a[3] + a[5], a[5])
            width = min(a[2] + a[4], b[2] + b[4]) - max(a[2], b[2])
            height = min(a[3] + a[5], b[3] + b[5]) - max(a[3], b[3])
            if a[:2] == b[:2] and nearer and width > 0 and height > 0:
                expected = max(expected, width * height / (a[4] * a[5]))
        assert found[i] == pytest.approx(expected, abs=1e-6)


def test_more_than_the_median_of_its_own_camera() -> None:
    shares, cameras = [0.1, 0.3, 0.2, 0.6, 0.5, 0.0, 0.0], ["a", "a", "a", "b", "b", None, None]
    assert more_covered(shares, cameras).tolist() == [False, True, False, True, False, False, False]
    assert more_covered([], []).tolist() == []
