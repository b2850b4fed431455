#!/usr/bin/env bash
# scenedetect 0.7.2, opencv-python-headless 5.0.0.93, PyAV 18.1.0, numpy 2.4.6, Python 3.11: where a recording of 150
# frames changes its picture, at frames 50 and 100, read from its start to its end by each of the two backends.
#
# Guess: the detector is given one frame after another, so it knows the number of each, and frame_num of a cut is that
# number, whatever the times of the frames are and whoever decodes them.
#
# Seen: frame_num is the time of the cut times the average frame rate that the backend says. Where frames came evenly it
# is right. After one gap of 0.4 s at frame 30 the cuts are at 60 and 110 with PyAV, and at 56 and 103 with OpenCV;
# where the rate is halved at night, from frame 60 on, the second one is at 140 or at 88. So a track that is divided at
# that number goes on into the other scene, or ends before. The times of the cuts are right in all cases: the frame is
# the one that has this time. The total, duration.frame_num, is that of the frames with OpenCV and not with PyAV.
#
# Output seen (cuts, end, times of the cuts):
#   even:       opencv [50, 100] 150 [2.0, 4.0]  pyav [50, 100] 150 [2.0, 4.0]
#   a gap:      opencv [56, 103] 150 [2.4, 4.4]  pyav [60, 110] 160 [2.4, 4.4]
#   half rate:  opencv [31, 88] 150 [2.0, 5.6]  pyav [50, 140] 239 [2.0, 5.6]
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 opencv-python-headless==5.0.0.93 numpy==2.4.6 click==8.5.1 \
    platformdirs==4.14.8 tqdm==4.70.1
# It asks for OpenCV with windows, which it does not need for this.
"$folder/venv/bin/pip" install --quiet --no-deps scenedetect==0.7.2
cat > "$folder/see.py" <<'PY'
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scenedetect import ContentDetector, SceneManager, open_video

FRAMES, FIRST, SECOND = 150, 50, 100
COLOURS = (200, 40, 40), (40, 40, 200), (250, 250, 250)


def write(name, milliseconds):
    path = str(Path(sys.argv[1]) / f"{name}.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(milliseconds):
            colour = COLOURS[(number >= FIRST) + (number >= SECOND)]
            frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), colour, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cuts(path, backend):
    video, manager = open_video(path, backend=backend), SceneManager()
    manager.add_detector(ContentDetector(min_scene_len=5))
    manager.detect_scenes(video)
    starts = [start for start, _ in manager.get_scene_list()][1:]
    seconds = [round(start.seconds, 3) for start in starts]
    return [start.frame_num for start in starts], manager.get_scene_list()[-1][1].frame_num, seconds


clips = {
    "even": [40 * n for n in range(FRAMES)],
    "a gap": [40 * n + 400 * (n >= 30) for n in range(FRAMES)],
    "half rate": [40 * n + 40 * max(0, n - 60) for n in range(FRAMES)],
}
seen = {}
for name, milliseconds in clips.items():
    path = write(name, milliseconds)
    seen[name] = {backend: cuts(path, backend) for backend in ("opencv", "pyav")}
    for _, _, seconds in seen[name].values():
        assert seconds == [milliseconds[FIRST] / 1000, milliseconds[SECOND] / 1000]
    told = "  ".join(f"{backend} {' '.join(map(str, found))}" for backend, found in seen[name].items())
    print(f"{name + ':':11} {told}")
assert seen == {
    "even": {"opencv": ([50, 100], 150, [2.0, 4.0]), "pyav": ([50, 100], 150, [2.0, 4.0])},
    "a gap": {"opencv": ([56, 103], 150, [2.4, 4.4]), "pyav": ([60, 110], 160, [2.4, 4.4])},
    "half rate": {"opencv": ([31, 88], 150, [2.0, 5.6]), "pyav": ([50, 140], 239, [2.0, 5.6])},
}, seen
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
