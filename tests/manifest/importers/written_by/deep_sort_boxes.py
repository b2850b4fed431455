"""Confirmed tracks of deep-sort-realtime, a line each, as its users write them: ids are text where days are counted."""

import datetime
import sys
from pathlib import Path

import numpy as np
from deep_sort_realtime.deepsort_tracker import DeepSort

tracker = DeepSort(max_age=10, n_init=2, embedder=None, today=datetime.date(2026, 11, 28))
looks = np.ones(4) / 2
lines = []
for frame in range(20):
    height = 60.0 * 0.9**frame
    detections = [([100.0, 30.0, 0.4 * height, height], 0.9, "person")] if frame < 8 else []
    for track in tracker.update_tracks(detections, embeds=[looks for _ in detections]):
        if track.is_confirmed():
            left, top, width, height_seen = track.to_ltwh()
            lines.append(
                f"{frame + 1},{track.track_id},{left:.2f},{top:.2f},{width:.2f},{height_seen:.2f},1,-1,-1,-1\n"
            )
Path(sys.argv[1]).write_text("".join(lines))
