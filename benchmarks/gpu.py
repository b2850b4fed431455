"""The network on one GPU: against the chip's own ceilings, against the released way, by its parts, and in training.

    python -m benchmarks.gpu [--parts PARTS] [--networks NAMES] [--batches LIST] [--modes LIST] [--seconds S] [--dry]

Each part writes its own section of RESULTS.md as soon as it is done, one a network where it has several, so parts and
networks may run one after the other in separate calls. Every call begins with the ceilings, which the others are
shares of:

    ceilings    bf16 and float32 matrix products on random data, copies on the GPU, uploads and downloads
    forward     tracklets a second, TFLOP/s (FLOPs of the network as executed), share of the ceiling, peak memory
    released    ViT-B/16 the released way, in float32 and in its own half precision, and what each difference gives
    profile     the network's parts, the model stage from crops in host memory to outcomes, the longest kernels
    candidates  what might be done otherwise, each alone beside what is done now
    training    steps a second and peak memory, side tuning and full fine-tuning; whether the reader keeps up

Scores are compared with float32 in the same run, and the released way with tests/golden; what is broken is printed as
such, and the exit code is 1. It needs a GPU that torch sees, and of the package's dependencies torch, numpy, einops,
safetensors, fsspec and tomli-w; training also pyarrow, scikit-learn and simplejpeg; torch.compile a C compiler and
Triton. It needs neither Ray nor open_clip nor a video reader, and no network access: weights are random.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from benchmarks.gpu_candidates import candidates_table, measure_candidates
from benchmarks.gpu_clock import Ceilings, measure_ceilings
from benchmarks.gpu_forward import AIM_BATCH, aim_line, forward_table, give_memory_back, measure_forward
from benchmarks.gpu_networks import MODES, NETWORKS, TEXT_TOWERS, Check, network_config
from benchmarks.gpu_profile import measure_profile, profile_tables
from benchmarks.gpu_released import golden_checks, measure_released, released_tables
from benchmarks.results import describe_machine, table, write_section

PARTS = ("ceilings", "forward", "released", "profile", "candidates", "training")


@dataclass(frozen=True)
class Run:
    """One call of the command: what was asked for, and what the chip can do."""

    options: argparse.Namespace
    device: torch.device
    ceilings: Ceilings

    def forward(self, name: str) -> tuple[str, list[Check]]:
        options, config = self.options, network_config(name)
        found, checks = measure_forward(
            config, self.device, batches=options.batches, modes=options.modes, seconds=options.seconds
        )
        body = forward_table(config, found, self.ceilings.bf16)
        return f"{body}\n\n{aim_line(config, found, self.ceilings.bf16)}", checks

    def released(self, name: str) -> tuple[str, list[Check]]:
        checks = golden_checks(self.device)
        found, more = measure_released(
            network_config(name),
            self.device,
            text_tower=TEXT_TOWERS[name],
            batch=AIM_BATCH,
            modes=[mode for mode in self.options.modes if mode != "autotuned"],
            seconds=self.options.seconds,
        )
        return released_tables(found), [*checks, *more]

    def profile(self, name: str) -> tuple[str, list[Check]]:
        bodies, checks = [], []
        for compiled in [mode == "compiled" for mode in self.options.modes if mode in ("eager", "compiled")]:
            found, more = measure_profile(
                network_config(name),
                self.device,
                schema="mars",
                batch=AIM_BATCH,
                compiled=compiled,
                seconds=self.options.seconds,
            )
            bodies.append(f"The stage {'compiled' if compiled else 'eager'}:\n\n{profile_tables(found)}")
            checks += more
            give_memory_back()
        return "\n\n".join(bodies), checks

    def candidates(self, name: str) -> tuple[str, list[Check]]:
        found, checks = measure_candidates(
            network_config(name), self.device, batch=AIM_BATCH, seconds=self.options.seconds
        )
        return candidates_table(found, AIM_BATCH), checks

    def training(self, name: str) -> tuple[str, list[Check]]:
        from benchmarks.gpu_training import measure_training, training_table

        compiled = [False, *([True] if set(self.options.modes) & set(MODES) else [])]
        found, reader, checks = measure_training(
            network_config(name),
            self.device,
            schema="mars",
            batch=self.options.train_batch,
            ways=[("side", "fp32", False), *((tune, "bf16", c) for tune in ("side", "full") for c in compiled)],
            seconds=self.options.seconds,
        )
        return f"Batch {self.options.train_batch}.\n\n{training_table(found, reader)}", checks


def section(what: str, body: str, checks: Sequence[Check], device: torch.device, dry: bool) -> None:
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}"
    note = f"{versions}, bf16 unless told, float32 from the fusion on, 6 frames, random weights."
    parts = [note, body]
    if checks:
        parts.append(table(["check, in the same run", "value", "limit"], [check.row for check in checks]))
    text = "\n\n".join(parts)
    print(f"\n{what}\n\n{text}", flush=True)
    if not dry:
        machine = f"{torch.cuda.get_device_name(device)}, {describe_machine()}"
        write_section(f"GPU: {what}", text, machine=machine)


def parse() -> argparse.Namespace:
    def names(known: Sequence[str]) -> Callable[[str], list[str]]:
        def parse_list(text: str) -> list[str]:
            chosen = [name for name in text.split(",") if name]
            unknown = [name for name in chosen if name not in known]
            if unknown or not chosen:
                raise argparse.ArgumentTypeError(f"{text!r}: choose among {', '.join(known)}, with commas")
            return chosen

        return parse_list

    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m benchmarks.gpu"
    )
    parser.add_argument("--parts", type=names(PARTS), default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--networks", type=names(NETWORKS), default=list(NETWORKS), help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--batches", type=numbers, default=[16, 32, 64, 128, 256])
    parser.add_argument(
        "--modes",
        type=names(("eager", *MODES)),
        default=["eager", "compiled", "static", "graphs"],
        help=f"of eager, {', '.join(MODES)}; those for one batch size run at {AIM_BATCH}",
    )
    parser.add_argument("--train-batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, about")
    parser.add_argument("--dry", action="store_true", help="print only, leave RESULTS.md alone")
    return parser.parse_args()


def main() -> int:
    options = parse()
    if not torch.cuda.is_available():
        print("benchmarks.gpu: torch sees no GPU here, and this measures one: run it on a GPU machine", file=sys.stderr)
        return 1
    # Float32 means float32: both switches, for convolutions have TF32 on by default.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    device = torch.device("cuda", torch.cuda.current_device())
    ceilings = measure_ceilings(device, seconds=options.seconds)
    section("ceilings", ceilings.table(), [], device, options.dry)
    run, broken = Run(options, device, ceilings), []
    for part in [part for part in options.parts if part != "ceilings"]:
        for name in [n for n in options.networks if part != "released" or n in TEXT_TOWERS]:
            give_memory_back()
            body, checks = getattr(run, part)(name)
            section(f"{part}, {name}", body, checks, device, options.dry)
            broken += [check.what for check in checks if not check.holds]
    if broken:
        print(f"benchmarks.gpu: {len(broken)} checks are broken: {'; '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
