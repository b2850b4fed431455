#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1.2) and opencv-python-headless 5.0.0.93, Python 3.11: an MPEG-TS recording of 80 hours, one
# picture every half hour. Times in MPEG-TS have 33 bits of 1/90000 s, which are full after 26.5 hours; ISO/IEC
# 13818-1 lets them wrap.
#
# Guess: FFmpeg unwraps them (it has the option correct_ts_overflow for that, which is on), so that times only grow.
#
# Seen: it does so within the first 26.5 hours of a recording, wherever its clock stands at the beginning (from 24:00
# h on they go to 48:30 h and beyond). Then they fall back, and again 26.5 hours later: three pictures have the time
# 0:29 h, give or take a minute. OpenCV's CAP_PROP_POS_MSEC does the same. Frames keep their order and number.
#
# Output seen:
#   PyAV, from 24 h on: 50 frames, last at 48.5 h
#   PyAV: 160 frames, last at 26.5 h, time falls at frames [54, 107]
#   OpenCV: 160 frames, last at 26.5 h, time falls at frames [54, 107]
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

clip = str(Path(sys.argv[1]) / "clip.ts")


def record(begin, count):
    with av.open(clip, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "1", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90000)
        for k in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = (begin * 3600 + k * 1800) * 90000, Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def by_pyav():
    with av.open(clip) as container:
        return [float(frame.pts * frame.time_base) / 3600 for frame in container.decode(video=0)]


record(24, 50)
late = by_pyav()
print(f"PyAV, from 24 h on: {len(late)} frames, last at {late[-1]:.1f} h")
assert late == sorted(late) and abs(late[-1] - late[0] - 24.5) < 0.01
record(0, 160)
seen = {"PyAV": by_pyav()}
video = cv2.VideoCapture(clip)
seen["OpenCV"] = []
while video.grab():
    seen["OpenCV"].append(video.get(cv2.CAP_PROP_POS_MSEC) / 3.6e6)
for name, hours in seen.items():
    falls = [k for k in range(1, len(hours)) if hours[k] < hours[k - 1]]
    print(f"{name}: {len(hours)} frames, last at {hours[-1]:.1f} h, time falls at frames {falls}")
    assert len(hours) == 160 and falls == [54, 107] and hours[-1] < 27
PY
"$folder/venv/bin/python" "$folder/see.py" "$folder"
