"""Where the time goes: the network's parts, the model stage from crops in host memory to outcomes, and kernels."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu_clock import Call, measure, synchronize
from benchmarks.gpu_networks import (
    SCORE_LIMIT,
    Check,
    apart,
    float32_scores,
    network,
    normalised,
    random_crops,
    random_recogniser,
)
from benchmarks.results import table
from par_model.attributes import load_schema
from par_model.model.config import RecogniserConfig
from par_model.model.recogniser import Recogniser
from par_model.model.stage import RecogniseStage
from par_model.model.weights import save_weights
from par_model.types import Crops, Prediction, Preprocess

PARTS = ("backbone", "spatial", "temporal", "fusion")
_MOST_KERNELS = 14


@dataclass(frozen=True)
class Profile:
    """Seconds of one batch. parts: of the network, on the GPU. stage: pieces of the model stage, each alone, and the
    whole of it. kernels: name, seconds, calls, the longest first; busy: their sum as a share of the whole stage."""

    batch: int
    parts: dict[str, float]
    stage: dict[str, float]
    kernels: list[tuple[str, float, int]]
    busy: float


def measure_profile(
    config: RecogniserConfig,
    device: torch.device,
    *,
    schema: str,
    batch: int,
    compiled: bool,
    seconds: float = 1.0,
) -> tuple[Profile, list[Check]]:
    """``schema`` must have as many classes as ``config``. compiled: the stage is; parts are of the plain network."""
    recogniser = random_recogniser(config, device)
    pixels = random_crops(config, batch)
    with tempfile.TemporaryDirectory() as folder:
        uri = str(Path(folder) / "random.safetensors")
        known = load_schema(schema)
        size = config.backbone.image_height, config.backbone.image_width
        save_weights(uri, recogniser, schema=known, preprocess=Preprocess(*size))
        stage = RecogniseStage(
            uri,
            device="cuda" if device.type == "cuda" else "cpu",
            precision="bf16",
            batch_size=batch,
            compile=compiled,
        )
    crops = [_crops(row, one) for row, one in enumerate(pixels)]
    outcomes = stage(crops)
    assert all(isinstance(outcome, Prediction) for outcome in outcomes), "the stage failed a tracklet"
    scores = torch.from_numpy(np.stack([outcome.scores for outcome in outcomes if isinstance(outcome, Prediction)]))
    reference = float32_scores(recogniser, normalised(pixels, device)).cpu()
    recogniser.for_inference(torch.bfloat16)
    pieces = _pieces(stage, crops, device, seconds)
    kernels = _kernels(partial(stage, crops), device)
    busy = sum(spent for _, spent, _ in kernels) / pieces["the whole stage"]
    parts = parts_of_network(recogniser, device, batch)
    name = f"{config.backbone.name}, model stage{', compiled' if compiled else ''}: furthest score from float32"
    return Profile(batch, parts, pieces, kernels, busy), [Check(name, apart(scores, reference), SCORE_LIMIT)]


def _crops(row: int, pixels: Any) -> Crops:
    frames = np.arange(len(pixels), dtype=np.int32)
    return Crops(row=row, tracklet_id=str(row), num_frames=len(pixels), sampled_frames=frames, pixels=pixels)


def _pieces(stage: RecogniseStage, crops: Sequence[Crops], device: torch.device, seconds: float) -> dict[str, float]:
    """Each piece of ``RecogniseStage`` alone, as it stands there, and the stage as it is called."""
    pixels = stage._uploaded(crops)
    frames = stage._normalised(pixels)
    scores, _ = stage._scores(frames)
    calls: dict[str, Call] = {
        "stacking the crops, upload": lambda: stage._uploaded(crops),
        "normalising": lambda: stage._normalised(pixels),
        "network": lambda: stage._scores(frames),
        "download": lambda: scores.float().cpu().numpy(),
        "the whole stage": lambda: stage(list(crops)),
    }
    return {name: _wall(call, device, seconds) for name, call in calls.items()}


def _wall(call: Call, device: torch.device, seconds: float) -> float:
    """Median seconds by the clock, the GPU's work done: host and GPU both count, one after the other."""

    def whole() -> None:
        call()
        synchronize(device)

    return measure(whole, device, seconds=seconds).seconds


def parts_of_network(recogniser: Recogniser, device: torch.device, batch: int, *, calls: int = 10) -> dict[str, float]:
    """Median seconds of each part in a forward pass, eager; "whole" is all, "between" what no part takes."""
    frames = normalised(random_crops(recogniser.config, batch), device)
    run = network(recogniser, "eager")
    for _ in range(3):
        run(frames)
    stamps: dict[str, list[Any]] = {name: [] for name in (*PARTS, "whole") if hasattr(recogniser, name)}
    stamps["whole"] = []

    def stamp(name: str) -> Callable[..., None]:
        def now(*_: Any) -> None:
            stamps[name].append(_now(device))

        return now

    hooks = []
    for name in stamps.keys() - {"whole"}:
        module = getattr(recogniser, name)
        hooks += [module.register_forward_pre_hook(stamp(name)), module.register_forward_hook(stamp(name))]
    for _ in range(calls):
        stamp("whole")()
        run(frames)
        stamp("whole")()
    synchronize(device)
    for hook in hooks:
        hook.remove()
    found = {
        name: statistics.median(_seconds(a, b) for a, b in zip(both[::2], both[1::2], strict=True))
        for name, both in stamps.items()
    }
    whole = found.pop("whole")
    return found | {"between": whole - sum(found.values()), "whole": whole}


def _now(device: torch.device) -> Any:
    """An event, which waits for nothing; on a CPU the clock."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _seconds(before: Any, after: Any) -> float:
    return after - before if isinstance(before, float) else before.elapsed_time(after) / 1e3


def _kernels(call: Call, device: torch.device, calls: int = 5) -> list[tuple[str, float, int]]:
    """What ran on the GPU in one call: kernels and copies, by name. On a CPU its operators."""
    gpu = device.type == "cuda"
    call()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]) as profiled:
        for _ in range(calls):
            call()
        synchronize(device)
    wanted = DeviceType.CUDA if gpu else DeviceType.CPU
    found = [
        (event.key, (event.self_device_time_total if gpu else event.self_cpu_time_total) / 1e6 / calls, event.count)
        for event in profiled.key_averages()
        if event.device_type == wanted and not event.is_user_annotation
    ]
    return sorted(((name, spent, count // calls) for name, spent, count in found if spent > 0), key=lambda k: -k[1])


def profile_tables(found: Profile) -> str:
    network_whole, stage_whole = found.parts["whole"], found.stage["the whole stage"]
    kernels = found.kernels[:_MOST_KERNELS]
    all_kernels = sum(spent for _, spent, _ in found.kernels)
    rows = [
        [f"`{name[:90].replace('|', ' ')}`", f"{spent * 1e3:.2f} ms", f"{100 * spent / all_kernels:.1f} %", str(count)]
        for name, spent, count in kernels
    ]
    return "\n\n".join(
        [
            table([f"network, eager, batch {found.batch}", "", ""], _shares(found.parts, network_whole)),
            table([f"model stage, batch {found.batch}", "", ""], _shares(found.stage, stage_whole)),
            f"The GPU is busy for {100 * found.busy:.0f} % of the stage. Longest kernels:",
            table(["kernel", "a batch", "of all", "calls"], rows),
        ]
    )


def _shares(seconds: dict[str, float], whole: float) -> list[list[str]]:
    return [[name, f"{spent * 1e3:.2f} ms", f"{100 * spent / whole:.1f} %"] for name, spent in seconds.items()]
