#!/usr/bin/env bash
# imageio 2.38.1 (plugin "pyav") with PyAV 18.1.0, numpy 2.4.6, Python 3.11: single frames by their index, of clips of
# H.264 at a constant 25 frames a second, without B-frames, a key frame every 20, as recorders make them.
#
# Guess: index=k is frame k. The option constant_framerate is on by default, and says what these clips are: frames
# are found by time, and k / 25 s is the time of frame k.
#
# Seen: so it is in mp4, mov, flv. In AVI it is the frame before: FFmpeg gives AVI's pictures the times at which they
# are decoded, of which the first is not 0, and imageio divides the key frame's time by the step. In Matroska whose
# times begin at 3 s, a clip cut out of a longer recording that has kept its times, it is the first frame, whichever
# is asked for. Indices 0 and 1 are right in all, as they are reached without a seek, and so are frames in their
# order, and those with constant_framerate=False.
#
# Output seen (asked for 0, 1, 12, 30, 70):
#   mp4:       [0, 1, 12, 30, 70]   constant_framerate=False: [0, 1, 12, 30, 70]
#   avi:       [0, 1, 11, 29, 69]   constant_framerate=False: [0, 1, 12, 30, 70]
#   mkv at 3 s: [0, 1, 0, 0, 0]     constant_framerate=False: [0, 1, 12, 30, 70]
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imageio==2.38.1 av==18.1.0 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import sys
from fractions import Fraction
from pathlib import Path

import av
import imageio.v3 as iio
import numpy as np

ASKED = [0, 1, 12, 30, 70]


def write(name, first):
    path = str(Path(sys.argv[1]) / name)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "20", "bf": "0", "crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(75):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 + 3 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = first + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def number(picture):
    return round((float(picture.mean()) - 20) / 3)


seen = {}
for name, path in {
    "mp4": write("clip.mp4", 0),
    "avi": write("clip.avi", 0),
    "mkv at 3 s": write("late.mkv", 75),
}.items():
    in_order = [number(picture) for picture in iio.imiter(path, plugin="pyav")]
    assert in_order == list(range(75)), in_order
    by_time = [number(iio.imread(path, plugin="pyav", index=k)) for k in ASKED]
    counted = [number(iio.imread(path, plugin="pyav", index=k, constant_framerate=False)) for k in ASKED]
    seen[name] = by_time
    print(f"{name}: {by_time}   constant_framerate=False: {counted}")
    assert counted == ASKED, counted
assert seen == {"mp4": ASKED, "avi": [0, 1, 11, 29, 69], "mkv at 3 s": [0, 1, 0, 0, 0]}, seen
PY
"$folder/venv/bin/python" "$folder/see.py" "$folder"
