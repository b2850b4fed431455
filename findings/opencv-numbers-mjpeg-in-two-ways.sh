#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93, PyAV 18.1.0, Pillow 13.0.0, numpy 2.4.6, Python 3.11: MJPEG in AVI, as older
# recorders write it, by OpenCV's two readers: FFmpeg (CAP_FFMPEG), and its own (CAP_OPENCV_MJPEG).
#
# In AVI an empty chunk says that the picture before is shown once more; FFmpeg's writer fills a gap of times with
# them. Cameras with interlaced pictures put two JPEG images of half the height into a chunk, one a field, each with
# an AVI1 marker.
#
# Guess: one library numbers the frames of one file in one way, and gives pictures of the size that the header says.
#
# Seen: with a gap of ten pictures after frame 19, frame 20 of FFmpeg's reader is frame 30 of OpenCV's own, which
# repeats the picture, while CAP_PROP_FRAME_COUNT is 50 with both. Of two fields its own reader gives the first alone:
# 64x48, though CAP_PROP_FRAME_HEIGHT is 96, so that boxes of the whole picture lie far below.
#
# Output seen:
#   gap, FFmpeg: 40 frames of 50, those from 19 on show [19, 30, 31]
#   gap, own: 50 frames of 50, those from 19 on show [19, 19, 19]
#   fields, FFmpeg: height 96 of 96
#   fields, own: height 48 of 96
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import io
import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

gap, fields = (str(Path(sys.argv[1]) / name) for name in ("gap.avi", "fields.avi"))
READERS = {"FFmpeg": cv2.CAP_FFMPEG, "own": cv2.CAP_OPENCV_MJPEG}


def jpeg(brightness, height, polarity):
    file = io.BytesIO()
    Image.new("RGB", (64, height), (brightness,) * 3).save(file, "JPEG", quality=95)
    data = file.getvalue()
    (length,) = struct.unpack(">H", data[4:6])  # of the JFIF marker, in the place of which AVI1 comes
    marker = b"AVI1" + bytes([polarity]) + bytes(9)
    return data[:2] + b"\xff\xe0" + struct.pack(">H", 2 + len(marker)) + marker + data[4 + length :]


def write(path, times, picture):
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuvj420p"
        for time in times:
            packet = av.Packet(picture(time))
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), time, time
            packet.is_keyframe = True
            container.mux(packet)


def read(path, reader):
    video = cv2.VideoCapture(path, reader)
    pictures = []
    while (found := video.read())[0]:
        pictures.append(found[1])
    return pictures, round(video.get(cv2.CAP_PROP_FRAME_COUNT)), round(video.get(cv2.CAP_PROP_FRAME_HEIGHT))


write(gap, [*range(20), *range(30, 50)], lambda time: jpeg(5 * time, 96, 0))
write(fields, range(20), lambda time: jpeg(5 * time, 48, 1) + jpeg(5 * time + 2, 48, 2))
seen = []
for name, reader in READERS.items():
    pictures, count, _ = read(gap, reader)
    shown = [round(picture.mean() / 5) for picture in pictures[19:22]]
    print(f"gap, {name}: {len(pictures)} frames of {count}, those from 19 on show {shown}")
    seen.append((len(pictures), count, shown))
for name, reader in READERS.items():
    pictures, _, height = read(fields, reader)
    print(f"fields, {name}: height {pictures[0].shape[0]} of {height}")
    seen.append((pictures[0].shape[0], height))
assert seen == [(40, 50, [19, 30, 31]), (50, 50, [19, 19, 19]), (96, 96), (48, 96)], seen
PY
"$folder/venv/bin/python" "$folder/see.py" "$folder" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
