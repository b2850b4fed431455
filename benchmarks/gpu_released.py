"""The network run the released way on a GPU (benchmarks/released.py), and what each difference to ours gives.

One step of a ladder changes one thing: text features cached, block 12 left out, streams and tracklets at once (our
code), the dtype, the compiler. The first steps run in float32 with TF32 off and again in the released code's own half
precision. On the golden tensors of tests/golden the released way must give their numbers, in the same run.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import released
from benchmarks.gpu_clock import Measured, measure
from benchmarks.gpu_forward import give_memory_back
from benchmarks.gpu_networks import SCORE_LIMIT, Check, apart, network, normalised, random_crops, random_recogniser
from benchmarks.released_names import random_text_tower, released_classifier, released_tower
from benchmarks.results import table
from par_model.model.config import RecogniserConfig

FLOAT32, HALF = "released way, float32", "released way, its half precision"
AIMS = {FLOAT32: 20.0, HALF: 3.0}
_FLOAT32_LIMIT = 1e-4  # of scores, between two float32 networks


@dataclass(frozen=True)
class Step:
    """One step of a ladder, as measured. apart: of scores, from the released way in float32."""

    name: str
    batch: int
    measured: Measured
    apart: float

    @property
    def rate(self) -> float:
        return self.batch / self.measured.seconds


def measure_released(
    config: RecogniserConfig,
    device: torch.device,
    *,
    text_tower: tuple[int, int],
    batch: int,
    modes: Sequence[str],
    seconds: float = 1.0,
    vocabulary: int = 49408,
) -> tuple[dict[str, list[Step]], list[Check]]:
    """Two ladders, from the released way to ours. text_tower: its width and layers. modes: ours in bf16."""
    recogniser = random_recogniser(config, device)
    texts = random_text_tower(*text_tower, config.backbone.embed_dim, vocabulary=vocabulary)
    clip = released_tower(recogniser.backbone) | {name: tensor.to(device) for name, tensor in texts.items()}
    par = released_classifier(recogniser)
    tokens = _tokens(config.num_classes, vocabulary).to(device)
    with torch.inference_mode():
        features = released.text_features(clip, tokens)
    recogniser.text_features.copy_(features)
    frames = normalised(random_crops(config, batch), device)

    ways: dict[str, dict[str, Callable[[], Tensor]]] = {}
    for name, towers in ((FLOAT32, clip), (HALF, released.half_precision(clip))):
        run = partial(_released_scores, towers, par, frames, tokens, config)
        text, last = features.to(towers["text_projection"].dtype), max(config.layers_read)
        ways[name] = {
            name: run,
            "text features cached": partial(run, text=text),
            "the last block left out": partial(run, text=text, blocks=last),
        }
    # Copies, since the released way reads the recogniser's own tensors.
    full, half = (copy.deepcopy(recogniser).for_inference(dtype) for dtype in (torch.float32, torch.bfloat16))
    ours32 = partial(network(full, "eager"), frames)
    ways[FLOAT32]["streams and tracklets at once: ours, float32"] = ours32
    with torch.inference_mode():
        reference = ways[FLOAT32][FLOAT32]()
    found = {name: [_step(way, run, batch, reference, device, seconds) for way, run in steps.items()]
             for name, steps in ways.items()}  # fmt: skip
    for mode in modes:
        ours = partial(network(half, mode), frames)
        step = _step(f"ours, bf16, {mode}", ours, batch, reference, device, seconds)
        for steps in found.values():
            steps.append(step)
    return found, _checks(found)


def _released_scores(
    clip: released.State,
    par: released.State,
    frames: Tensor,
    tokens: Tensor,
    config: RecogniserConfig,
    *,
    text: Tensor | None = None,
    blocks: int | None = None,
) -> Tensor:
    maps = dict(config.spatial_map), dict(config.temporal_map)
    with torch.inference_mode():
        found = released.forward(
            clip, par, frames, tokens, spatial_map=maps[0], temporal_map=maps[1], text=text, blocks=blocks
        )
        return torch.sigmoid(found["logits"])


def _tokens(classes: int, vocabulary: int) -> Tensor:
    """[classes, 77]: three words between the marks of a text's start and end, the end's id being the highest."""
    tokens = torch.zeros(classes, 77, dtype=torch.long)
    tokens[:, 0], tokens[:, 4] = vocabulary - 2, vocabulary - 1
    tokens[:, 1:4] = torch.randint(1, vocabulary - 2, (classes, 3), generator=torch.Generator().manual_seed(0))
    return tokens


def _step(
    name: str, run: Callable[[], Tensor], batch: int, reference: Tensor, device: torch.device, seconds: float
) -> Step:
    difference = apart(run(), reference)
    step = Step(name, batch, measure(run, device, seconds=seconds, warm=2), difference)
    give_memory_back()
    print(f"{name}: {step.rate:.0f} tracklets/s", file=sys.stderr, flush=True)
    return step


def _checks(found: dict[str, list[Step]]) -> list[Check]:
    every = {step.name: step for steps in found.values() for step in steps}
    exact = [step for step in found[FLOAT32] if "bf16" not in step.name]
    rounded = [step for step in every.values() if step not in exact]
    return [
        Check("float32 ways, ours among them: furthest score", max(s.apart for s in exact), _FLOAT32_LIMIT),
        Check("half precision and bf16: furthest score", max(s.apart for s in rounded), SCORE_LIMIT),
    ]


def released_tables(found: dict[str, list[Step]]) -> str:
    """Both ladders, and the whole of each against its aim."""
    parts = []
    for name, steps in found.items():
        before = [steps[0], *steps]
        rows = [
            [
                step.name,
                f"{step.rate:.1f}",
                f"{step.rate / last.rate:.2f}x",
                f"{step.rate / steps[0].rate:.2f}x",
                step.measured.peak,
                f"{step.apart:.1e}",
            ]
            for step, last in zip(steps, before, strict=False)
        ]
        header = [f"{name}, batch {steps[0].batch}", "tracklets/s", "this step", "in all", "peak memory", "apart"]
        best = max((step for step in steps if "bf16" in step.name), key=lambda step: step.rate)
        ratio, cached = best.rate / steps[0].rate, best.rate / steps[1].rate
        met = "met" if ratio >= AIMS[name] else "MISSED"
        parts += [
            table(header, rows),
            f"{best.name} against the {name}: {ratio:.1f}x, aim {AIMS[name]:.0f}x: {met}; with its text features "
            f"cached: {cached:.1f}x.",
        ]
    return "\n\n".join(parts)


def golden_checks(device: torch.device, configuration: str = "default") -> list[Check]:
    """The released way on the golden tensors and input, against the golden numbers: float32, TF32 off."""
    from tests import released_weights as golden

    clip, par = (
        {name: tensor.to(device) for name, tensor in golden.by_rule(prefix, shapes).items()}
        for prefix, shapes in (("clip", golden.clip_shapes()), ("par", golden.par_shapes(configuration)))
    )
    maps = released.MAPS[2]
    with torch.inference_mode():
        found = released.forward(
            clip,
            par,
            golden.golden_frames(configuration).to(device),
            golden.padded_tokens().to(device),
            spatial_map=maps,
            temporal_map=maps,
        )
    expected = golden.numbers(configuration)
    furthest = {name: _furthest(found[name].cpu(), name, expected) for name in sorted(found.keys() & expected.keys())}
    logits = furthest.pop("logits")
    worst = max(furthest, key=furthest.__getitem__)
    return [
        Check(f"golden {configuration}, logits", logits, 5e-6),
        Check(f"golden {configuration}, {len(furthest)} features, furthest {worst}", furthest[worst], 2e-5),
    ]


def _furthest(found: Tensor, name: str, expected: Mapping[str, NDArray[np.float32]]) -> float:
    """A golden file keeps some rows only of what has many."""
    wanted = torch.from_numpy(expected[name])
    if name in ("text_features", "word_embed"):
        found = found[: len(wanted)]
    elif name.endswith("_agg"):
        found = found[:, expected["rows_of_197"]]
    elif name.startswith("fus") and found.shape != wanted.shape:
        found = found[:, expected["rows_of_240"]]
    elif name == "temporal_out":
        found = found[:, :, [0, 1, 2, 3, 50, 100, 150, 196]]
    return apart(found, wanted)
