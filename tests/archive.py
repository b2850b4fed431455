"""A small archive for tests of the whole job: two clips and a manifest whose tracklets cross, repeat and fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from par_model.manifest.write import write_manifest
from tests.video.frame_numbers import write_clip

FRAMES = 60


def write_clips(folder: Path) -> None:
    """a.mp4 and b.mp4 of 60 numbered frames each."""
    folder.mkdir(parents=True, exist_ok=True)
    write_clip(folder / "a.mp4", FRAMES, options={"g": "20", "bf": "2"})
    write_clip(folder / "b.mp4", range(1000, 1000 + FRAMES), options={"g": "20"})


def video_row(tracklet_id: str, uri: str, frames: range | list[int], **others: Any) -> dict[str, Any]:
    """A row with a box that moves to the right."""
    boxes = [{"x": 4.0 + i % 40, "y": 8.0, "w": 48.5, "h": 80.0} for i in range(len(frames))]
    return {"tracklet_id": tracklet_id, "video_uri": uri, "frame_indices": list(frames), "boxes": boxes} | others


def good_rows(folder: str) -> list[dict[str, Any]]:
    """Ten tracklets that can be recognised; videos mixed, some shorter than T."""
    rows = []
    for i in range(10):
        uri = f"{folder}/{'ab'[i % 2]}.mp4"
        frames = range(3 * i, 3 * i + (2 if i == 4 else 20))
        rows.append(
            video_row(f"t{i}", uri, frames, camera_id="ab"[i % 2], zone=i % 3, split="test" if i < 6 else "val")
        )
    return rows


def bad_rows(folder: str) -> list[dict[str, Any]]:
    """Tracklets that fail, each with the code that its id names."""
    outside = [{"x": 5000.0, "y": 0.0, "w": 9.0, "h": 9.0}]
    return [
        video_row("video-not-found", f"{folder}/none.mp4", range(5), camera_id="a"),
        video_row("frame-out-of-range", f"{folder}/a.mp4", [10, FRAMES + 5], camera_id="b"),
        video_row("box-outside-frame", f"{folder}/a.mp4", [7]) | {"boxes": outside},
        video_row("invalid-tracklet", f"{folder}/a.mp4", [5, 5]),
    ]


def write_archive(folder: Path, *, bad: bool = False) -> str:
    """Clips and manifest below ``folder``; returns the manifest's path."""
    write_clips(folder)
    rows = good_rows(str(folder)) + (bad_rows(str(folder)) if bad else [])
    path = str(folder / "manifest.parquet")
    write_manifest(path, rows, further=[pa.field("zone", pa.int64())])
    return path


def assert_same_table(mine: pa.Table, other: pa.Table, tolerance: float = 1e-5) -> None:
    """Row for row the same tables, ``run_id`` aside; scores and embeddings up to rounding, since a batch's size and
    neighbours change the last bits of a sum."""
    assert mine.schema == other.schema
    assert len(mine) == len(other)
    for name in mine.column_names:
        left, right = mine[name], other[name]
        if name == "run_id":
            continue
        if name == "scores":
            left, right = (pc.list_flatten(_lists(column)) for column in (left, right))
        elif name == "embedding":
            left, right = pc.list_flatten(left), pc.list_flatten(right)
        if pa.types.is_floating(left.type):
            assert left.is_null().equals(right.is_null()), name
            difference = np.abs(left.fill_null(0).to_numpy() - right.fill_null(0).to_numpy())
            assert difference.max(initial=0) <= tolerance, name
        else:
            assert left.equals(right), name


def _lists(scores: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array(
        [pa.array([None if s is None else list(s.values()) for s in scores.to_pylist()], pa.list_(pa.float32()))]
    )
