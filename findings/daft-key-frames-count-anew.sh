#!/usr/bin/env bash
# Daft 0.7.26 with PyAV 17.0.1, read_video_frames, seen on Linux, x86-64, Python 3.11.
#
# Guess:     is_key_frame picks rows and changes none: what comes is what a filter on the column is_key_frame leaves.
#            frame_index is documented as the frame's index in the video.
# Behaviour: with is_key_frame=True frame_index counts the key frames that came out: the frame that is 25 without the
#            option, and with sample_interval_seconds, is 1 with it. A join with boxes by frame_index puts those of frame
#            1 on the picture of frame 25, without an error. is_key_frame=False, documented as "only non-key frames",
#            gives all frames, the key frames too. A filter on the column is right in both, and decodes everything.
# Output:    shown, frame_index: key frames [(0, 0), (25, 1), (50, 2)] | filtered [(0, 0), (25, 25), (50, 50)]
#            sampled every half second [(0, 0), (13, 13), (25, 25), (38, 38), (50, 50), (63, 63)]
#            is_key_frame=False: 75 rows of 75, 3 of them key frames
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'daft[video]==0.7.26' av==17.0.1 numpy==2.4.6 pyarrow==25.0.1
cd "$folder"
DO_NOT_TRACK=1 DAFT_PROGRESS_BAR=0 "$folder/venv/bin/python" - <<'PYTHON'
import av
import daft
import numpy as np

with av.open("clip.mp4", "w") as clip:
    stream = clip.add_stream("libx264", rate=25, options={"g": "25", "keyint_min": "25", "sc_threshold": "0"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for k in range(75):  # each as bright as its number says
        clip.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * k, np.uint8), format="rgb24")))
    clip.mux(stream.encode(None))


def read(**options):
    return daft.read_video_frames("clip.mp4", image_height=48, image_width=64, **options)


def shown(frames):
    rows = frames.select("frame_index", "data").to_pydict()
    return [(round(picture.mean() / 3), index) for picture, index in zip(rows["data"], rows["frame_index"])]


everything = read()
key, filtered = shown(read(is_key_frame=True)), shown(everything.where(everything["is_key_frame"]))
print(f"shown, frame_index: key frames {key} | filtered {filtered}")
sampled = shown(read(sample_interval_seconds=0.5))
print(f"sampled every half second {sampled}")
others = read(is_key_frame=False).select("is_key_frame").to_pydict()["is_key_frame"]
print(f"is_key_frame=False: {len(others)} rows of {everything.count_rows()}, {sum(others)} of them key frames")
assert key == [(0, 0), (25, 1), (50, 2)]
assert filtered == [(0, 0), (25, 25), (50, 50)]
assert sampled == [(0, 0), (13, 13), (25, 25), (38, 38), (50, 50), (63, 63)]
assert (len(others), sum(others)) == (75, 3)
PYTHON
