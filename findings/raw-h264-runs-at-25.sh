#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1.2), opencv-python-headless 5.0.0.93, supervision 0.31.2, Python 3.11: an H.264 and an HEVC
# stream without a container, as recorders and cameras' network streams are saved. Their sequence parameter sets say
# that they run at 15 frames a second (vui_timing_info).
#
# Guess: a stream without timestamps has a rate all the same, since its headers say it; readers take 15, or say that
# they do not know.
#
# Seen: FFmpeg's demuxer takes 25 for the average rate, and that is what OpenCV and supervision give, and what
# trackers multiply their patience by. The same stream object also says 15 (guessed_rate) and, of H.264 alone, 30
# (base_rate, which counts fields). OpenCV's number of frames is below zero, and so is supervision's total_frames. No
# frame has a time.
#
# Output seen:
#   h264: average 25, base 30, guessed 15; OpenCV 25.0, supervision 25.0, frames below zero True
#   hevc: average 25, base 15, guessed 15; OpenCV 25.0, supervision 25.0, frames below zero True
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6 defusedxml==0.7.1 \
    matplotlib==3.11.2 pillow==13.0.0 pyDeprecate==0.13.0 PyYAML==6.0.4 requests==2.34.2 scipy==1.17.1 tqdm==4.70.1
# Without what it asks for: opencv-python would be the same library with a window system.
"$folder/venv/bin/pip" install --quiet --no-deps supervision==0.31.2
cat > "$folder/see.py" <<'PY'
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import supervision

CODECS = {"h264": ("libx264", {}), "hevc": ("libx265", {"x265-params": "log-level=none"})}
for form, (encoder, options) in CODECS.items():
    clip = str(Path(sys.argv[1]) / f"clip.{form}")
    with av.open(clip, "w", format=form) as container:
        stream = container.add_stream(encoder, rate=15, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for k in range(45):
            frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 5 * k, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(clip) as container:
        stream = container.streams.video[0]
        rates = stream.average_rate, stream.base_rate, stream.guessed_rate
        untimed = all(frame.pts is None for frame in container.decode(stream))
    video = cv2.VideoCapture(clip)
    known = supervision.VideoInfo.from_video_path(clip)
    below = video.get(cv2.CAP_PROP_FRAME_COUNT) < 0 and known.total_frames < 0
    said = video.get(cv2.CAP_PROP_FPS), known.fps
    print(
        f"{form}: average {rates[0]}, base {rates[1]}, guessed {rates[2]}; OpenCV {said[0]}, supervision {said[1]}, "
        f"frames below zero {below}"
    )
    assert rates == (25, 30 if form == "h264" else 15, 15) and said == (25, 25) and below and untimed
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
