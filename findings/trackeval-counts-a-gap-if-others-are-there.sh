#!/usr/bin/env bash
# trackeval 1.3.0 and motmetrics 1.4.0, numpy 1.26.4, Python 3.11: a clip of one person, whom the tracker loses for
# ten of 50 frames and finds again under the same id.
#
# Guess: that is one fragmentation (a trajectory that is tracked, then not, then again: Frag of MOTChallenge) to both
# libraries, whatever else is in the pictures.
#
# Seen: to TrackEval it is none, unless the tracker has some other box in the gap, a false one far away, say: then it
# is one. Frames without any box of the tracker are passed over before it notes who is tracked. motmetrics says one in
# both cases. So in clips of one person, as trackers are tried on, Frag is too small, and a false alarm makes it
# right.
#
# Output seen:
#   no other box:          TrackEval Frag 0, missed 10; motmetrics fragmentations 1
#   a false one in the gap: TrackEval Frag 1, missed 10; motmetrics fragmentations 1
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet motmetrics==1.4.0 numpy==1.26.4 pandas==2.2.3 scipy==1.14.1 tabulate==0.10.0 \
    pillow==13.0.0
# It asks for another numpy, with which motmetrics does not run.
"$folder/venv/bin/pip" install --quiet --no-deps trackeval==1.3.0
cat > "$folder/see.py" <<'PY'
import motmetrics
import numpy as np
from trackeval.metrics import CLEAR

FRAMES, GAP = 50, range(20, 30)
ELSEWHERE = [900, 10, 40, 100]


def evaluated(is_other_there):
    identified, alike = [], []
    events = motmetrics.MOTAccumulator(auto_id=True)
    for frame in range(FRAMES):
        person = [10 + frame, 10, 40, 100]
        found = {} if frame in GAP else {0: person}
        if frame in GAP and is_other_there:
            found = {1: ELSEWHERE}
        identified.append(np.array(list(found), int))
        alike.append(np.array([[float(box == person) for box in found.values()]]).reshape(1, len(found)))
        events.update([0], list(found), motmetrics.distances.iou_matrix([person], list(found.values()), max_iou=0.5))
    counts = motmetrics.metrics.create().compute(events, metrics=["num_fragmentations"])
    data = {
        "num_timesteps": FRAMES,
        "num_gt_dets": FRAMES,
        "num_tracker_dets": sum(map(len, identified)),
        "num_gt_ids": 1,
        "num_tracker_ids": 2,
        "gt_ids": [np.array([0])] * FRAMES,
        "tracker_ids": identified,
        "similarity_scores": alike,
    }
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    return int(clear["Frag"]), int(clear["CLR_FN"]), int(counts["num_fragmentations"].iloc[0])


seen = []
for name, is_other_there in (("no other box", False), ("a false one in the gap", True)):
    fragmentations, missed, by_motmetrics = evaluated(is_other_there)
    print(f"{name + ':':23} TrackEval Frag {fragmentations}, missed {missed}; motmetrics fragmentations {by_motmetrics}")
    seen.append((fragmentations, missed, by_motmetrics))
assert seen == [(0, 10, 1), (1, 10, 1)], seen
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
