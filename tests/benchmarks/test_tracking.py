"""How the benchmark of tracking scores tracks, on boxes whose scores can be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.manifest.write import write_manifest

pytest.importorskip("trackeval", reason="trackeval is not installed: pip install -e .[bench]")
from benchmarks.street_detector import boxes_of
from benchmarks.tracking import Frames, matches, scored, sequence

FIRST, SECOND = [0.0, 0.0, 10.0, 20.0], [50.0, 0.0, 60.0, 20.0]
TRUE: Frames = {frame: {"a": FIRST, "b": SECOND} for frame in range(10)}


def test_the_same_tracks_under_other_names_are_perfect() -> None:
    given: Frames = {frame: {"7": FIRST, "3": SECOND} for frame in range(10)}
    assert scored(sequence(TRUE, given)) == {"HOTA": 1.0, "IDF1": 1.0, "MOTA": 1.0, "switches": 0.0}


def test_two_who_exchange_their_names_in_the_middle() -> None:
    """Each true person has half of their boxes under one name: IDF1 is a half, and MOTA loses two switches of 20."""
    given: Frames = {
        frame: {"x": FIRST, "y": SECOND} if frame < 5 else {"x": SECOND, "y": FIRST} for frame in range(10)
    }
    found = scored(sequence(TRUE, given))
    assert found["IDF1"] == pytest.approx(0.5)
    assert found["MOTA"] == pytest.approx(1 - 2 / 20)
    assert found["switches"] == 2


def test_somebody_who_is_never_found_and_boxes_where_nobody_is() -> None:
    missed = scored(sequence(TRUE, {frame: {"x": FIRST} for frame in range(10)}))
    assert (missed["IDF1"], missed["MOTA"]) == pytest.approx((2 * 10 / 30, 0.5))
    too_many = scored(sequence({0: {"a": FIRST}}, {0: {"x": FIRST, "y": SECOND}, 1: {"x": FIRST}}))
    assert (too_many["IDF1"], too_many["MOTA"]) == pytest.approx((2 * 1 / 4, 1 - 2))
    assert scored(sequence(TRUE, {}))["HOTA"] == 0


def manifest(path: Path, tracks: dict[str, tuple[list[int], list[float]]]) -> Path:
    rows = [
        {
            "tracklet_id": name,
            "video_uri": "/v.mp4",
            "frame_indices": frames,
            "boxes": [{"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}] * len(frames),
        }
        for name, (frames, (x1, y1, x2, y2)) in tracks.items()
    ]
    write_manifest(str(path), rows)
    return path


def test_a_true_tracklet_belongs_to_the_one_that_lies_on_half_of_its_boxes(tmp_path: Path) -> None:
    true = manifest(
        tmp_path / "true.parquet", {"a": ([0, 1, 2, 3], FIRST), "b": ([0, 1, 2, 3], SECOND), "c": ([4, 5], SECOND)}
    )
    near = [1.0, 0.0, 11.0, 20.0]
    tracked = manifest(tmp_path / "tracked.parquet", {"0": ([1, 2], near), "1": ([3, 4, 5], SECOND)})
    assert boxes_of(tracked, "tracklet_id") == {
        "/v.mp4": {1: {"0": near}, 2: {"0": near}, **{frame: {"1": SECOND} for frame in (3, 4, 5)}}
    }
    assert matches(true, tracked) == {"a": "0", "b": None, "c": "1"}
