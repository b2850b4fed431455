"""How long a job takes, on which nodes, and at what price, from what a sample of it measured.

Symbols, each for one tracklet on average, from ``stages`` of the sample's ``run.json``:

    d   seconds of one CPU for decoding           decode.busy_seconds / tracklets
    m   seconds of one model actor                model.busy_seconds / tracklets
        (an actor has one GPU, or one CPU where the sample ran on CPUs)

A GPU node has g GPUs and c CPUs, a CPU node C CPUs; there are G and D of them.

    work            N d / 3600 CPU hours, N m / 3600 GPU hours (CPU hours too where the sample ran on CPUs)
    balance         one GPU takes 1/m tracklets a second, for which d/m CPUs decode;
                    D = ceil((G g d/m - G c) / C), at least 0: fewer would leave GPUs idle, more are idle themselves
    rate            e min(G g / m, (G c + D C) / d); without GPUs e D C / (d + m)
                    e: the part of the slower stage's rate that a whole job reaches; measured were 0.94
                    (RESULTS: Pipeline; decode; of the slower stage)
    hours           N / rate / 3600 + N s / 3600
                    s: seconds of the process that the user starts, as if nothing else ran then. See DRIVER_SECONDS
    cost            hours (G times the price of a GPU node's hour + D times that of a CPU node's)

With ``hours`` given, G (D without GPUs) is the smallest number that needs no more.

For ``--sampling cheap`` from a sample that was sampled uniformly, d becomes c + t (d - c) and frames decoded f times as
many. f and t are the shares that the sample's videos gave away (decode.cheap_sampling); c is the time of what does not
get less, cutting and scaling K crops, CROP_SECONDS each. Bytes read stay: too many where videos lie on S3.

What this does not know: other tracklets may be longer, or fewer to a video, than the sample's. Starting nodes takes
minutes, once. Requests to object stores and traffic between regions cost on top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pyarrow.compute as pc

from par_model.choices import DECODE_BUDGET
from par_model.errors import OutputError, UsageError
from par_model.inference.plan_options import EFFICIENCY, Nodes
from par_model.manifest.read import Manifest
from par_model.manifest.selection import Selection

# Microseconds, all of the driver's processor time: 6.22
# (RESULTS: Outcomes and table through Ray; run.json: this). Rather long, for it counts outcomes while workers are busy;
# what tasks plan and write beside it is shared by all CPUs, and little beside decoding.
DRIVER_SECONDS = 7e-6
# Converting a picture of 720p, and cutting and scaling a crop to 224x224: 0.3 and 0.4 ms.
CROP_SECONDS = 7e-4
_SECONDS = 3600.0
_MOST_NODES = 100_000
_MOST_TRACKLETS = 10**15


@dataclass(frozen=True)
class Measured:
    """Means over the tracklets of a sample; seconds, frames and bytes of one tracklet. failed: share of its rows.

    sampling, decode_budget, crops: how it was sampled, and how many frames of each tracklet. cheap_frames_share,
    cheap_time_share: what sampling by cost would take of what it decoded, None where that is not known.
    """

    tracklets: int
    device: Literal["cpu", "cuda"]
    decode_seconds: float
    model_seconds: float
    frames_decoded: float
    bytes_read: float
    failed: float = 0.0
    sampling: str = "uniform"
    decode_budget: float | None = None
    crops: int = 0
    cheap_frames_share: float | None = None
    cheap_time_share: float | None = None

    @classmethod
    def of_run(cls, record: Mapping[str, Any], where: str) -> Measured:
        """From the run.json of ``infer``. Raises OutputError if it measured nothing."""
        try:
            stages, device, status = record["stages"], record["options"]["device"], record["counts"]["status"]
            tracklets = int(stages["tracklets"])
            busy = float(stages["decode"]["busy_seconds"]), float(stages["model"]["busy_seconds"])
            read = int(stages["decode"]["frames_decoded"]), int(stages["decode"]["bytes_read"])
            ok, failed = int(status["ok"]), int(status["failed"])
            options, cheap = record["options"], stages["decode"].get("cheap_sampling") or {}
            sampled = options.get("sampling", "uniform"), options.get("decode_budget"), int(options.get("frames", 0))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise OutputError(f"{where} is not the run.json of parjob infer: it lacks {error}") from error
        sound = all(0 < seconds < math.inf for seconds in busy) and device in ("cpu", "cuda")
        if tracklets < 1 or ok < 1 or not sound:
            raise OutputError(
                f"{where} measured nothing: {tracklets} tracklets in its last run, {ok} of its table recognised; run a "
                f"sample of good ones into a new folder (parjob infer --limit 200), or give --sample 200"
            )
        decode, model, frames, read_bytes = (number / tracklets for number in (*busy, *read))
        shares = cheap.get("frames_share"), cheap.get("time_share")
        return cls(tracklets, device, decode, model, frames, read_bytes, failed / (ok + failed), *sampled, *shares)

    @classmethod
    def of_tracking(cls, record: Mapping[str, Any], where: str) -> Measured:
        """What it took to make the manifest's tracklets of bare video, from the run.json of ``track``.

        A run that went on after an interruption measured a part of the frames: it stands for all. Raises OutputError if
        it measured nothing, or is none.
        """
        try:
            stages, counts, device = record["stages"], record["counts"], record["device"]
            looked, frames, tracklets = int(stages["frames"]), int(counts["frames"]), int(counts["tracklets"])
            busy = float(stages["decode"]["busy_seconds"]), float(stages["detect"]["busy_seconds"])
            read = int(stages["bytes_read"])
        except (KeyError, TypeError, ValueError) as error:
            raise OutputError(f"{where} is not the run.json of parjob track: it lacks {error}") from error
        if looked < 1 or tracklets < 1 or min(busy) <= 0 or device not in ("cpu", "cuda"):
            raise OutputError(
                f"{where} measured nothing: {looked} frames in its last run, {tracklets} tracklets in all"
            )
        each = frames / tracklets
        decode, detect, read_bytes = (number / looked * each for number in (*busy, read))
        return cls(tracklets, device, decode, detect, each, read_bytes, sampling="all")

    def by_cost(self, decode_budget: float) -> Measured:
        """What the same sample would have measured with ``--sampling cheap``. Raises UsageError where its run.json does
        not tell."""
        advice = f"run a sample with --sampling cheap --decode-budget {decode_budget:g} and give that"
        if self.cheap_frames_share is None or self.cheap_time_share is None or self.sampling != "uniform":
            raise UsageError(
                f"--sampling cheap: the run of --run, sampled {self.sampling}, does not tell what it would cost, as "
                f"one does that sampled mp4 files uniformly; {advice}"
            )
        if decode_budget != DECODE_BUDGET:
            raise UsageError(
                f"--decode-budget {decode_budget:g}: the run of --run tells of {DECODE_BUDGET:g}; {advice}"
            )
        least = min(self.decode_seconds, self.crops * CROP_SECONDS)
        return replace(
            self,
            sampling="cheap",
            decode_budget=decode_budget,
            decode_seconds=least + self.cheap_time_share * (self.decode_seconds - least),
            frames_decoded=self.cheap_frames_share * self.frames_decoded,
        )


@dataclass(frozen=True)
class Archive:
    """The selected rows of a manifest. frames: boxes and stills, before sampling."""

    tracklets: int
    videos: int
    frames: int

    @classmethod
    def of_manifest(cls, manifest: Manifest, selection: Selection) -> Archive:
        """Reads the manifest once."""
        tracklets = frames = 0
        videos: set[str] = set()
        for rows in selection.batches(manifest, ["video_uri", "frame_indices", "image_uris"]):
            tracklets += len(rows)
            videos.update(rows["video_uri"].drop_null().unique().to_pylist())
            for name in ("frame_indices", "image_uris"):
                frames += pc.sum(pc.list_value_length(rows[name])).as_py() or 0
        return cls(tracklets, len(videos), frames)


@dataclass(frozen=True)
class Forecast:
    """For one number of tracklets. driver_hours: of ``hours``, those of the process that the user starts, alone.

    cost: None where a price is missing.
    """

    tracklets: int
    frames: int
    frames_decoded: int
    bytes_read: int
    cpu_hours: float
    gpu_hours: float
    gpu_nodes: int
    cpu_nodes: int
    driver_hours: float
    hours: float
    cost: float | None


def cpus_per_gpu(measured: Measured) -> float | None:
    """CPUs that decode for one GPU in balance; None where the sample ran on CPUs."""
    return measured.decode_seconds / measured.model_seconds if measured.device == "cuda" else None


def cpu_nodes_for(gpu_nodes: int, measured: Measured, nodes: Nodes) -> int:
    """CPU nodes beside so many GPU nodes, so that no GPU waits for decoding."""
    wanted = gpu_nodes * nodes.gpus * measured.decode_seconds / measured.model_seconds
    return max(0, math.ceil(round((wanted - gpu_nodes * nodes.gpu_node_cpus) / nodes.cpu_node_cpus, 9)))


def forecast(
    tracklets: int,
    frames_each: float,
    measured: Measured,
    nodes: Nodes,
    *,
    count: int | None = None,
    hours: float | None = None,
    efficiency: float = EFFICIENCY,
) -> Forecast:
    """count: GPU nodes, or CPU nodes where the sample ran on CPUs. hours: instead, how long it may take.

    Raises UsageError for values that make no sense, and for hours that no number of nodes can keep.
    """
    _check(tracklets, count, hours, efficiency)
    driver = tracklets * DRIVER_SECONDS / _SECONDS
    if count is None:
        assert hours is not None
        if hours <= driver:
            raise UsageError(
                f"--hours {hours:g} for {tracklets:,} tracklets: the process that you start takes {driver:.3g} hours "
                "by itself, with any number of nodes; give more hours, or cut the manifest into several jobs"
            )
        count = _smallest(tracklets, (hours - driver) * _SECONDS, measured, nodes, efficiency)
    gpu_nodes, cpu_nodes = _mix(count, measured, nodes)
    total = tracklets / (efficiency * _rate(gpu_nodes, cpu_nodes, measured, nodes)) / _SECONDS + driver
    on_gpu = measured.device == "cuda"
    model = tracklets * measured.model_seconds / _SECONDS
    prices = [(gpu_nodes, nodes.gpu_node_price), (cpu_nodes, nodes.cpu_node_price)]
    missing = any(number and price is None for number, price in prices)
    return Forecast(
        tracklets=tracklets,
        frames=round(tracklets * frames_each),
        frames_decoded=round(tracklets * measured.frames_decoded),
        bytes_read=round(tracklets * measured.bytes_read),
        cpu_hours=tracklets * measured.decode_seconds / _SECONDS + (0.0 if on_gpu else model),
        gpu_hours=model if on_gpu else 0.0,
        gpu_nodes=gpu_nodes,
        cpu_nodes=cpu_nodes,
        driver_hours=driver,
        hours=total,
        cost=None if missing else total * sum(number * (price or 0.0) for number, price in prices),
    )


def _check(tracklets: int, count: int | None, hours: float | None, efficiency: float) -> None:
    if not 1 <= tracklets <= _MOST_TRACKLETS:
        raise UsageError(f"--tracklets is {tracklets}: must be from 1 to {_MOST_TRACKLETS}")
    if (count is None) == (hours is None):
        raise UsageError("--nodes and --hours: give one of them; the other follows")
    if count is not None and not 1 <= count <= _MOST_NODES:
        raise UsageError(f"--nodes is {count}: must be from 1 to {_MOST_NODES}")
    if hours is not None and not 0 < hours < math.inf:
        raise UsageError(f"--hours is {hours}: must be more than 0")
    if not 0 < efficiency <= 1:
        raise UsageError(f"--efficiency is {efficiency}: must be above 0 and at most 1")


def _mix(count: int, measured: Measured, nodes: Nodes) -> tuple[int, int]:
    if measured.device == "cpu":
        return 0, count
    return count, cpu_nodes_for(count, measured, nodes)


def _rate(gpu_nodes: int, cpu_nodes: int, measured: Measured, nodes: Nodes) -> float:
    """Tracklets a second of the slower stage."""
    cpus = gpu_nodes * nodes.gpu_node_cpus + cpu_nodes * nodes.cpu_node_cpus
    if measured.device == "cpu":
        return cpus / (measured.decode_seconds + measured.model_seconds)
    return min(gpu_nodes * nodes.gpus / measured.model_seconds, cpus / measured.decode_seconds)


def _smallest(tracklets: int, seconds: float, measured: Measured, nodes: Nodes, efficiency: float) -> int:
    """The fewest nodes that do so many tracklets in time. The rate grows with each."""

    def enough(count: int) -> bool:
        return tracklets <= seconds * efficiency * _rate(*_mix(count, measured, nodes), measured, nodes)

    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
        if low > _MOST_NODES:
            raise UsageError(f"--hours leaves {seconds:.3g} s of work for more than {_MOST_NODES} nodes: give more")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
