"""Strips of crops are read again as the run read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from par_model.manifest.read import Manifest
from par_model.manifest.write import write_manifest
from par_model.report.thumbnails import read_strips, strip
from par_model.video.bytes.source import open_video
from par_model.video.reader import VideoReader
from tests.video.footage import write_tracks

BEFORE = {"decoder": "pyav", "damaged": "fail", "video_timeout": 60.0}


@pytest.mark.parametrize(
    ("options", "streams"),
    [(BEFORE, (0, 0, 1)), (BEFORE | {"video_stream": 1, "unflagged_matrix": "bt601"}, (1, 0, 1))],
)
def test_strips_are_of_the_video_track_that_was_recognised(
    options: dict[str, Any], streams: tuple[int, ...], tmp_path: Path
) -> None:
    """Also of runs that recorded no track: they read the first."""
    both = write_tracks(tmp_path / "both.mp4", [range(9), range(1000, 1009)])
    asked = {"none": None, "front": 0, "rear": 1}
    rows = [
        {"tracklet_id": name, "video_uri": both, "frame_indices": [2, 5], "video_stream": stream}
        for name, stream in asked.items()
    ]
    write_manifest(str(tmp_path / "m.parquet"), rows)
    table = pa.table({"tracklet_id": list(asked), "sampled_frames": [[2, 5]] * 3})
    found = read_strips(Manifest.open(str(tmp_path / "m.parquet")), table, options, lambda _: None)
    for name, stream in zip(asked, streams, strict=True):
        with open_video(both) as file, VideoReader(file, stream) as reader:
            pictures = [frame.picture().copy() for frame in reader.frames() if frame.index in (2, 5)]
        assert found[name].webp == strip(pictures)
