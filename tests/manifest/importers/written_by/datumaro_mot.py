"""Datumaro's MOT of boxes in frames 30, 40 and 41: two tracks, one of a car, and a box without a track."""

import sys
from pathlib import Path

import datumaro
import numpy as np
from datumaro.components.annotation import Bbox
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image

items = [
    DatasetItem(
        id=f"frame_{frame:06d}",
        media=Image.from_numpy(data=np.zeros((96, 256, 3), np.uint8)),
        attributes={"frame": frame},
        annotations=[
            Bbox(10 + place, 20, 30, 60, label=1, attributes={"track_id": 5, "occluded": frame == 40}),
            Bbox(100, 30, 60, 40, label=0, attributes={"track_id": 6}),
            *([Bbox(200, 10, 20, 50, label=1)] if frame == 41 else []),
        ],
    )
    for place, frame in enumerate((30, 40, 41))
]
folder = Path(sys.argv[1])
dataset = datumaro.Dataset.from_iterable(items, categories=["car", "person"])
dataset.export(str(folder), "mot_seq_gt", save_media=False)
for path in folder.rglob("*"):
    if path.is_file() and path.name not in ("gt.txt", "labels.txt"):
        path.unlink()
