"""FiftyOne's "CVAT for video 1.1" of one person in three of four frames, with an attribute of each kind."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    os.environ |= {"FIFTYONE_DO_NOT_TRACK": "1", "FIFTYONE_DATABASE_DIR": f"{folder}/db"}
    import fiftyone.core.labels as labels
    import fiftyone.core.metadata as metadata
    import fiftyone.utils.cvat as cvat

    frames = {
        frame: {
            "people": labels.Detections(
                detections=[
                    labels.Detection(
                        label="person",
                        bounding_box=[0.1 * frame, 0.25, 0.125, 0.5],
                        index=1,
                        hat=frame != 2,
                        top_color="red",
                    )
                ]
            )
        }
        for frame in (1, 2, 3)
    }
    size = metadata.VideoMetadata(frame_width=256, frame_height=96, total_frame_count=4, frame_rate=25.0)
    exporter = cvat.CVATVideoDatasetExporter(export_dir=f"{folder}/out", export_media=False)
    with exporter:
        exporter.export_sample(f"{folder}/gate.mp4", None, frames, metadata=size)
    (path,) = Path(folder, "out").rglob("*.xml")
    shutil.copy(path, sys.argv[1])
