#!/usr/bin/env bash
# imageio-ffmpeg 0.8.1 (FFmpeg 9.0.2), PyAV 18.1.0, opencv-python-headless 5.0.0.93, numpy 2.4.6, Python 3.11: an mp4
# whose track says by the box clap (clean aperture, ISO/IEC 14496-12) that of 80x64 pixels 64x48 are to be shown.
#
# Guess: whoever honours the box shows 64x48 and whoever does not 80x64, and readers that are all built on FFmpeg
# agree. ffmpeg 5.1.9 did not crop.
#
# Seen: the programme ffmpeg crops, since its option -apply_cropping is on unless told otherwise; PyAV and OpenCV, on
# the same libraries, do not, and say nothing. So boxes that were drawn on pictures of "ffmpeg -i x %d.png", or of
# imageio, lie to the left of the people and above them on the frames of the others. A line at x = 40 is at 24.
# Scaling the boxes from 64x48 to 80x64, which the sizes suggest, is wrong too. Matroska's PixelCropLeft and its kin
# do the same.
#
# Output seen:
#   PyAV: 80x64, the line at 40
#   OpenCV: 80x64, the line at 40
#   ffmpeg: 64x48, the line at 24
#   ffmpeg -apply_cropping codec: 80x64, the line at 40
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 opencv-python-headless==5.0.0.93 imageio-ffmpeg==0.8.1 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import struct
import subprocess
import sys
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np

plain, clip, png = (str(Path(sys.argv[1]) / name) for name in ("plain.mp4", "clip.mp4", "first.png"))
picture = np.full((64, 80, 3), 16, np.uint8)
picture[:, 40:42] = 235
with av.open(plain, "w") as container:
    stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
    stream.width, stream.height, stream.pix_fmt = 80, 64, "yuv420p"
    for _ in range(5):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode(None))

# The header lies behind the pictures, so that a box more in it moves none of them.
data = bytearray(Path(plain).read_bytes())
clap = struct.pack(">I4s8i", 40, b"clap", 64, 1, 48, 1, 8, 1, 0, 1)  # the middle lies 8 to the right of the picture's
start, end = 0, len(data)
for kind, header in ((b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16), (b"avc1", 86)):
    while (box := struct.unpack(">I4s", data[start : start + 8]))[1] != kind:
        start += box[0]
    data[start : start + 4] = struct.pack(">I", box[0] + len(clap))
    start, end = start + header, start + box[0]
Path(clip).write_bytes(data[:end] + clap + data[end:])


def by_pyav():
    with av.open(clip) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def by_ffmpeg(*options):
    programme = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([programme, "-v", "error", "-y", *options, "-i", clip, "-frames:v", "1", png], check=True)
    return cv2.imread(png)


seen = {}
for name, first in (
    ("PyAV", by_pyav()),
    ("OpenCV", cv2.VideoCapture(clip).read()[1]),
    ("ffmpeg", by_ffmpeg()),
    ("ffmpeg -apply_cropping codec", by_ffmpeg("-apply_cropping", "codec")),
):
    height, width, _ = first.shape
    seen[name] = width, height, int(first[height // 2, :, 0].argmax())
    print(f"{name}: {width}x{height}, the line at {seen[name][2]}")
whole, cropped = (80, 64), (64, 48)
assert [size[:2] for size in seen.values()] == [whole, whole, cropped, whole], seen
assert all(abs(line - (24 if (width, height) == cropped else 40)) <= 1 for width, height, line in seen.values()), seen
PY
"$folder/venv/bin/python" "$folder/see.py" "$folder"
