"""What a manifest holds, in numbers."""

from __future__ import annotations

from pathlib import Path

from par_model.manifest.read import Manifest
from par_model.manifest.summary import LabelCounts, summarise
from tests.manifest.examples import on_images, on_video, write


def test_rows_videos_frames_and_labels_are_counted(tmp_path: Path) -> None:
    rows = [
        on_video("a", camera_id="c1", split="train", labels=[1, 0, -1]),
        on_video("b", camera_id="c1", split="train", labels=[1, 1, None]),
        on_video("", video_uri="/b.mp4", camera_id=None, split=None, labels=None),
        on_images("d", "/1.jpg", "/2.jpg", "/3.jpg", camera_id="c2", split="val", labels=[-1, -1, -1]),
        on_video("e", camera_id="c1", split=None, labels=[1, 0]),
    ]
    found = summarise(Manifest.open(write(tmp_path / "m.parquet", rows)))
    assert (found.rows, found.files, found.tracklets) == (5, 1, 4)
    assert (found.videos, found.frames, found.images) == (2, 8, 3)
    assert found.cameras == {"c1": 3, None: 1, "c2": 1}
    assert found.splits == {"train": 2, None: 2, "val": 1}
    assert found.labelled == 2  # of those with as many labels as the first row that has some
    assert found.labels == [
        LabelCounts("class 0", positive=2, negative=0, not_annotated=1),
        LabelCounts("class 1", positive=1, negative=1, not_annotated=1),
        LabelCounts("class 2", positive=0, negative=0, not_annotated=3),
    ]
    assert [example["row"] for example in found.examples] == [0, 1, 2]
    assert found.examples[2]["tracklet_id"] == ""
    assert found.columns["frame_indices"] == "list<item: int32>"
