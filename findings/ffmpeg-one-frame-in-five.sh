#!/usr/bin/env bash
# imageio-ffmpeg 0.8.1 (FFmpeg 9.0.2; 5.1.9 does the same), PyAV 18.1.0, Pillow 13.0.0, numpy 2.4.6, Python 3.11:
# images for annotators, five or one a second, of a video of 25 frames a second at constant rate.
#
# Guess: "-r 5" and "-vf fps=5" are two ways to say the same, and image n is frame 5 (n - 1): the first frame, the
# sixth, and so on. At one a second, image 2 is frame 25.
#
# Seen: neither. fps=5 takes the last of the frames whose time rounds to the image's, frame 2, 7, 12: the middle of
# each five, and at one a second the 13th frame of each second. -r 5 takes frames 0, 1, 4, 9, 14: the first two are
# neighbours, and there are two images more. So boxes that were drawn on image n lie up to half a second beside frame
# 25 (n - 1). framestep=5, select='not(mod(n,5))' and fps=5:round=up take 0, 5, 10.
#
# Output seen (frames that the first images show, number of images):
#   -vf fps=5: [2, 7, 12, 17] 15
#   -r 5: [0, 1, 4, 9] 17
#   -vf fps=1: [12, 37, 62] 3
#   -r 1: [0, 1, 22, 47] 5
#   -vf fps=5:round=up: [0, 5, 10, 15] 15
#   -vf framestep=5: [0, 5, 10, 15] 15
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imageio-ffmpeg==0.8.1 av==18.1.0 pillow==13.0.0 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import subprocess
import sys
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from PIL import Image

folder = Path(sys.argv[1])
clip = str(folder / "clip.mp4")
with av.open(clip, "w") as container:
    stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for number in range(75):
        picture = np.full((48, 64, 3), 20 + 3 * number, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode(None))

EXPECTED = {
    "-vf fps=5": ([2, 7, 12, 17], 15),
    "-r 5": ([0, 1, 4, 9], 17),
    "-vf fps=1": ([12, 37, 62], 3),
    "-r 1": ([0, 1, 22, 47], 5),
    "-vf fps=5:round=up": ([0, 5, 10, 15], 15),
    "-vf framestep=5": ([0, 5, 10, 15], 15),
}
seen = {}
for number, asked in enumerate(EXPECTED):
    images = folder / str(number)
    images.mkdir()
    programme = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([programme, "-v", "error", "-i", clip, *asked.split(), str(images / "%04d.png")], check=True)
    shown = [round((np.asarray(Image.open(image)).mean() - 20) / 3) for image in sorted(images.iterdir())]
    seen[asked] = shown[:4], len(shown)
    print(f"{asked}: {shown[:4]} {len(shown)}")
assert seen == EXPECTED, seen
PY
"$folder/venv/bin/python" "$folder/see.py" "$folder"
