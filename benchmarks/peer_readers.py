"""The contenders of benchmarks.peers: crops of tracklets of one video, as each library is meant to give their frames.

``main`` reads a line of JSON a task from standard input: ``video``, ``tracklets`` (``start``, ``length``, ``box``) and
``result``. Writes ``ready``, then after each task ``done``, and once it has got another line, ``kept``, with the crops
in the file ``result``: what benchmarks.peers measures lies between. Runs without most of the product's dependencies.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from par_model.choices import DECODE_BUDGET, Policy
from par_model.sampling import Sampling
from par_model.types import Crops, Preprocess, Tracklet
from par_model.video.crop import cut_crop
from par_model.video.fit import fit_crop

SIZE = Preprocess(height=224, width=224)
SAMPLING = Sampling(frames=6)
TIGHTEST = 0.01
TORCH = "PEERS_TORCH"  # the folder of packages in which torch is
_TOGETHER = 32  # frames that are asked for at a time

Picture = NDArray[np.uint8]
Cut = tuple[int, int, Picture]  # row of the tracklet, frame that the reader says it is, pixels
Takers = dict[int, list[tuple[int, NDArray[np.float32]]]]  # by frame: rows and boxes
Read = Callable[[str, Sequence[Tracklet]], Iterable[Cut]]


def sampled(tracklets: Sequence[Tracklet]) -> Takers:
    """Six frames of each tracklet, as the product samples uniformly."""
    takers: Takers = {}
    for tracklet in tracklets:
        assert tracklet.frame_indices is not None
        assert tracklet.boxes is not None
        for position in SAMPLING.positions(tracklet.num_frames, tracklet.tracklet_id):
            taker = (tracklet.row, tracklet.boxes[position])
            takers.setdefault(int(tracklet.frame_indices[position]), []).append(taker)
    return dict(sorted(takers.items()))


def any_frame(tracklets: Sequence[Tracklet]) -> Takers:
    """All frames of each tracklet, for readers that choose which they give."""
    takers: Takers = {}
    for tracklet in tracklets:
        assert tracklet.frame_indices is not None
        assert tracklet.boxes is not None
        for frame, box in zip(tracklet.frame_indices.tolist(), tracklet.boxes, strict=True):
            takers.setdefault(frame, []).append((tracklet.row, box))
    return takers


def cut(frames: Iterable[tuple[int, Picture]], takers: Takers) -> Iterator[Cut]:
    for index, picture in frames:
        for row, box in takers.get(index, ()):
            yield row, index, fit_crop(cut_crop(picture, box, index), SIZE)


def daft_all(video: str, tracklets: Sequence[Tracklet]) -> Iterator[Cut]:
    import daft

    takers = sampled(tracklets)
    rows = daft.read_video_frames(video, *_size(video))
    rows = rows.where(rows["frame_index"].is_in(list(takers))).select("frame_index", "data")
    return cut(((row["frame_index"], row["data"]) for row in rows.iter_rows()), takers)


def daft_key(video: str, tracklets: Sequence[Tracklet], *, by_time: bool) -> Iterator[Cut]:
    """by_time: a frame's number is its time by the mean rate; else what the column frame_index says."""
    import daft

    rate = _mean_rate(video)
    rows = daft.read_video_frames(video, *_size(video), is_key_frame=True).select("frame_index", "frame_time", "data")
    numbered = (
        (round(row["frame_time"] * rate) if by_time else row["frame_index"], row["data"]) for row in rows.iter_rows()
    )
    return cut(numbered, any_frame(tracklets))


def ray_data(video: str, tracklets: Sequence[Tracklet]) -> Iterator[Cut]:
    import ray

    takers = sampled(tracklets)

    def crops(row: dict[str, Any]) -> list[dict[str, Any]]:
        found = cut([(int(row["frame_index"]), row["frame"])], takers)
        return [{"row": of, "frame": index, "pixels": pixels} for of, index, pixels in found]

    for row in ray.data.read_videos(video).flat_map(crops).iter_rows():
        yield row["row"], row["frame"], row["pixels"]


def torchcodec_exact(video: str, tracklets: Sequence[Tracklet]) -> Iterator[Cut]:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(video, seek_mode="exact", dimension_order="NHWC", num_ffmpeg_threads=1)
    takers = sampled(tracklets)
    return cut(_some_at_a_time(list(takers), lambda some: decoder.get_frames_at(some).data.numpy()), takers)


