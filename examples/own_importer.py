"""Make a manifest from track files of your own: here JSON lines, a box a line.

{"frame": 17, "person": "p4", "left": 10, "top": 20, "right": 60, "bottom": 170}

python examples/own_importer.py boxes.jsonl cam1.mp4 mine.parquet
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import par_model

source, video, output = sys.argv[1:]

tracks = defaultdict(list)
for line in Path(source).read_text().splitlines():
    box = json.loads(line)
    tracks[box["person"]].append(box)

rows = []
for person, boxes in tracks.items():
    boxes.sort(key=lambda box: box["frame"])
    rows.append(
        {
            "tracklet_id": f"{Path(video).stem}-{person}",
            "video_uri": str(Path(video).absolute()),
            "frame_indices": [box["frame"] for box in boxes],  # counted from 0, as a decoder counts them
            "boxes": [
                {"x": b["left"], "y": b["top"], "w": b["right"] - b["left"], "h": b["bottom"] - b["top"]} for b in boxes
            ],
        }
    )
par_model.write_manifest(output, rows)

for defect in par_model.check_manifest(output):
    print(f"row {defect.row} ({defect.tracklet_id}): {defect.code}: {defect.message}")
print(f"{output}: {len(rows)} tracklets")
