#!/usr/bin/env bash
# fiftyone 1.22.1, Python 3.11: labels of people in a video on their way to "CVAT for video 1.1".
#
# In that XML <meta> specifies each label's attributes with an input type, and boxes have values of them.
#
# Guess: what is on the boxes is specified; a true or false comes out as a checkbox, a text as a list to select from.
#
# Seen: every box has the attribute that is true or false, as True or False, and the specification does not know it. The
# text is specified with its values and without an input type. No box is a key frame, and sides are whole pixels.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet fiftyone==1.22.1 2>/dev/null

cat > "$folder/see.py" <<'PYTHON'
import sys
from pathlib import Path
from xml.etree import ElementTree

import fiftyone.core.labels as labels
import fiftyone.core.metadata as metadata
import fiftyone.utils.cvat as cvat

folder = Path(sys.argv[1])
frames = {
    frame: {
        "people": labels.Detections(
            detections=[
                labels.Detection(
                    label="person",
                    bounding_box=[0.1 * frame + 0.001, 0.2, 0.1, 0.3],
                    index=1,
                    hat=frame != 2,
                    top_color="red",
                )
            ]
        )
    }
    for frame in (1, 2, 3)
}
size = metadata.VideoMetadata(frame_width=640, frame_height=480, total_frame_count=4, frame_rate=25.0)
exporter = cvat.CVATVideoDatasetExporter(export_dir=str(folder / "out"), export_media=False)
with exporter:
    exporter.export_sample(str(folder / "v.mp4"), None, frames, metadata=size)
(path,) = (folder / "out").rglob("*.xml")
root = ElementTree.parse(path).getroot()

specified = {
    of.findtext("name"): (of.findtext("input_type"), of.findtext("values").split())
    for of in root.iterfind("meta/task/labels/label/attributes/attribute")
}
boxes = list(root.iterfind("track/box"))
said = [{of.attrib["name"]: of.text for of in box} for box in boxes]
print("specified:", specified)
for box, of in zip(boxes, said):
    print({name: box.attrib[name] for name in ("frame", "outside", "keyframe", "xtl")}, of)

assert specified == {"top_color": (None, ["red"])}
assert [of["hat"] for of in said] == ["True", "False", "True", "True"]
assert [(box.attrib["frame"], box.attrib["outside"]) for box in boxes] == [("0", "0"), ("1", "0"), ("2", "0"), ("3", "1")]
assert {box.attrib["keyframe"] for box in boxes} == {"0"}
assert [box.attrib["xtl"] for box in boxes] == ["65", "129", "193", "193"]
PYTHON
FIFTYONE_DO_NOT_TRACK=1 FIFTYONE_DATABASE_DIR="$folder/db" "$folder/venv/bin/python" "$folder/see.py" "$folder"
