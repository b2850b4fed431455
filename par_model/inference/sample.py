"""A quick look at how fast a job would be: its first tracklets, in this process, into a folder that is thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from par_model.errors import UsageError
from par_model.inference.job import run_inference
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from par_model.scratch import scratch_folder
from par_model.video.process.parent import close_processes, start_process


def run_sample(
    manifest: str,
    weights: str,
    tracklets: int,
    split: str | None,
    device: Literal["auto", "cpu", "cuda"],
    **sampling: Any,
) -> dict[str, Any]:
    """The record of a run over the first ``tracklets``; on a CPU with one thread, as an actor of a cluster has.

    sampling: further fields of InferOptions.

    Raises ParError as ``infer`` does.
    """
    if tracklets < 1:
        raise UsageError(f"--sample is {tracklets}: must be at least 1")
    runner = LocalRunner(device)
    with scratch_folder("sample") as folder, _one_thread(runner.device()):
        output = f"{folder}/table"
        options = InferOptions(
            manifest, weights, output, split=split, limit=tracklets, max_failure_rate=1.0, **sampling
        )
        start_process()  # its start is no part of any tracklet
        try:
            return run_inference(options, lambda: nullcontext(runner))
        finally:
            close_processes()


@contextmanager
def _one_thread(device: Literal["cpu", "cuda"]) -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
