#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1.2) and opencv-python-headless 5.0.0.93, seen on Linux, x86-64, Python 3.11.
#
# Guess:     where an H.264 stream goes on with a sequence parameter set that has no video_signal_type (x264 leaves it
#            out for limited range), its pictures are of limited range, which is what ITU-T H.264, E.2.1 infers.
# Behaviour: the decoder keeps the range of the sequence before, full range, so that red (200, 30, 30) becomes
#            (190, 39, 40). Where a short silent sequence comes first (five frames here; ten were right), opening the
#            file probes past it: the flags of the second sequence are then those of the stream, and the first one is
#            decoded with them, so that flags act backwards in time. OpenCV agrees, since both ask the same decoder.
# Output:    full, then silent: PyAV [200, 29, 29] [190, 39, 40], OpenCV [200, 29, 29] [190, 39, 40]
#            silent, then full: PyAV [190, 39, 40] [200, 29, 29], OpenCV [190, 39, 40] [200, 29, 29]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.3.5 opencv-python-headless==5.0.0.93
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

import av
import numpy as np

LIMITED, FULL = 1, 2
RED = {LIMITED: (85, 103, 203), FULL: (81, 99, 213)}  # (200, 30, 30) in BT.601


def sequence(colour_range):
    with av.open("part.h264", "w") as part:
        stream = part.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuvj420p" if colour_range == FULL else "yuv420p"
        stream.codec_context.color_range = colour_range
        for number in range(5):
            frame = av.VideoFrame(64, 64, stream.pix_fmt)
            for plane, value in zip(frame.planes, RED[colour_range]):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts = number
            part.mux(stream.encode(frame))
        part.mux(stream.encode(None))
    with open("part.h264", "rb") as part:
        return part.read()


READ = """
import cv2
video = cv2.VideoCapture("joined.h264", cv2.CAP_FFMPEG)
frames = [video.read()[1] for _ in range(10)]
print(*(int(level) for number in (2, 7) for level in frames[number][32, 32, ::-1]))
"""
full, silent = sequence(FULL), sequence(LIMITED)
seen = []
for name, parts in (("full, then silent", full + silent), ("silent, then full", silent + full)):
    with open("joined.h264", "wb") as joined:
        joined.write(parts)
    with av.open("joined.h264") as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    pyav = [frames[number][32, 32].tolist() for number in (2, 7)]
    # Two copies of FFmpeg in one process disturb each other.
    levels = [int(level) for level in subprocess.check_output([sys.executable, "-c", READ], text=True).split()]
    opencv = [levels[:3], levels[3:]]
    print(f"{name}: PyAV {pyav[0]} {pyav[1]}, OpenCV {opencv[0]} {opencv[1]}")
    seen += [*pyav, *opencv]
right, wrong = (200, 29, 29), (190, 39, 40)
expected = [right, wrong, right, wrong, wrong, right, wrong, right]
assert np.abs(np.subtract(seen, expected)).max() <= 2, seen
PYTHON
