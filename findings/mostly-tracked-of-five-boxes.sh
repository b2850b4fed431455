#!/usr/bin/env bash
# trackeval 1.3.0 and motmetrics 1.4.0, numpy 1.26.4, Python 3.11: tracks of a few pictures, as of video that is sampled
# at one a second; of each person the tracker finds some boxes, all under one id.
#
# Guess: both count the same people as mostly tracked (MT of MOTChallenge), as they agree about MOTA, IDF1 and exchanged
# ids; the measure is defined as at least 80 % of a trajectory.
#
# Seen: to motmetrics somebody with 4 boxes of 5 is mostly tracked, to TrackEval partially: there it is more than 80 %.
# The lower bound is the same in both: 1 box of 5 is partially tracked, not lost. In a long track just 80 % is rare; of
# 5 or 10 pictures it is 4 or 8 boxes, and MT of the two libraries must not be put into one table.
#
# Output seen:
#   5 of 5 boxes: TrackEval mostly, motmetrics mostly
#   4 of 5 boxes: TrackEval partially, motmetrics mostly
#   3 of 5 boxes: TrackEval partially, motmetrics partially
#   1 of 5 boxes: TrackEval partially, motmetrics partially
#   8 of 10 boxes: TrackEval partially, motmetrics mostly
#   9 of 10 boxes: TrackEval mostly, motmetrics mostly
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

PERSON = [10, 10, 40, 100]
NAMES = ("mostly", "partially", "lost")


def named(counts):
    assert sum(counts) == 1, counts
    return NAMES[list(counts).index(1)]


def judged(found, frames):
    """One person in that many frames, of whom the tracker has the first boxes."""
    events = motmetrics.MOTAccumulator(auto_id=True)
    ids, alike = [], []
    for frame in range(frames):
        boxes = [PERSON] if frame < found else []
        ids.append(np.zeros(len(boxes), int))
        alike.append(np.ones((1, len(boxes))))
        events.update([0], [0] * len(boxes), motmetrics.distances.iou_matrix([PERSON], boxes, max_iou=0.5))
    asked = ["mostly_tracked", "partially_tracked", "mostly_lost"]
    counts = motmetrics.metrics.create().compute(events, metrics=asked)
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(
        {
            "num_timesteps": frames,
            "num_gt_dets": frames,
            "num_tracker_dets": found,
            "num_gt_ids": 1,
            "num_tracker_ids": 1,
            "gt_ids": [np.array([0])] * frames,
            "tracker_ids": ids,
            "similarity_scores": alike,
        }
    )
    return named([clear["MT"], clear["PT"], clear["ML"]]), named(counts.iloc[0].tolist())


seen = {}
for found, frames in ((5, 5), (4, 5), (3, 5), (1, 5), (8, 10), (9, 10)):
    seen[found, frames] = judged(found, frames)
    print("{} of {} boxes: TrackEval {}, motmetrics {}".format(found, frames, *seen[found, frames]))
mostly, partially = ("mostly",) * 2, ("partially",) * 2
between = ("partially", "mostly")
assert list(seen.values()) == [mostly, between, partially, partially, between, mostly], seen
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
