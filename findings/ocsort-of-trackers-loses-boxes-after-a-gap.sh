#!/usr/bin/env bash
# trackers 2.6.1, supervision 0.31.2, opencv-python-headless 5.0.0.93, Python 3.11
#
# Guess: once a track has its id, every box that is matched with it is given out with that id; boxes of id -1 are those
# of no track.
#
# Behaviour: OCSORTTracker gives the first two boxes after a gap out with id -1, though it has matched them with the
# track, which then goes on under its old id. ByteTrackTracker, BoTSORTTracker and SORTTracker give all boxes after the
# gap out with the id. So who leaves -1 out, as the documentation advises, loses two boxes of a sound track at each gap,
# and with OC-SORT alone. At the start the four differ as well: the first box with an id is the second one of ByteTrack
# and OC-SORT, the first of BoT-SORT, the third of SORT.
#
# Output seen, one person who walks, not detected in frames 20 to 24 (frames whose box has no id):
#   ByteTrackTracker [0]
#   OCSORTTracker [0, 25, 26]
#   BoTSORTTracker []
#   SORTTracker [0, 1]
#   number of ids: 1 each
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 defusedxml==0.7.1 matplotlib==3.11.2 \
    numpy==2.4.6 pillow==13.0.0 pyDeprecate==0.13.0 PyYAML==6.0.4 requests==2.34.2 rich==15.0.0 scipy==1.17.1 \
    tqdm==4.70.1
# Without what they ask for: opencv-python would be the same library with a window system.
"$folder/venv/bin/pip" install --quiet --no-deps trackers==2.6.1 supervision==0.31.2

cat > "$folder/walk.py" <<'PYTHON'
import numpy as np
import supervision as sv
import trackers

SEEN = [frame for frame in range(40) if not 20 <= frame < 25]
EXPECTED = {"ByteTrackTracker": [0], "OCSORTTracker": [0, 25, 26], "BoTSORTTracker": [], "SORTTracker": [0, 1]}

found = {}
for name in EXPECTED:
    options = {"enable_cmc": False} if name == "BoTSORTTracker" else {}
    tracker = getattr(trackers, name)(**options)
    without, ids = [], set()
    for frame in range(40):
        boxes = np.array([[10 + 2 * frame, 20, 50 + 2 * frame, 120]], np.float32)[: frame in SEEN]
        given = sv.Detections(xyxy=boxes.reshape(-1, 4), confidence=np.full(len(boxes), 0.9, np.float32))
        for number in tracker.update(given).tracker_id.tolist():
            ids.add(number)
            if number == -1:
                without.append(frame)
    print(name, without)
    assert len(ids - {-1}) == 1, f"{name}: the person got {len(ids - {-1})} ids"
    found[name] = without
print("number of ids: 1 each")
raise SystemExit(found != EXPECTED)
PYTHON
"$folder/venv/bin/python" "$folder/walk.py"
