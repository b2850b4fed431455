"""Reading frames: sampling by cost against uniform sampling, side by side.

python -m benchmarks.frames_cheap [--turns N]

Sixty tracklets of one minute of video (50 to 250 frames at 25 a second), six frames each, crops of 224x224 unless the
line says otherwise, one thread. Processor time of the process that asks and of the child that decodes together, least
of the turns, which contenders take one after the other; nothing is known of the file beforehand. 720p is 1280x720,
H.264 (x264 veryfast, three B-frames), a key frame every 2 s unless the line says otherwise; noisy is a dim scene with
sensor noise, quiet a textured one that drifts; smart is a camera's long groups without B-frames, a key frame when
something happens; the street is a camera of `parjob demo`, 640x360. "beside" is the time less cutting and fitting
(measured alone) over the bare decode, which demuxes and decodes the packets of the chosen frames and does nothing else.
Bytes and requests are those that an S3 server on loopback was asked for, for the same tracklets.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.frames import FRAMES, HEIGHT, RATE, WIDTH, read_with_decord, render, s3_copy
from benchmarks.results import table, write_section
from par_model.choices import DECODE_BUDGET
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.heap import keep_freed_memory
from par_model.sampling import Sampling
from par_model.types import Crops, Preprocess, Tracklet
from par_model.video.bytes.source import open_video
from par_model.video.containers.random_access import RandomAccess
from par_model.video.crop import cut_crop
from par_model.video.fit import fit_crop
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import Group, groups_of
from par_model.video.process import parent as isolation
from par_model.video.reader import VideoReader
from par_model.video.stage import DecodeStage

TIGHTEST = 0.01
SAMPLINGS = {
    "uniform": Sampling("uniform", 6),
    "default": Sampling("cheap", 6),
    "tightest": Sampling("cheap", 6, decode_budget=TIGHTEST),
}
LARGE, SMALL = Preprocess(height=224, width=224), Preprocess(height=96, width=48)


@dataclass(frozen=True)
class File:
    """A minute of video. aims: how many times faster the default and the tightest budget should be."""

    name: str
    path: str
    size: Preprocess = LARGE
    aims: tuple[str, str] = ("", "")
    picture: tuple[int, int] = (WIDTH, HEIGHT)
    shortest: int = 50
    longest: int = 250


def dim_scene(path: Path, noise: float = 8.6) -> Path:
    """Sixty seconds of a dim, smooth street that drifts, with people who walk and a sensor's noise."""
    draw = np.random.default_rng(1)
    coarse = draw.integers(30, 90, (10, 18 + FRAMES // 80, 3), np.uint8)
    wall = np.asarray(Image.fromarray(coarse).resize((WIDTH + FRAMES, HEIGHT), Image.Resampling.BICUBIC))
    grain = [draw.normal(0, noise, (HEIGHT, WIDTH, 1)).astype(np.int16) for _ in range(7)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26", "g": "50"}
        for k in range(FRAMES):
            picture = wall[:, k : k + WIDTH].astype(np.int16)
            for person in range(8):
                left = (person * 160 + k * (1 + person % 3)) % (WIDTH - 60)
                picture[300:500, left : left + 60] = (30 * person, 255 - 30 * person, 90)
            picture += np.roll(grain[k % 7], ((k * 37) % HEIGHT, (k * 91) % WIDTH), (0, 1))
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def files(folder: Path) -> Iterator[File]:
    """The files of the table, rendered one after the other."""
    yield File("noisy 720p", str(dim_scene(folder / "noisy.mp4")), aims=(">= 5", ">= 9"))
    yield File("quiet 720p", str(render(folder / "quiet.mp4")), aims=(">= 2.2", ">= 3.5"))
    quiet = str(folder / "quiet.mp4")
    yield File("quiet 720p, tracklets of 20 to 100", quiet, aims=(">= 1", ">= 1"), shortest=20, longest=100)
    config = StreetConfig(cameras=1, seconds=60, fps=RATE)
    render_street(config, folder / "street", workers=1)
    (street,) = (folder / "street" / "videos").glob("*.mp4")
    keyed = again(street, folder / "street.mp4", g="50")
    for size, aims in ((LARGE, (">= 3", ">= 3.5")), (SMALL, ("", ">= 5"))):
        shown = f"street, crops of {size.height}x{size.width}"
        yield File(shown, str(keyed), size, aims, picture=(config.width, config.height))
    for name, aim, options in (
        ("a key frame every second", ">= 2", {"g": "25"}),
        ("a key frame every 10 s", "", {"g": "250"}),
        ("a single key frame", ">= 0.97", {"g": "100000", "sc_threshold": "0"}),
        (
            "smart",
            "",
            {"g": "600", "bf": "0", "sc_threshold": "0", "ref": "1", "forced-idr": "1", "keys": "0 230 790 1310"},
        ),
    ):
        path = again(Path(quiet), folder / f"{options['g']}.mp4", **options)
        yield File(f"quiet 720p, {name}", str(path), aims=(aim, ""))


def again(source: Path, path: Path, keys: str = "", **options: str) -> Path:
    """The same pictures, coded with other options. keys: the frames that are made key frames."""
    forced = [int(key) for key in keys.split()]
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        shown = given.streams.video[0]
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = shown.width, shown.height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26", **options}
        for k, frame in enumerate(given.decode(shown)):
            frame.pict_type = av.video.frame.PictureType.I if k in forced else av.video.frame.PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tracklets(file: File, count: int = 60) -> list[Tracklet]:
    """All over the video; boxes of an eighth of the picture's width."""
    draw = np.random.default_rng(2)
    width, height = file.picture
    found = []
    for row in range(count):
        length = int(draw.integers(file.shortest, file.longest))
        start = int(draw.integers(0, FRAMES - length))
        left = int(draw.integers(0, width - width // 14))
        box = np.float32([left, 280 * height // 720, width // 14, 230 * height // 720])
        frames = np.arange(start, start + length, dtype=np.int32)
        boxes = np.tile(box, (length, 1))
        found.append(Tracklet(row, f"t{row}", video_uri=file.path, frame_indices=frames, boxes=boxes))
    return found


@dataclass
class Measured:
    """Least processor seconds so far, and what was decoded."""

    seconds: float = float("inf")
    decoded: int = 0
    sampled: dict[int, list[int]] = field(default_factory=dict)


def measure(file: File, sampling: Sampling) -> Measured:
    """One call of the decode stage, in this process and its child."""
    os.utime(file.path)  # nothing is known of it
    stage = DecodeStage(file.size, sampling, DecodeOptions())
    wanted = tracklets(file)
    isolation.start_process()
    child = isolation._idle[-1]._process.pid
    before = time.process_time() + _used_by(child)
    results = list(stage(wanted))
    seconds = time.process_time() + _used_by(child) - before
    if not all(isinstance(result, Crops) for result in results):
        raise AssertionError("a tracklet failed")
    sampled = {result.row: result.sampled_frames.tolist() for result in results if isinstance(result, Crops)}
    return Measured(seconds, stage.counters.frames_decoded, sampled)


def _used_by(process: int) -> float:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def bare_decode(file: File, groups: Sequence[Group], order: Sequence[int]) -> float:
    """Processor seconds of demuxing and decoding the packets that wanted frames need, and nothing else.

    order: the frames in the order of decoding.
    """
    started = time.process_time()
    rank_of = {frame: rank for rank, frame in enumerate(order)}
    with av.open(file.path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        access = RandomAccess(stream.codec_context.codec.canonical_name, stream.codec_context.extradata)
        step = int(1 / RATE / (stream.time_base or 1))
        for group in groups:
            container.seek(group.start * step, stream=stream)
            for rank, packet in enumerate(container.demux(stream), rank_of[group.start]):
                if order[rank] in group.wanted or not access.is_disposable(packet):
                    packet.decode()
                if rank == group.last:
                    break
            stream.codec_context.decode(None)
    return time.process_time() - started


def cut_and_fit(file: File) -> float:
    """Processor seconds of cutting and fitting as many crops as the tracklets have."""
    width, height = file.picture
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    boxes: list[NDArray[np.float32]] = [t.boxes[0] for t in tracklets(file) if t.boxes is not None]
    started = time.process_time()
    for box in boxes:
        for _ in range(6):
            fit_crop(cut_crop(picture, box, 0), file.size)
    return time.process_time() - started


def decord_for_each(file: File) -> float:
    """Processor seconds of decord, opened for each tracklet and asked for uniform's frames."""
    started = time.process_time()
    read_with_decord(tracklets(file), together=False)
    return time.process_time() - started


def against_decord(file: File, turns: int) -> list[str]:
    """A row of the second table."""
    spawn = multiprocessing.get_context("spawn")
    best = {"ours": float("inf"), "decord": float("inf")}
    with ProcessPoolExecutor(1, mp_context=spawn) as ours, ProcessPoolExecutor(1, mp_context=spawn) as theirs:
        for turn in range(turns + 1):
            found = {
                "ours": ours.submit(measure, file, SAMPLINGS["tightest"]).result().seconds,
                "decord": theirs.submit(decord_for_each, file).result(),
            }
            if turn:
                best = {name: min(best[name], seconds) for name, seconds in found.items()}
    return [
        file.name,
        f"{best['ours']:.2f} s",
        f"{best['decord']:.2f} s",
        f"{best['decord'] / best['ours']:.1f}",
        ">= 18",
    ]


def _read_at(uri: str, file: File, sampling: Sampling) -> None:
    stage = DecodeStage(file.size, sampling, DecodeOptions(isolate=False))
    results = list(stage([replace(tracklet, video_uri=uri) for tracklet in tracklets(file)]))
    if not all(isinstance(result, Crops) for result in results):
        raise AssertionError("a tracklet failed")


def from_s3(file: File) -> list[list[str]]:
    """Rows of the third table."""
    from tests.s3_proxy import Counting

    size, rows = Path(file.path).stat().st_size, []
    with s3_copy(file.path) as uri, Counting(os.environ["AWS_ENDPOINT_URL"]) as counting:
        os.environ["AWS_ENDPOINT_URL"] = counting.endpoint
        for name, aims in (("default", ("", "")), ("tightest", ("<= 0.18", "<= 40"))):
            counting.forget()
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                fresh.submit(_read_at, uri, file, SAMPLINGS[name]).result()
            asked, requests = counting.bytes_asked(), counting.heads + len(counting.ranges)
            rows.append(
                [file.name, name, f"{asked / size:.3f} of {size / 1e6:.1f} MB", aims[0], str(requests), aims[1]]
            )
    return rows


def plan_of(file: File, sampled: dict[int, list[int]]) -> tuple[list[Group], list[int]]:
    """The groups that sampled frames lie in, and the frames in the order of decoding."""
    wanted = sorted({frame for frames in sampled.values() for frame in frames})
    with open_video(file.path) as opened, VideoReader(opened) as reader:
        index = reader.packet_index()
    assert index is not None
    return groups_of(wanted, index), index.order().tolist()


def compare(file: File, turns: int) -> list[str]:
    """A row of the table."""
    best = {name: Measured() for name in SAMPLINGS}
    fit = bare = tight = float("inf")
    with ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        os.environ.update(isolation.ENVIRONMENT)
        # All with the heap of the child that decodes.
        new = partial(ProcessPoolExecutor, 1, mp_context=spawn, initializer=keep_freed_memory)
        workers = {n: stack.enter_context(new()) for n in (*SAMPLINGS, "other")}
        for turn in range(turns + 1):
            for name, sampling in SAMPLINGS.items():
                found = workers[name].submit(measure, file, sampling).result()
                if turn:  # the first warms up
                    best[name] = min(best[name], found, key=lambda m: m.seconds)
            other = workers["other"]
            if turn:
                fit = min(fit, other.submit(cut_and_fit, file).result())
                bare = min(bare, other.submit(bare_decode, file, *plan_of(file, best["default"].sampled)).result())
                tight = min(tight, other.submit(bare_decode, file, *plan_of(file, best["tightest"].sampled)).result())
    uniform, default, tightest = (best[name] for name in SAMPLINGS)
    return [
        file.name,
        f"{Path(file.path).stat().st_size / 1e6:.1f} MB",
        f"{uniform.seconds:.2f} s",
        f"{default.seconds:.2f} s",
        f"{uniform.seconds / default.seconds:.2f}",
        file.aims[0],
        f"{tightest.seconds:.2f} s",
        f"{uniform.seconds / tightest.seconds:.2f}",
        file.aims[1],
        f"{uniform.decoded}, {default.decoded}, {tightest.decoded}",
        f"{(default.seconds - fit) / bare:.2f}, {(tightest.seconds - fit) / tight:.2f}",
    ]


HEADER = [
    "video", "size", "uniform", "cheap", "times faster", "aim", f"at {TIGHTEST:g}", "times faster", "aim",
    "frames decoded", "beside, aim <= 1.3",
]  # fmt: skip


def write(turns: int) -> None:
    """Measure, print, and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        rows, decord, remote = [], [], []
        for file in files(Path(folder)):
            rows.append(compare(file, turns))
            print(" | ".join(rows[-1]), flush=True)
            if file.name == "noisy 720p":
                remote = from_s3(file)
                print(remote, flush=True)
            if file.name == "quiet 720p":
                decord = against_decord(file, turns)
                print(" | ".join(decord), flush=True)
    how = (__doc__ or "").split("\n\n", 2)[2].strip()
    load = f"Load of the machine at the end, over 15 minutes: {os.getloadavg()[2]:.1f}."
    budget = f"The default budget is {DECODE_BUDGET:g} of what uniform would cost a tracklet."
    second = table(
        ["video", f"cheap at {TIGHTEST:g}", "decord opened for each tracklet", "times faster", "aim"], [decord]
    )
    third = table(["video", "budget", "bytes from S3", "aim", "requests", "aim"], remote)
    body = [how, f"{budget} {load}", table(HEADER, rows), second, third]
    write_section("Frames: sampling by cost", "\n\n".join(body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=3)
    write(parser.parse_args().turns)


if __name__ == "__main__":
    main()
