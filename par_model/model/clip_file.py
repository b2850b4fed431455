"""Files of CLIP models: OpenAI's TorchScript archives and state dicts, open_clip's checkpoints, Hugging Face's folders.

Their tensors are read as tensors only, in the names that OpenAI gave them, whatever a training program put before those
names or around them, and renamed to those of ``ImageTower``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from par_model import storage
from par_model.errors import WeightsError
from par_model.model import hugging_face
from par_model.model.foreign import read_foreign, state_dict

# Numbers that OpenAI keeps beside its tensors, and torch beside an average of weights.
_OPENAI_ENTRIES = ("input_resolution", "context_length", "vocab_size")
_COUNTERS = (*_OPENAI_ENTRIES, "n_averaged")
_TOWER, _TEXT = "conv1.weight", "token_embedding.weight"  # a tensor by which each tower is known
_NAMED = 3  # of unknown names, so many are shown
_RENAMED = (  # open_clip's names of a block's tensors, and ours
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


@dataclass(frozen=True, eq=False)
class ClipFile:
    """tensors: under OpenAI's names, in float32. openai: whether it is OpenAI's own format.

    settings: the architecture in open_clip's words, where the file tells it; statistics: the pixels' mean and std.
    """

    tensors: dict[str, Tensor]
    openai: bool = False
    settings: dict[str, Any] | None = None
    statistics: dict[str, Any] = field(default_factory=dict)


def read_clip_file(uri: str, key: str | None = None) -> ClipFile:
    """A CLIP model from a TorchScript archive, a state dict (read with ``weights_only``), safetensors or their shards,
    or from a folder of one of these.

    key: the part of the file that is meant, where it holds several (``--checkpoint-key``).
    Raises WeightsError, UsageError for a ``key`` that is not there, StorageError if there is no such file.
    """
    what = f"CLIP file {uri}"
    weights = hugging_face.weights_in(uri, what) if storage.is_folder(uri) else uri
    found, torchscript = read_foreign(weights, what, "CLIP weights")
    state = state_dict(found, what, key)
    openai = torchscript or any(entry in state for entry in _OPENAI_ENTRIES)
    state = {name: tensor for name, tensor in state.items() if name not in _COUNTERS}
    tower = _tower(state, what)
    if not tower.endswith(hugging_face.ANCHOR):
        return ClipFile(_openai_names(state, tower.removesuffix(_TOWER), what), openai)
    prefix = tower.removesuffix(hugging_face.ANCHOR)
    folder = uri if storage.is_folder(uri) else storage.parent(weights)
    return ClipFile(
        hugging_face.openai_names({name.removeprefix(prefix): tensor for name, tensor in state.items()}, what),
        settings=hugging_face.settings_of(folder, what),
        statistics=hugging_face.statistics_of(folder, what),
    )


def _tower(state: Mapping[str, Tensor], what: str) -> str:
    """The name of the image tower's first layer. Raises WeightsError unless there is one."""
    found = []
    for name in state:
        vit = name.endswith(_TOWER) and f"{name.removesuffix(_TOWER)}class_embedding" in state
        if vit or name.endswith(hugging_face.ANCHOR):
            found.append(name)
    if not found:
        shown = ", ".join(f"{name:.80}" for name in list(state)[:_NAMED])
        raise WeightsError(
            f"{what}: is of a layout that is not known here: {len(state)} tensors, such as {shown}; looked for "
            f"visual.{_TOWER} beside visual.class_embedding (OpenAI, open_clip; a ViT) and for {hugging_face.ANCHOR} "
            "(Hugging Face)"
        )
    if len(found) > 1:
        ends = rf"(visual\.)?{re.escape(_TOWER)}|{re.escape(hugging_face.ANCHOR)}"
        parts = [re.sub(rf"\.?({ends})$", "", name) for name in found]
        raise WeightsError(
            f"{what}: holds {len(found)} image towers, at {' and '.join(found)}: say which is meant, as "
            f"--checkpoint-key {parts[-1] or parts[0]}"
        )
    return found[0]


def _openai_names(state: Mapping[str, Tensor], tower: str, what: str) -> dict[str, Tensor]:
    """The tensors without what stands before OpenAI's names, such as ``model.``. tower: what the image tower's names
    begin with, such as ``model.visual.``. Raises WeightsError where the text tower is missing."""
    others = [name for name in state if not name.startswith(tower)]
    if not tower or all(name.endswith("logit_scale") for name in others):
        raise WeightsError(
            f"{what}: holds an image tower alone ({len(state)} tensors), and the texts of a schema need the text tower "
            "that was trained with it: give the whole CLIP model's file"
        )
    texts = min((name for name in others if name.endswith(_TEXT)), key=len, default=None)
    outside = tower.removesuffix("visual.")
    named: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.startswith(tower):
            ours = f"visual.{name.removeprefix(tower)}"
        elif texts is not None and name.startswith(texts.removesuffix(_TEXT)):
            ours = name.removeprefix(texts.removesuffix(_TEXT))
        else:
            ours = name.removeprefix(outside)
        if ours in named:
            raise WeightsError(f"{what}: has one tensor twice: {name} and another are both {ours}")
        named[ours] = tensor
    return named


def settings_from_tensors(source: str, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """OpenAI's own way to tell the architecture: from the tensors' shapes, with heads of 64 channels."""
    try:
        patch = state["visual.conv1.weight"].shape[-1]
        grid = round((state["visual.positional_embedding"].shape[0] - 1) ** 0.5)
        text_width = state["ln_final.weight"].shape[0]
        return {
            "embed_dim": state["text_projection"].shape[1],
            "quick_gelu": True,
            "vision_cfg": {
                "layers": _count_blocks(state, "visual.transformer.resblocks."),
                "width": state["visual.conv1.weight"].shape[0],
                "patch_size": patch,
                "image_size": patch * grid,
            },
            "text_cfg": {
                "context_length": state["positional_embedding"].shape[0],
                "vocab_size": state["token_embedding.weight"].shape[0],
                "width": text_width,
                "heads": max(1, text_width // 64),
                "layers": _count_blocks(state, "transformer.resblocks."),
            },
        }
    except KeyError as error:
        raise WeightsError(f"--clip {source}: not a CLIP model with a ViT: tensor {error} is missing") from error


def _count_blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})


def convert_tower(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An open_clip (or OpenAI) image tower's tensors under the names of ``ImageTower``.

    A layer scale, where there is one, is multiplied into the Linear before it.
    """
    return {tower_name(name): _scaled(name, state).detach().clone().float() for name in state if ".ls_" not in name}


def tower_name(name: str) -> str:
    for old, new in _RENAMED:
        name = re.sub(old, new, name)
    return name


def _scaled(name: str, state: Mapping[str, Tensor]) -> Tensor:
    for branch, scale in (("attn.out_proj", "ls_1.gamma"), ("mlp.c_proj", "ls_2.gamma")):
        block, found, kind = name.partition(f"{branch}.")
        if found and f"{block}{scale}" in state:
            gamma = state[f"{block}{scale}"]
            return state[name] * (gamma[:, None] if kind == "weight" else gamma)
    return state[name]
