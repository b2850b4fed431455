"""Norfair's tracks by its own PredictionsTextFile: a person who shrinks and is not detected any more."""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from norfair import Detection, Tracker
from norfair.metrics import InformationFile, PredictionsTextFile

FRAMES = 34
with tempfile.TemporaryDirectory() as folder:
    about = Path(folder) / "seqinfo.ini"
    about.write_text(f"[Sequence]\nname=gate\nseqLength={FRAMES}\n")
    tracker = Tracker(distance_function="iou", distance_threshold=0.7, initialization_delay=1)
    output = PredictionsTextFile("gate", save_path=folder, information_file=InformationFile(file_path=str(about)))
    for frame in range(FRAMES):
        height = 60.0 * 0.93**frame
        corners = np.array([[100.0, 30.0], [100 + 0.4 * height, 30 + height]])
        detections = [Detection(points=corners)] if frame < 16 else []
        output.update(tracker.update(detections=detections))
    shutil.copy(Path(folder) / "predictions" / "gate.txt", sys.argv[1])
