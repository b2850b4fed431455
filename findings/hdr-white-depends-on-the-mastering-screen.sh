#!/usr/bin/env bash
# PyAV 18.1.0 (libswscale 9.5), seen on Linux, x86-64, Python 3.11.
#
# Guess:     asked for sRGB (dst_color_trc, dst_color_primaries), a PQ picture's white of 203 cd/m2 becomes white, and
#            metadata about the screen that the footage was mastered on changes highlights at most.
# Behaviour: with SMPTE ST 2086 metadata, which HDR10 cameras and phones write, the whole picture is darkened by the
#            peak of that screen: the same pixels give 253 without it, 123 for 1000 cd/m2 and 63 for 4000. The colours
#            of two clips differ by what is written beside them. An 8- or 10-bit 4:2:0 picture that is taken to rgb48le
#            with FULL_CHR_H_INT, to do the mapping oneself, comes out with wrong green and blue; with ACCURATE_RND
#            alone it is right.
# Output:    no metadata 253 | 1000 cd/m2 123 | 4000 cd/m2 63
#            rgb48le of (0.48, 0.30, 0.24): accurate [0.48 0.3 0.24], full chroma [0.48 0.0 0.52]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter

BT2020, LIMITED, PQ = 9, 1, 16


def frame(y, u, v):
    flat = av.VideoFrame(64, 64, "yuv420p10le")
    for plane, value in zip(flat.planes, (y, u, v)):
        plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
    flat.colorspace, flat.color_range, flat.color_trc, flat.color_primaries = BT2020, LIMITED, PQ, BT2020
    return flat


def white(peak):
    screen = f":hdr10=1:master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L({peak}0000,1)"
    params = "log-level=none:pools=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited"
    with av.open("clip.ts", "w") as clip:
        stream = clip.add_stream("libx265", rate=25, options={"x265-params": params + (screen if peak else "")})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p10le"
        clip.mux(stream.encode(frame(573, 512, 512)))  # 58 % PQ, 203 cd/m2
        clip.mux(stream.encode(None))
    with av.open("clip.ts") as clip:
        decoded = next(clip.decode(video=0))
        srgb = VideoReformatter().reformat(
            decoded, format="rgb24", threads=1,
            dst_color_trc=ColorTrc.IEC61966_2_1, dst_color_primaries=ColorPrimaries.BT709,
        )
    return int(srgb.to_ndarray()[32, 32, 1])


found = [white(peak) for peak in (None, 1000, 4000)]
print("no metadata {} | 1000 cd/m2 {} | 4000 cd/m2 {}".format(*found))
red = frame(367, 462, 593)
rgb = [
    (VideoReformatter().reformat(red, format="rgb48le", threads=1, interpolation=how).to_ndarray()[32, 32] / 65535)
    for how in (Interpolation.BILINEAR | Interpolation.ACCURATE_RND, Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT)
]
print(f"rgb48le of (0.48, 0.30, 0.24): accurate {rgb[0].round(2)}, full chroma {rgb[1].round(2)}")
assert [abs(level - seen) <= 2 for level, seen in zip(found, (253, 123, 63))] == [True] * 3, found
assert np.abs(rgb[0] - (0.48, 0.30, 0.24)).max() < 0.02, rgb
assert np.abs(rgb[1] - (0.48, 0.0, 0.52)).max() < 0.02, rgb
PYTHON
