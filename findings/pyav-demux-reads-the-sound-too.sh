#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1), numpy 2.4.6
#
# Guess: `container.demux(video)` of an mp4 or mov reads the packets of the video alone, since the header says where each
# packet of each track lies.
#
# Behaviour: the packets of other tracks are read from the file and then dropped, so that of a
# mov with uncompressed sound nearly all is read. Only `other.discard = Discard.all` on the other streams leaves their bytes
# unread, but for what lies in FFmpeg's buffer of 32 kB; the packets of the video are the same.
#
# Output seen:
#   the pictures:                 0.5 of 6.3 MB
#   demux(video) reads:           6.2
#   where the sound is discarded: 1.0
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import os

import av
import numpy as np

RATE, SECONDS, GROUP = 25, 30, 50
SIZE = 320, 240


def make(path):
    noise = np.random.default_rng(0)
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"g": str(GROUP), "crf": "30", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        for k in range(RATE * SECONDS):
            picture = noise.integers(0, 60, (SIZE[1], SIZE[0], 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if k % 25 == 0:
                part = av.AudioFrame.from_ndarray(
                    noise.integers(-9000, 9000, (1, 2 * 48_000), np.int16), format="s16", layout="stereo"
                )
                part.sample_rate, part.pts = 48_000, 48_000 * (k // 25)
                container.mux(sound.encode(part))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


class Counted:
    def __init__(self, path):
        self._file, self.count = open(path, "rb"), 0

    def read(self, size=-1):
        data = self._file.read(size)
        self.count += len(data)
        return data

    def seek(self, *where):
        return self._file.seek(*where)

    def tell(self):
        return self._file.tell()


def look(path, discard):
    """The video's packets, and the bytes that were read for them after the file had been opened."""
    file = Counted(path)
    with av.open(file) as container:
        video = container.streams.video[0]
        if discard:
            for other in container.streams:
                if other.index != video.index:
                    other.discard = av.stream.Discard.all
        file.count = 0
        packets = [(packet.pts, packet.pos, packet.size) for packet in container.demux(video) if packet.size]
    return packets, file.count


make("clip.mov")
size = os.path.getsize("clip.mov")
plain, quiet = look("clip.mov", False), look("clip.mov", True)
pictures = sum(packet[2] for packet in plain[0])
print(f"the pictures:                 {pictures / 1e6:.1f} of {size / 1e6:.1f} MB")
print(f"demux(video) reads:           {plain[1] / 1e6:.1f}")
print(f"where the sound is discarded: {quiet[1] / 1e6:.1f}")
assert plain[0] == quiet[0], "the packets differ"
assert plain[1] > 0.95 * size, "the sound is not read"
assert quiet[1] < 0.25 * plain[1], "the sound is read although it is discarded"
PY
