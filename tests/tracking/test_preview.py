"""Where a preview may be written, and which seconds it shows. tests/cli/test_track.py looks at one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from par_model.errors import ManifestError, UsageError
from par_model.manifest.write import write_manifest
from par_model.tracking import preview
from par_model.tracking.preview import check_place, write_preview
from par_model.types import Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.passed import PassedFrame


def frames(*seconds: float | None) -> list[PassedFrame]:
    return [PassedFrame(index, time, None) for index, time in enumerate(seconds)]


@pytest.mark.parametrize(
    ("seconds", "shown", "rate"),
    [
        ([0.0, 0.5, 1.0], 3, 2.0),
        ([10.0, 15.0, 25.0, 29.5, 30.0, 31.0], 4, 0.2),  # 20 seconds from the first on
        ([None, None, None], 3, 10.0),
        ([3.0, 3.0, 4.0], 3, 10.0),
        ([7.0], 1, 1.0),
        ([], 0, None),
    ],
)
def test_twenty_seconds_are_shown_at_the_rate_of_the_first_frames(
    seconds: list[float | None], shown: int, rate: float | None
) -> None:
    found = list(preview._within_seconds(iter(frames(*seconds))))
    assert [frame.index for frame, _ in found] == list(range(shown))
    assert {rate for _, rate in found} == ({rate} if shown else set())


def test_boxes_of_all_tracks_are_known_by_their_frame() -> None:
    boxes = np.array([[1, 2, 3, 4], [2, 2, 3, 4]], np.float32)
    tracks = [
        Tracklet(row, f"v-{row}", video_uri="/v", frame_indices=np.array(indices, np.int32), boxes=boxes)
        for row, indices in enumerate(([3, 5], [5, 6]))
    ]
    found = preview._marks_by_frame(tracks)
    assert {frame: [mark.tracklet_id for mark in marks] for frame, marks in found.items()} == {
        3: ["v-0"],
        5: ["v-0", "v-1"],
        6: ["v-1"],
    }
    assert found[5][0].box == (2, 2, 3, 4)


def test_a_preview_is_neither_one_of_the_videos_nor_one_more_of_them(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.touch()
    (tmp_path / "link.mp4").symlink_to(video)
    videos = [str(tmp_path / "a*.mp4")]
    check_place(str(tmp_path / "preview.mp4"), videos)
    for output, said in (
        (tmp_path / "preview.gif", "must end with .mp4, .mkv, .mov"),
        (tmp_path / "link.mp4", "is one of the videos, and would be written over"),
        (tmp_path / "about.mp4", "would be one more video of --videos"),
    ):
        with pytest.raises(UsageError) as caught:
            check_place(str(output), videos)
        assert said in str(caught.value)


def test_a_manifest_without_tracklets_has_no_preview(tmp_path: Path) -> None:
    write_manifest(str(tmp_path / "m.parquet"), [{"tracklet_id": "s", "image_uris": []}])
    with pytest.raises(ManifestError, match="has no tracklet: there is nothing to preview"):
        write_preview(str(tmp_path / "m.parquet"), str(tmp_path / "p.mp4"), 1, DecodeOptions())
