#!/usr/bin/env bash
# datumaro 1.13.12, Python 3.11: crops of MARS, a data set of pedestrian tracklets, on their way to Market-1501's
# form.
#
# MARS names a crop 0001C1T0002F003.jpg: person, camera, tracklet, frame. Market-1501 names it
# 0001_c1s2_000003_00.jpg. Junk, which evaluation leaves out, is the person 00-1 in MARS and -1 in Market-1501.
#
# Guess: the export writes the same numbers in the other form, and junk as -1, since datumaro reads both.
#
# Seen: camera 1 becomes camera 2, and so on: camera_id counts from 1 in what the MARS reader gives, and from 0 in
# what the writer takes. Whoever joins the crops with annotations by camera gets another camera's. Junk stays 00-1;
# read again as Market-1501, such a crop has no person, camera or tracklet.
#
# Output seen:
#   0001C1T0002F003.jpg -> 0001_c2s2_000003_00.jpg -> person 0001, camera_id 1
#   0001C6T0002F003.jpg -> 0001_c7s2_000003_00.jpg -> person 0001, camera_id 6
#   00-1C1T0002F003.jpg -> 00-1_c2s2_000003_00.jpg -> person None, camera_id None
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12
cat > "$folder/see.py" <<'PY'
import sys
from pathlib import Path

import datumaro
from PIL import Image

folder = Path(sys.argv[1])
EXPECTED = {
    "0001C1T0002F003": ("0001_c2s2_000003_00", "0001", 1),
    "0001C6T0002F003": ("0001_c7s2_000003_00", "0001", 6),
    "00-1C1T0002F003": ("00-1_c2s2_000003_00", None, None),
}
seen = {}
for number, crop in enumerate(EXPECTED):
    place = folder / f"mars-{number}" / "bbox_train" / crop[:4]
    place.mkdir(parents=True)
    Image.new("RGB", (64, 128)).save(place / f"{crop}.jpg")
    mars = datumaro.Dataset.import_from(str(folder / f"mars-{number}"), "mars")
    market = folder / f"market-{number}"
    mars.export(str(market), "market1501", save_media=True)
    (written,) = market.rglob("*.jpg")
    (item,) = datumaro.Dataset.import_from(str(market), "market1501")
    seen[crop] = written.stem, item.attributes.get("person_id"), item.attributes.get("camera_id")
    print(f"{crop}.jpg -> {written.name} -> person {seen[crop][1]}, camera_id {seen[crop][2]}")
assert seen == EXPECTED, seen
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
