"""How the benchmark of tracking scores tracks, on boxes whose scores can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.manifest.write import write_manifest

pytest.importorskip("trackeval", reason="trackeval is not installed: pip install -e .[bench]")
from benchmarks.street_detector import boxes_of
from benchmarks.tracking import Frames, scored, sequence
from benchmarks.tracking_attributes import CAUSES, lying, matches, one_each, persons_of

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


def rows_of(tracks: dict[str, tuple[list[int], list[float]]]) -> list[dict[str, Any]]:
    return [
        {
            "tracklet_id": name,
            "video_uri": "/v.mp4",
            "frame_indices": frames,
            "boxes": [{"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}] * len(frames),
        }
        for name, (frames, (x1, y1, x2, y2)) in tracks.items()
    ]


def manifest(path: Path, tracks: dict[str, tuple[list[int], list[float]]]) -> Path:
    write_manifest(str(path), rows_of(tracks))
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


def test_a_track_is_the_answer_for_all_whom_it_lies_on_for_half_of_their_frames(tmp_path: Path) -> None:
    """Somebody who stops is two true tracklets and one track. One that goes over to somebody else is theirs only where
    it stays."""
    four, later = [0, 1, 2, 3], [4, 5, 6, 7]
    true = manifest(tmp_path / "true.parquet", {"a-0": (four, FIRST), "a-1": (later, FIRST), "b-0": (later, SECOND)})
    one = manifest(tmp_path / "one.parquet", {"0": (four + later, FIRST)})
    assert matches(true, one) == {"a-0": "0", "a-1": "0", "b-0": None}
    write_manifest(
        str(tmp_path / "over.parquet"),
        [
            row | {"frame_indices": four + later, "boxes": row["boxes"] + other["boxes"]}
            for row, other in [rows_of({"0": (four, FIRST), "1": (later, SECOND)})]
        ],
    )
    assert matches(true, tmp_path / "over.parquet") == {"a-0": "0", "a-1": None, "b-0": "0"}


def test_one_box_is_not_found_for_two(tmp_path: Path) -> None:
    """Of two who stand behind each other one is found: they are not both matched by it."""
    behind = [2.0, 0.0, 12.0, 20.0]
    true = manifest(tmp_path / "true.parquet", {"a": ([0, 1, 2, 3], FIRST), "b": ([0, 1, 2, 3], behind)})
    assert matches(true, manifest(tmp_path / "one.parquet", {"0": ([0, 1, 2, 3], behind)})) == {"a": None, "b": "0"}


def test_what_became_of_true_tracklets(tmp_path: Path) -> None:
    """One is not found, one has three names, two share a track that goes over from the one to the other, and one, who
    is somebody's second tracklet, is followed from the first on."""
    four, later = [0, 1, 2, 3], [4, 5, 6, 7]
    far, away = [100.0, 0.0, 110.0, 20.0], [150.0, 0.0, 160.0, 20.0]
    tracklets = {
        "none": ([0, 1, 2, 3], away),
        "names": (four, SECOND),
        "shared": (four, far),
        "goes": (later, SECOND),
        "own-0": (four, FIRST),
        "own-1": (later, FIRST),
    }
    rows = [row | {"person_id": row["tracklet_id"].split("-")[0]} for row in rows_of(tracklets)]
    write_manifest(str(tmp_path / "true.parquet"), rows, further=[pa.field("person_id", pa.string())])
    over = rows_of({"over": (four + later, far)})[0]
    over["boxes"] = over["boxes"][:4] + rows_of({"": (later, SECOND)})[0]["boxes"]
    tracks = {"0": ([0], away), "1": ([0], SECOND), "2": ([1], SECOND), "3": ([2], SECOND), "4": (four + later, FIRST)}
    write_manifest(str(tmp_path / "tracked.parquet"), [*rows_of(tracks), over])
    found, people = (
        lying(tmp_path / "true.parquet", tmp_path / "tracked.parquet"),
        persons_of(tmp_path / "true.parquet"),
    )
    causes = {name: found.cause(name, people[name]) for name in tracklets}
    assert causes == dict(zip(tracklets, (*CAUSES[:3], CAUSES[2], CAUSES[3], CAUSES[3]), strict=True))


def test_one_tracklet_for_each_person_leaves_open_what_differs(tmp_path: Path) -> None:
    schema = load_schema("street")
    (gait,) = (span for group, span in schema.spans() if group.name == "gait")
    walks = np.arange(schema.num_classes) % 2
    stands = walks.copy()
    stands[gait] = 1 - walks[gait]
    unknown = walks.copy()
    unknown[gait] = -1
    legs = rows_of({"a-0": ([0, 1], FIRST), "a-1": ([5, 7], SECOND), "b-0": ([0, 1], SECOND)})
    told = zip(legs, "aab", (walks, stands, walks), strict=True)
    rows = [leg | {"person_id": person, "labels": labels.tolist()} for leg, person, labels in told]
    further = [pa.field("person_id", pa.string())]
    write_manifest(str(tmp_path / "true.parquet"), rows, further=further, label_schema=schema)
    first, second = pq.read_table(one_each(tmp_path / "true.parquet")).to_pylist()
    assert (first["tracklet_id"], first["frame_indices"]) == ("a-0", [0, 1, 5, 7])
    assert [box["x"] for box in first["boxes"]] == [0, 0, 50, 50]
    assert first["labels"] == unknown.tolist()
    assert (second["tracklet_id"], second["frame_indices"], second["labels"]) == ("b-0", [0, 1], walks.tolist())
