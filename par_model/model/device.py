"""Where a network runs, and in which precision. torch is imported only where it has to be asked."""

from __future__ import annotations

from typing import Literal

from par_model.errors import UsageError

Device = Literal["auto", "cpu", "cuda"]
RealDevice = Literal["cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
RealPrecision = Literal["fp32", "bf16"]


def choose_device(wanted: Device, *, has_gpu: bool) -> RealDevice:
    """``auto`` is CUDA where there is a GPU, or one may be started; what is asked for by name is taken as it is."""
    if wanted == "auto":
        return "cuda" if has_gpu else "cpu"
    return wanted


def local_device(wanted: Device) -> RealDevice:
    """Where this process runs a network. Raises UsageError for ``cuda`` where torch sees no GPU."""
    if wanted == "cpu":
        return "cpu"
    import torch

    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise UsageError("--device cuda, but torch sees no GPU here: use --device cpu or auto")
    return choose_device(wanted, has_gpu=has_gpu)


def choose_precision(wanted: Precision, device: RealDevice) -> RealPrecision:
    """``auto`` is bf16 on GPUs, fp32 on CPUs."""
    if wanted == "auto":
        return "bf16" if device == "cuda" else "fp32"
    return wanted
