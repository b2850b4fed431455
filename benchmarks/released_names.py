"""Our recogniser's tensors under the names of the released code, for benchmarks/released.py to run on the same numbers.

The inverse of what par_model imports: benchmarks begin with a network of any size, and need no CLIP file.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from par_model.model.recogniser import Recogniser
from par_model.model.tower import ImageTower

_RENAMED = (
    (r"^blocks\.", "transformer.resblocks."),
    (r"\.norm(\d)\.", r".ln_\1."),
    (r"\.attn\.qkv\.", ".attn.in_proj_"),
    (r"\.attn\.proj\.", ".attn.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)


def released_tower(tower: ImageTower) -> dict[str, Tensor]:
    """An image tower's tensors as CLIP names them."""
    found = {}
    for ours, tensor in tower.state_dict().items():
        theirs = ours
        for pattern, replacement in _RENAMED:
            theirs = re.sub(pattern, replacement, theirs)
        found[f"visual.{theirs}"] = tensor
    return found


def random_text_tower(width: int, layers: int, embed_dim: int, *, vocabulary: int = 49408) -> dict[str, Tensor]:
    """A text tower for 77 tokens as CLIP names its tensors: matrices of random numbers, norms that do nothing."""
    shapes = {
        "token_embedding.weight": (vocabulary, width),
        "positional_embedding": (77, width),
        "text_projection": (width, embed_dim),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
    }
    for layer in range(layers):
        block = f"transformer.resblocks.{layer}"
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}.{norm}.weight": (width,), f"{block}.{norm}.bias": (width,)}
        for name, rows, columns in (
            ("attn.in_proj_", 3 * width, width),
            ("attn.out_proj.", width, width),
            ("mlp.c_fc.", 4 * width, width),
            ("mlp.c_proj.", width, 4 * width),
        ):
            shapes |= {f"{block}.{name}weight": (rows, columns), f"{block}.{name}bias": (rows,)}
    return {
        name: torch.randn(shape) * shape[-1] ** -0.5
        if len(shape) == 2
        else (torch.ones if name.endswith("weight") else torch.zeros)(shape)
        for name, shape in shapes.items()
    }


def released_classifier(recogniser: Recogniser) -> dict[str, Tensor]:
    """A recogniser's tensors (both sides, equal widths) taken apart into the released ones."""
    par: dict[str, Tensor] = {}
    for name, tensor in recogniser.state_dict().items():
        part, _, rest = name.partition(".")
        side = {"spatial": "spatial_sidenet", "temporal": "crossframe_sidenet"}.get(part, "")
        if rest == "class_token":
            par[f"{side}.cls_embed"] = tensor[None, None]
        elif rest == "positions":
            par[f"{side}.cls_pos_embed"], par[f"{side}.vit_model.pos_embed"] = tensor[None, :1], tensor[None, 1:]
        elif rest.startswith("patch_embed."):
            par[f"{side}.vit_model.{rest.replace('patch_embed', 'patch_embed.proj')}"] = tensor
        elif side and rest.startswith("blocks."):
            par[f"{side}.vit_model.{rest}"] = tensor
        elif rest.startswith("taps."):
            _, position, kind, leaf = rest.split(".")
            shaped = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
            par[f"{side}.fusion_layers.layer_{position}.input_proj.{int(kind == 'proj')}.{leaf}"] = shaped
        elif rest.startswith("first."):
            par[f"{side}.frist_linear.{rest.removeprefix('first.')}"] = tensor
        elif rest.startswith("streams."):
            kind, _, leaf = rest.removeprefix("streams.").partition("_")
            for s, one in enumerate(tensor):
                inner = "ln" if kind == "norm" else "input_proj"
                par[f"{side}.fusion_layers.layer_{s}.{inner}.{leaf}"] = one[:, :, None] if one.ndim == 2 else one
        elif part == "heads":
            par |= {f"weight_layer.{a}.{rest}": one[None] for a, one in enumerate(tensor)}
        elif part == "fusion":
            par[rest.replace("block.", "blocks.7.")] = tensor
        elif part == "bn":
            par[name] = tensor
    return par
