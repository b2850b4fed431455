"""Supervision's CSVSink: a person with a track, a car with one, a person without; frames as custom data, from 0."""

import sys

import numpy as np
import supervision as sv

with sv.CSVSink(sys.argv[1]) as sink:
    for frame in range(3):
        corners = np.array([[10.5 + frame, 20, 40.25 + frame, 80], [100, 30, 160, 70], [200, 10, 220, 60]], np.float32)
        detections = sv.Detections(
            xyxy=corners,
            confidence=np.array([0.9, 0.8, 0.3], np.float32),
            class_id=np.array([0, 2, 0]),
            tracker_id=np.array([1, 2, -1]),
            data={"class_name": np.array(["person", "car", "person"])},
        )
        sink.append(detections, custom_data={"frame_number": frame})
    sink.append(sv.Detections.empty(), custom_data={"frame_number": 3})
