"""ByteTrack's boxes by trackers' own writer: two people, of whom one is detected poorly in the first frames."""

import sys
from pathlib import Path

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker
from trackers.io.mot import _MOTOutput

tracker = ByteTrackTracker()
with _MOTOutput(Path(sys.argv[1])) as output:
    for frame in range(1, 9):
        boxes = [[10 + 4 * frame, 20.5, 40 + 4 * frame, 80], [150 - 3 * frame, 15, 178.25 - 3 * frame, 85]]
        detections = sv.Detections(
            xyxy=np.array(boxes, np.float32),
            confidence=np.array([0.9, 0.4 if frame < 4 else 0.8], np.float32),
            class_id=np.zeros(2, int),
        )
        output.write(frame, tracker.update(detections))