def decord_grouped(video: str, tracklets: Sequence[Tracklet]) -> Iterator[Cut]:
    import decord

    reader = decord.VideoReader(video, num_threads=1)
    takers = sampled(tracklets)
    return cut(_some_at_a_time(list(takers), lambda some: reader.get_batch(some).asnumpy()), takers)


def decord_each(video: str, tracklets: Sequence[Tracklet]) -> Iterator[Cut]:
    for tracklet in tracklets:
        yield from decord_grouped(video, [tracklet])


def ours(video: str, tracklets: Sequence[Tracklet], *, policy: Policy, budget: float) -> Iterator[Cut]:
    from par_model.video.stage import DecodeStage

    os.utime(video)  # what is known of the file from before
    for result in DecodeStage(SIZE, Sampling(policy, SAMPLING.frames, decode_budget=budget))(tracklets):
        assert isinstance(result, Crops), result
        for index, pixels in zip(result.sampled_frames.tolist(), result.pixels, strict=True):
            yield result.row, index, pixels


def cutting_alone(video: str, tracklets: Sequence[Tracklet]) -> Iterator[Cut]:
    """Cutting and fitting the sampled crops of one picture that is there already."""
    takers = sampled(tracklets)
    return cut(((index, _GREY) for index in takers), takers)


_GREY = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)

READERS: dict[str, Read] = {
    "ours-uniform": partial(ours, policy="uniform", budget=1.0),
    "ours-cheap": partial(ours, policy="cheap", budget=DECODE_BUDGET),
    "ours-tightest": partial(ours, policy="cheap", budget=TIGHTEST),
    "daft-all": daft_all,
    "daft-key-time": partial(daft_key, by_time=True),
    "daft-key-index": partial(daft_key, by_time=False),
    "ray": ray_data,
    "torchcodec": torchcodec_exact,
    "decord-grouped": decord_grouped,
    "decord-each": decord_each,
    "cutting": cutting_alone,
}


def _some_at_a_time(
    indices: list[int], read: Callable[[list[int]], NDArray[np.uint8]]
) -> Iterator[tuple[int, Picture]]:
    for start in range(0, len(indices), _TOGETHER):
        some = indices[start : start + _TOGETHER]
        yield from zip(some, read(some), strict=True)


def _size(video: str) -> tuple[int, int]:
    import av

    with av.open(video) as container:
        stream = container.streams.video[0]
        return stream.height, stream.width


def _mean_rate(video: str) -> float:
    import av

    with av.open(video) as container:
        rate = container.streams.video[0].average_rate
        assert rate is not None
        return float(rate)


def prepare(name: str) -> None:
    """Load what a contender needs, and start what it keeps running. Raises ImportError, or OSError, where it cannot."""
    if name == "torchcodec":
        sys.path.append(os.environ.get(TORCH, ""))  # last, so that it gives what is nowhere else
    for module in _MODULES.get(name.partition("-")[0], ()):
        import_module(module)
    if name == "ray":
        import ray

        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
    elif name == "torchcodec":
        import torch

        torch.set_num_threads(1)


_MODULES = {
    "ours": ["par_model.video.stage"],
    "daft": ["daft", "daft.io.av"],
    "ray": ["decord", "ray"],
    "torchcodec": ["torchcodec.decoders"],
    "decord": ["decord"],
}


def _tracklets(task: dict[str, Any]) -> list[Tracklet]:
    return [
        Tracklet(
            row,
            f"t{row}",
            video_uri=task["video"],
            frame_indices=np.arange(t["start"], t["start"] + t["length"], dtype=np.int32),
            boxes=np.tile(np.asarray(t["box"], np.float32), (t["length"], 1)),
        )
        for row, t in enumerate(task["tracklets"])
    ]


def serve(name: str, tasks: Iterator[str], answers: TextIO) -> None:
    """Do tasks until there are no more."""
    prepare(name)
    print("ready", file=answers, flush=True)
    for line in tasks:
        task = json.loads(line)
        cuts = list(READERS[name](task["video"], _tracklets(task)))
        print("done", file=answers, flush=True)
        next(tasks)
        rows, frames, images = zip(*cuts, strict=True) if cuts else ((), (), ())
        np.savez(task["result"], rows=rows, frames=frames, images=images)
        print("kept", file=answers, flush=True)


def main() -> None:
    """Be the contender that the command line names."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    serve(sys.argv[1], iter(sys.stdin), answers)
