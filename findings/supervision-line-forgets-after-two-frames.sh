#!/usr/bin/env bash
# supervision 0.31.2, opencv-python-headless 5.0.0.93, numpy 2.4.6, Python 3.11: a person with one id throughout walks
# over a line that counts (LineZone), and is not detected in some frames there, as behind a post.
#
# Guess: the line looks on which side an id is seen; gaps do not matter as long as the tracker gives the same id
# afterwards, which trackers do for 30 frames and more. A higher minimum_crossing_threshold, which asks for more frames
# on the other side, counts fewer people and never more.
#
# Seen: one frame without the person does no harm. After two in a row the side on which it was is forgotten, its return
# is its beginning, and nobody is counted, without a word. How many frames in a row is the threshold + 1, which is 2 by
# default: with a threshold of 5 the same person is counted. Asking for more frames on the other side makes the line
# wait longer. Calling trigger() only for frames that have somebody makes the line patient too.
#
# Output seen (people counted where the person is missing in 0, 1, 2, 3 and 6 frames):
#   threshold 1, corners:       [1, 1, 0, 0, 0]
#   threshold 1, bottom centre: [1, 1, 0, 0, 0]
#   threshold 2, corners:       [1, 1, 1, 0, 0]
#   threshold 5, corners:       [1, 1, 1, 1, 0]
#   without empty frames:       [1, 1, 1, 1, 1]
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet supervision==0.31.2 opencv-python-headless==5.0.0.93 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import numpy as np
import supervision as sv

FRAMES, LINE, HEIGHT, STEP = 60, 240, 100, 10
CORNERS = (sv.Position.TOP_LEFT, sv.Position.TOP_RIGHT, sv.Position.BOTTOM_LEFT, sv.Position.BOTTOM_RIGHT)
GAPS = [0, 1, 2, 3, 6]


def counted(missing, threshold, anchors, skips_empty=False):
    line = sv.LineZone(sv.Point(0, LINE), sv.Point(640, LINE), anchors, threshold)
    # The bottom is on the line in frame 14, the top in frame 24.
    gap = range(14, 14 + missing)
    for frame in range(FRAMES):
        person = sv.Detections.empty()
        if frame not in gap:
            box = np.array([[300.0, STEP * frame, 340.0, STEP * frame + HEIGHT]])
            person = sv.Detections(box, tracker_id=np.array([7]))
        if len(person) or not skips_empty:
            line.trigger(person)
    return line.in_count + line.out_count


def seen(name, *how, **more):
    counts = [counted(missing, *how, **more) for missing in GAPS]
    print(f"{name + ':':27} {counts}")
    return counts


assert seen("threshold 1, corners", 1, CORNERS) == [1, 1, 0, 0, 0]
assert seen("threshold 1, bottom centre", 1, [sv.Position.BOTTOM_CENTER]) == [1, 1, 0, 0, 0]
assert seen("threshold 2, corners", 2, CORNERS) == [1, 1, 1, 0, 0]
assert seen("threshold 5, corners", 5, CORNERS) == [1, 1, 1, 1, 0]
assert seen("without empty frames", 1, CORNERS, skips_empty=True) == [1, 1, 1, 1, 1]
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
