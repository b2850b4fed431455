"""Reading frames: memory of a decode worker, and what sharing one long video among workers costs.

python -m benchmarks.frames_bounds

Memory is the peak of a fresh process that decodes the 60 s of 720p of `benchmarks.frames`, crops of 6 frames at 224x224
each, and gives every result away. Sharing cuts a video of 10 minutes (320x180, 25 frames a second, a key frame every
2 s) into the units of the main job; each is read on its own, and the frames decoded by all are set against those of
one pass.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.frames import SAMPLING, SIZE, overlapping, render
from benchmarks.results import table, write_section
from par_model.inference.units import UnitSize, cut_units
from par_model.types import Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage

FRAMES = 15_000
BOXES = np.float32([[20, 20, 60, 120]])


def peak_memory(uri: str, tracklets: int) -> float:
    """MiB that this process took at most, once it has read them."""
    for result in DecodeStage(SIZE, SAMPLING, DecodeOptions(isolate=False))(overlapping(uri, tracklets)):
        del result
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def render_long(path: Path) -> Path:
    """Ten minutes of a drifting wall."""
    import av

    wall = np.random.default_rng(1).integers(60, 200, (45, 1000, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "50"}
        for k in range(FRAMES):
            picture = np.ascontiguousarray(wall[:, k % 3600 : k % 3600 + 320])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def frames_decoded(uri: str, count: int, length: int, most: int) -> tuple[int, int, float]:
    """Units, frames that all of them decoded, and frames decoded over frames that had to be passed, as in run.json."""
    draw = np.random.default_rng(3)
    begins = np.sort(draw.integers(0, FRAMES - 2 * length, count))
    lengths = draw.integers(length // 2, 2 * length, count)
    spans = [np.arange(b, b + n, dtype=np.int32) for b, n in zip(begins, lengths, strict=True)]
    rows = pa.table({"video_uri": [uri] * count, "frame_indices": spans, "_row": range(count)})
    stage = DecodeStage(SIZE, SAMPLING, DecodeOptions(isolate=False))
    units = 0
    for unit in cut_units(iter(rows.to_batches()), UnitSize(most=most, enough=most)):
        units += 1
        wanted = [
            Tracklet(row, str(row), video_uri=uri, frame_indices=spans[row], boxes=np.tile(BOXES, (len(spans[row]), 1)))
            for row in unit["_row"].to_pylist()
        ]
        for result in stage(wanted):
            del result
    counters = stage.counters
    return units, counters.frames_decoded, counters.frames_decoded / counters.frames_needed


def main() -> None:
    spawn = multiprocessing.get_context("spawn")
    memory, sharing = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = str(render(Path(folder) / "video.mp4"))
        for count in (60, 2000):
            with ProcessPoolExecutor(1, mp_context=spawn) as worker:
                memory.append([str(count), f"{worker.submit(peak_memory, path, count).result():.0f} MiB"])
        long = str(render_long(Path(folder) / "long.mp4"))
        for count, length in ((600, 150), (600, 750)):
            _, once, _ = frames_decoded(long, count, length, count)
            for most in (222, 100):
                units, decoded, ratio = frames_decoded(long, count, length, most)
                sharing.append([f"{count} of about {length} frames", str(units), str(decoded), str(once),
                                f"{decoded / once:.2f}", f"{ratio:.2f}"])  # fmt: skip
    how = (__doc__ or "").split("\n\n", 2)[2].strip()
    first = table(["tracklets of one video", "peak memory of the process"], memory)
    second = table(["tracklets", "units", "frames decoded", "by one unit", "of it", "run.json's ratio"], sharing)
    print(first, second, sep="\n\n")
    write_section("Frames: memory and sharing", "\n\n".join([how, first, second]))


if __name__ == "__main__":
    main()
