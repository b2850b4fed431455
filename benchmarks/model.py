"""The recogniser against the same network run the released way, and side tuning against full fine-tuning.

python -m benchmarks.model [--threads N] [--batches 1,4,16] [--repeat N] [--compile]

Both of a pair run in turns in one process, so that what else the machine does meets both; the shortest of the turns
counts. With one thread, times are the process's own processor seconds, which other processes lengthen least. Peak
memory is the largest resident set of a process that does nothing but the training steps. ViT-B/16, both sides, map 2,
43 classes, 6 frames of 224x224, float32, random weights (speed does not depend on them).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import released
from benchmarks.released_names import released_classifier
from benchmarks.results import table, write_section
from par_model.model.backbone import load_clip
from par_model.model.clip_file import convert_tower
from par_model.model.config import BackboneConfig
from par_model.model.openpar import convert_released
from par_model.model.options import ModelOptions
from par_model.model.recogniser import Recogniser, Tune
from par_model.training.loss import weighted_bce

CLASSES, FRAMES, SIZE = 43, 6, 224
TARGETS = {"batch 1": 1.9, "batch 4": 1.25, "step time": 0.55, "step memory": 0.5}


def released_tensors() -> tuple[dict[str, Tensor], dict[str, Tensor], BackboneConfig]:
    """Random tensors under released names: both CLIP towers, and the classifier."""
    clip = load_clip("ViT-B-16-quickgelu")
    towers = {name: tensor.detach().clone() for name, tensor in clip.model.state_dict().items()}
    config = ModelOptions(frames=8).config(clip, CLASSES)
    return towers, released_classifier(Recogniser(config)), clip.config


def in_turns(first: Callable[[], Any], second: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Shortest seconds of each. Both have run once before."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    best = [float("inf"), float("inf")]
    for _ in range(repeat):
        for i, call in enumerate((first, second)):
            start = clock()
            call()
            best[i] = min(best[i], clock() - start)
    return best[0], best[1]


def forward_rows(batches: list[int], repeat: int, compiled: bool) -> list[list[str]]:
    towers, par, backbone = released_tensors()
    visual = {name.removeprefix("visual."): t for name, t in towers.items() if name.startswith("visual.")}
    ours = convert_released(par, tower=convert_tower(visual), backbone=backbone).recogniser
    tokens = torch.zeros(CLASSES, 77, dtype=torch.long)
    tokens[:, 0], tokens[:, 1], tokens[:, 2] = 49406, 320, 49407
    ours.text_features.copy_(released.text_features(towers, tokens))
    run = torch.compile(ours) if compiled else ours
    maps = released.MAPS[2]

    def theirs(frames: Tensor) -> Tensor:
        return released.forward(towers, par, frames, tokens, spatial_map=maps, temporal_map=maps)["logits"]

    rows = []
    for batch in batches:
        frames = torch.randn(batch, FRAMES, 3, SIZE, SIZE)
        with torch.inference_mode():
            apart = float((run(frames) - theirs(frames)).abs().max())
            assert apart < 1e-4, f"the two networks differ by {apart}"
            slow, fast = in_turns(partial(theirs, frames), partial(run, frames), repeat)
        row = [f"batch {batch}", f"{slow:.2f} s", f"{fast:.2f} s", f"{slow / fast:.2f}x"]
        rows.append([*row, _target(f"batch {batch}", slow / fast, at_least=True)])
        print(*row, flush=True)
    return rows


def new_step(mode: Tune, batch: int) -> Callable[[], None]:
    """One optimiser step of a fresh recogniser, as a call."""
    clip = load_clip("ViT-B-16-quickgelu")
    recogniser = Recogniser(ModelOptions(frames=FRAMES).config(clip, CLASSES))
    del clip
    recogniser.train()
    optimiser = torch.optim.Adam(recogniser.tune(mode), lr=1e-4)
    frames = torch.randn(batch, FRAMES, 3, SIZE, SIZE)
    labels = torch.randint(0, 2, (batch, CLASSES))

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        weighted_bce(recogniser(frames), labels, torch.full((CLASSES,), 0.3)).backward()
        optimiser.step()

    return step


def peak_memory(mode: Tune, batch: int, threads: int) -> int:
    """Bytes: the largest resident set of a process that makes two training steps."""
    command = [sys.executable, "-m", "benchmarks.model", "--peak", mode, "--threads", str(threads)]
    done = subprocess.run([*command, "--train-batch", str(batch)], check=True, capture_output=True, text=True)
    return int(done.stdout)


def own_peak_memory(mode: Tune, batch: int) -> int:
    step = new_step(mode, batch)
    step()
    step()
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def training_rows(batch: int, repeat: int, threads: int) -> list[list[str]]:
    steps = new_step("full", batch), new_step("side", batch)
    for step in steps:
        step()
    full, side = in_turns(*steps, repeat)
    full_bytes, side_bytes = (peak_memory(mode, batch, threads) for mode in ("full", "side"))
    rows = [
        ["step time", f"{full:.2f} s", f"{side:.2f} s", f"{side / full:.2f}"],
        [
            "step memory",
            f"{full_bytes / 2**30:.2f} GiB",
            f"{side_bytes / 2**30:.2f} GiB",
            f"{side_bytes / full_bytes:.2f}",
        ],
    ]
    for row, ratio in zip(rows, (side / full, side_bytes / full_bytes), strict=True):
        print(*row, flush=True)
        row.append(_target(row[0], ratio, at_least=False))
        row[0] = f"{row[0]}, batch {batch}"
    return rows


def _target(name: str, ratio: float, *, at_least: bool) -> str:
    if name not in TARGETS:
        return ""
    met = ratio >= TARGETS[name] if at_least else ratio <= TARGETS[name]
    limit = f"at least {TARGETS[name]}x" if at_least else f"at most {TARGETS[name]}"
    return f"{limit}: {'met' if met else 'MISSED'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", default="1,4,16")
    parser.add_argument("--train-batch", type=int, default=4, help="0: leave training out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="our forward under torch.compile")
    parser.add_argument("--dry", action="store_true", help="print only, leave RESULTS.md alone")
    parser.add_argument("--peak", choices=["full", "side"], help="only print this process's peak memory, in bytes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.peak:
        print(own_peak_memory(options.peak, options.train_batch))
        return
    batches = [int(batch) for batch in options.batches.split(",") if batch]
    body = []
    if batches:
        rows = forward_rows(batches, options.repeat, options.compile)
        ours = "ours, compiled" if options.compile else "ours"
        body.append(table(["forward, 6 frames", "the released way", ours, "faster", "target"], rows))
    if options.train_batch:
        rows = training_rows(options.train_batch, options.repeat, options.threads)
        body.append(table(["training", "full fine-tuning", "side tuning", "ratio", "target"], rows))
    seconds = "processor seconds" if options.threads == 1 else "seconds"
    threads = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
    note = f"CPU, {seconds}, {threads}, torch {torch.__version__}, float32."
    if not options.dry:
        heading = "Model" + (", compiled" if options.compile else "")
        write_section(heading, "\n\n".join([note, *body]))


if __name__ == "__main__":
    main()
