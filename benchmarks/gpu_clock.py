"""Time and memory of work on a GPU, and what the chip itself can do. On a CPU the same functions run, for tests."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.results import table

Call = Callable[[], Any]


@dataclass(frozen=True)
class Measured:
    """seconds: the median of the calls; spread: from the 10th to the 90th percentile, as a share of it; mean: of all
    calls, for what comes in bursts, as from threads that read ahead.

    peak_bytes: most of the GPU's memory that tensors held, weights and inputs among it; 0 on a CPU.
    """

    seconds: float
    spread: float
    peak_bytes: int
    calls: int
    mean: float

    @property
    def peak(self) -> str:
        return f"{self.peak_bytes / 2**30:.1f} GiB"


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(call: Call, device: torch.device, *, seconds: float = 1.0, warm: int = 3, least: int = 3) -> Measured:
    """Time ``call`` again and again for about so many seconds, after ``warm`` calls that do not count.

    On a GPU by events between the calls, which are launched without waiting, so that gaps that slow launches leave
    count and a wait of the clock's own does not.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    for _ in range(warm):
        call()
    synchronize(device)
    each = (time.perf_counter() - started) / max(1, warm)
    times = _times(call, device, max(least, min(500, int(seconds / max(each, 1e-6)))))
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    middle = statistics.median(times)
    tenths = statistics.quantiles(times, n=10, method="inclusive")
    return Measured(middle, (tenths[-1] - tenths[0]) / middle, peak, len(times), statistics.fmean(times))


def _times(call: Call, device: torch.device, calls: int) -> list[float]:
    if device.type != "cuda":
        stamps = [time.perf_counter()]
        for _ in range(calls):
            call()
            stamps.append(time.perf_counter())
        return [after - before for before, after in itertools.pairwise(stamps)]
    events = [torch.cuda.Event(enable_timing=True) for _ in range(calls + 1)]
    events[0].record()
    for event in events[1:]:
        call()
        event.record()
    torch.cuda.synchronize(device)
    return [before.elapsed_time(after) / 1e3 for before, after in itertools.pairwise(events)]


@dataclass(frozen=True)
class Ceilings:
    """What this chip did here, before anything else was measured. FLOP/s of square matrix products; bytes a second.

    copy counts bytes read and bytes written; upload and download are from and to pinned host memory.
    """

    bf16: float
    float32: float
    copy: float
    upload: float
    upload_pageable: float
    download: float

    def table(self) -> str:
        return table(
            ["the chip's own ceilings", ""],
            [
                ["bf16 matrix product, random data", f"{self.bf16 / 1e12:.0f} TFLOP/s"],
                ["float32 matrix product, TF32 off", f"{self.float32 / 1e12:.1f} TFLOP/s"],
                ["copy on the GPU, read and written", f"{self.copy / 1e9:.0f} GB/s"],
                ["upload from pinned memory", f"{self.upload / 1e9:.1f} GB/s"],
                ["upload from pageable memory", f"{self.upload_pageable / 1e9:.1f} GB/s"],
                ["download to pinned memory", f"{self.download / 1e9:.1f} GB/s"],
            ],
        )


def measure_ceilings(
    device: torch.device, *, side: int = 8192, num_bytes: int = 1 << 32, host_bytes: int = 1 << 28, seconds: float = 1.0
) -> Ceilings:
    """Random data, for zeros run faster; one large copy that no cache holds."""

    def product(dtype: torch.dtype) -> float:
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        return 2 * side**3 / measure(lambda: torch.mm(a, b, out=out), device, seconds=seconds).seconds

    def copy(source: torch.Tensor, target: torch.Tensor) -> float:
        call = measure(lambda: target.copy_(source, non_blocking=True), device, seconds=seconds / 4)
        return source.nbytes / call.seconds

    there = torch.randint(256, (num_bytes,), dtype=torch.uint8, device=device)
    copied = 2 * copy(there, torch.empty_like(there))
    pageable = torch.randint(256, (host_bytes,), dtype=torch.uint8)
    pinned = pageable.pin_memory() if device.type == "cuda" else pageable.clone()
    target = torch.empty(host_bytes, dtype=torch.uint8, device=device)
    return Ceilings(
        bf16=product(torch.bfloat16),
        float32=product(torch.float32),
        copy=copied,
        upload=copy(pinned, target),
        upload_pageable=copy(pageable, target),
        download=copy(target, pinned),
    )
