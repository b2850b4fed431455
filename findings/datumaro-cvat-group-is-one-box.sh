#!/usr/bin/env bash
# datumaro 1.13.12, Python 3.11: "CVAT for video 1.1" in which two people who walk together were put into a group, on
# its way to COCO.
#
# In CVAT a group (the key G) says that shapes belong together; each keeps its own track.
#
# Guess: COCO has no groups, so the export has two annotations an image, one for each person, with their track ids.
#
# Seen: one annotation an image: the box around both, with the track id of the first. The second person is in no
# image, and nothing is said. Exports to VOC and to datumaro's own format have both.
#
# Output seen, frame by frame:
#   read       [(0, [2, 20, 10, 30]), (1, [40, 20, 10, 30])] ...
#   COCO       [(0, [2, 20, 48, 30])] [(0, [3, 20, 48, 30])]
#   no group   [(0, [2, 20, 10, 30]), (1, [40, 20, 10, 30])] ...
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12
cat > "$folder/see.py" <<'PY'
import json
import sys
from pathlib import Path

import datumaro

folder = Path(sys.argv[1])


def cvat(group):
    tracks = "".join(
        f'<track id="{track}" label="person" group_id="{group}" source="manual">'
        + "".join(
            f'<box frame="{frame}" keyframe="1" outside="0" occluded="0" xtl="{left + frame}.00" ytl="20.00" '
            f'xbr="{left + frame + 10}.00" ybr="50.00" z_order="0"></box>'
            for frame in range(2)
        )
        + "</track>"
        for track, left in ((0, 2), (1, 40))
    )
    task = (
        "<task><size>2</size><mode>interpolation</mode><start_frame>0</start_frame><stop_frame>1</stop_frame>"
        "<labels><label><name>person</name><attributes></attributes></label></labels>"
        "<original_size><width>64</width><height>96</height></original_size></task>"
    )
    place = folder / f"cvat-{group}"
    place.mkdir()
    meta = f"<version>1.1</version><meta>{task}</meta>"
    (place / "annotations.xml").write_text(f'<?xml version="1.0"?><annotations>{meta}{tracks}</annotations>')
    return datumaro.Dataset.import_from(str(place), "cvat")


def in_coco(dataset, name):
    dataset.export(str(folder / name), "coco_instances", save_media=False)
    (written,) = (folder / name / "annotations").glob("*.json")
    found = json.loads(written.read_text())
    return [
        [(box["attributes"]["track_id"], box["bbox"]) for box in found["annotations"] if box["image_id"] == image["id"]]
        for image in found["images"]
    ]


grouped = cvat(group=1)
read = [[(box.attributes["track_id"], box.get_bbox()) for box in item.annotations] for item in grouped]
seen = {"read": read, "COCO": in_coco(grouped, "grouped"), "no group": in_coco(cvat(group=0), "apart")}
for name, frames in seen.items():
    print(f"{name:9}", *frames)
apart = [[(0, [2 + k, 20, 10, 30]), (1, [40 + k, 20, 10, 30])] for k in range(2)]
assert seen["read"] == apart and seen["no group"] == apart
assert seen["COCO"] == [[(0, [2 + k, 20, 48, 30])] for k in range(2)]
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
