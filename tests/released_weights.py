"""The rule that fills every tensor of the released network from its name and shape, as golden.json states it, and the
golden numbers computed with it. A missing golden file is an error, never a skip."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
_TABLES = (
    "class_embedding",
    "positional_embedding",
    "token_embedding.weight",
    "pos_embed",
    "cls_embed",
    "cls_pos_embed",
)


@cache
def facts() -> Any:
    return json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))


def numbers(configuration: str) -> dict[str, NDArray[np.float32]]:
    with np.load(GOLDEN / f"{configuration}.npz") as file:
        return dict(file)


def tensor_by_rule(name: str, shape: tuple[int, ...]) -> Tensor:
    """``name`` with its prefix, ``clip.`` or ``par.``."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    n = np.float32(rng.standard_normal(shape) if shape else rng.standard_normal())
    if name.endswith("running_var"):
        return torch.from_numpy(np.asarray(np.float32(1) + np.abs(n) * np.float32(0.1)))
    offset, scale = np.float32(0), np.float32(0.1)
    if name.endswith("running_mean"):
        pass
    elif name.endswith(_TABLES):
        scale = np.float32(0.2)
    elif len(shape) >= 2:
        scale = np.float32(1 / np.sqrt(np.float64(np.prod(shape[1:]))))
    elif not name.endswith("bias"):
        offset = np.float32(1)
    return torch.from_numpy(np.asarray(offset + n * scale))


def clip_shapes() -> dict[str, tuple[int, ...]]:
    return {t["name"].removeprefix("clip."): tuple(t["shape"]) for t in facts()["clip_tensors"]}


def par_shapes(configuration: str = "default") -> dict[str, tuple[int, ...]]:
    shapes = {t["name"]: tuple(t["shape"]) for t in facts()["par_tensors_default"]}
    about = facts()["configs"][configuration]
    shapes |= {name: tuple(shape) for name, shape in about.get("tensors_changed_or_added", {}).items()}
    removed = set(about.get("tensors_removed", []))
    return {name.removeprefix("par."): shape for name, shape in shapes.items() if name not in removed}


def by_rule(prefix: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: tensor_by_rule(f"{prefix}.{name}", shape) for name, shape in shapes.items()}


def golden_frames(configuration: str) -> Tensor:
    about = facts()["configs"][configuration]
    return frames_by_rule(about["B"], about["T"])


def frames_by_rule(tracklets: int, frames: int, height: int = 224, width: int = 224) -> Tensor:
    drawn = np.random.default_rng(0).standard_normal((tracklets, frames, 3, height, width))
    return torch.from_numpy(drawn.astype(np.float32))


def padded_tokens(words: str = "MARS") -> Tensor:
    """[classes, 77], zero padded."""
    tokens = torch.zeros(len(facts()["tokens"][words]), 77, dtype=torch.long)
    for row, ids in zip(tokens, facts()["tokens"][words], strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return tokens


def small_clip_shapes(width: int = 64, grid: int = 4, patch: int = 8, layers: int = 12) -> dict[str, tuple[int, ...]]:
    """A CLIP of twelve narrow blocks over grid x grid patches, its text tower one block of width 64."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in clip_shapes().items():
        visual = name.startswith("visual.")
        big, small = (768, width) if visual else (512, 64)
        if not visual and "resblocks." in name and ".0." not in name:
            continue
        if visual and "resblocks." in name and int(name.split(".")[3]) >= layers:
            continue
        shapes[name] = tuple(small * (n // big) if n % big == 0 else n for n in shape)
    shapes["visual.positional_embedding"] = (1 + grid * grid, width)
    shapes["visual.conv1.weight"] = (width, 3, patch, patch)
    shapes["visual.proj"] = (width, 64)
    return shapes


def small_par_shapes(
    *,
    tower_width: int = 64,
    grid: int = 4,
    patch: int = 8,
    width: int = 240,
    classes: int = 43,
    frames: int = 6,
    targets: tuple[int, ...] = (0, 1, 2, 3, 4),
    streams: int = 5,
    mlp: tuple[str, ...] = (),
) -> dict[str, tuple[int, ...]]:
    """The released classifier's tensors for the small CLIP."""
    table = {240: width, 720: 3 * width, 960: 4 * width, 768: tower_width, 512: 64, 196: grid * grid, 16: patch}
    shapes = {name: tuple(table.get(n, n) for n in shape) for name, shape in par_shapes().items()}
    layer = {side: {k: v for k, v in shapes.items() if k.startswith(f"{side}.fusion_layers.")} for side in
             ("spatial_sidenet", "crossframe_sidenet")}  # fmt: skip
    head = {name: shape for name, shape in shapes.items() if name.startswith("weight_layer.")}
    shapes = {k: v for k, v in shapes.items() if k not in head and ".fusion_layers." not in k}
    for side, numbers in (("spatial_sidenet", targets), ("crossframe_sidenet", range(streams))):
        for name, shape in layer[side].items():
            if ".layer_0." in name:
                shapes |= {name.replace(".layer_0.", f".layer_{n}."): shape for n in numbers}
    for a in range(classes):
        shapes |= {f"weight_layer.{a}.weight": (1, width), f"weight_layer.{a}.bias": (1,)}
    shapes |= {f"bn.{name}": (classes,) for name in ("weight", "bias", "running_mean", "running_var")}
    for side, count in (("spatial", frames), ("temporal", streams)):
        if side in mlp:
            shapes |= {f"{side}_feat_aggregation.weight": (1, count, 1), f"{side}_feat_aggregation.bias": (1,)}
    return shapes
