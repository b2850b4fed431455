#!/usr/bin/env bash
# datumaro 1.13.12, Python 3.11: a track of "CVAT for video 1.1" on its way to other formats.
#
# In that XML a box with outside="1" says in which frame the person is no longer seen; a checkbox is an attribute that is
# true or false; frames are the video's own.
#
# Guess: datumaro's MOT export leaves the outside box out, or marks it by confidence or visibility 0; its CVAT export
# keeps the track and the checkbox, since its reader knows both.
#
# Seen: MOT has the outside box as one more box of the person, confidence 1, visibility 1.0, and numbers the frames 3 to
# 6 as 1 to 4. CVAT comes out as images, frame by frame: no track at all, and the checkbox is a text.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12

cat > "$folder/see.py" <<'PYTHON'
import sys
from pathlib import Path
from xml.etree import ElementTree

import datumaro

folder = Path(sys.argv[1])
attribute = '<attribute name="hat">true</attribute>'
boxes = "".join(
    f'<box frame="{frame}" keyframe="{int(frame in (3, 6))}" outside="{int(frame == 6)}" occluded="0" '
    f'xtl="{10 + frame}.00" ytl="20.00" xbr="{40 + frame}.00" ybr="90.00" z_order="0">{attribute}</box>'
    for frame in (3, 4, 5, 6)
)
specified = (
    "<attribute><name>hat</name><mutable>True</mutable><input_type>checkbox</input_type>"
    "<default_value>false</default_value><values>false</values></attribute>"
)
task = (
    "<task><size>10</size><mode>interpolation</mode><start_frame>0</start_frame><stop_frame>9</stop_frame><labels>"
    f"<label><name>person</name><attributes>{specified}</attributes></label></labels>"
    "<original_size><width>64</width><height>96</height></original_size></task>"
)
(folder / "in").mkdir()
(folder / "in" / "train.xml").write_text(
    f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta>{task}</meta>'
    f'<track id="0" label="person">{boxes}</track></annotations>'
)
dataset = datumaro.Dataset.import_from(str(folder / "in"), "cvat")
read = [(item.attributes["frame"], of.attributes) for item in dataset for of in item.annotations]
print("read:", [(frame, of["track_id"], of["outside"]) for frame, of in read])

dataset.export(str(folder / "mot"), "mot_seq_gt", save_media=False)
mot = (folder / "mot" / "gt" / "gt.txt").read_text().split()
print("MOT:", *mot, sep="\n  ")

dataset.export(str(folder / "cvat"), "cvat", save_media=False)
root = ElementTree.parse(folder / "cvat" / "train.xml").getroot()
tracks, images = len(root.findall("track")), len(root.findall("image"))
kind = root.findtext("meta/task/labels/label/attributes/attribute/input_type")
print(f"CVAT: {tracks} tracks, {images} images, the checkbox is of input type {kind!r}")

assert [(frame, of["track_id"], of["outside"]) for frame, of in read] == [
    (3, 0, False), (4, 0, False), (5, 0, False), (6, 0, True)
]
assert [line.split(",")[0] for line in mot] == ["1", "2", "3", "4"]
assert mot[3] == "4,1,16.0,20.0,30.0,70.0,1,1,1.0"
assert (tracks, images, kind) == (0, 4, "text")
PYTHON
"$folder/venv/bin/python" "$folder/see.py" "$folder" 2>/dev/null
