"""Files of CLIP models: OpenAI's TorchScript archives and state dicts, open_clip's checkpoints, safetensors.

Their tensors are read as tensors only, in the names that OpenAI gave them, and renamed to those of ``ImageTower``.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from par_model import storage
from par_model.errors import WeightsError

_OPENAI_ENTRIES = ("input_resolution", "context_length", "vocab_size")  # numbers that OpenAI keeps beside its tensors
_RENAMED = (  # open_clip's names of a block's tensors, and ours
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def read_clip_file(uri: str) -> tuple[dict[str, Tensor], bool]:
    """The tensors of a CLIP file in float32, and whether it is OpenAI's own format.

    TorchScript archives, state dicts (read with ``weights_only``), safetensors. Raises WeightsError, or StorageError
    if there is no such file.
    """
    data = storage.read_bytes(uri)
    openai = False
    try:
        if uri.endswith(".safetensors"):
            state: Mapping[str, Any] = safetensors.torch.load(data)
        elif _is_torchscript(data):
            with warnings.catch_warnings():  # torch deprecates TorchScript; OpenAI's files stay what they are
                warnings.simplefilter("ignore")
                state = torch.jit.load(io.BytesIO(data), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
            openai = True
        else:
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and its unpickler raise what they like on foreign bytes
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"CLIP file {uri}: cannot be read as CLIP weights: {first}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(f"CLIP file {uri}: holds no state dict")
    openai = openai or any(entry in state for entry in _OPENAI_ENTRIES)
    tensors = {
        name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and name not in _OPENAI_ENTRIES
    }
    return tensors, openai


def _is_torchscript(data: bytes) -> bool:
    file = io.BytesIO(data)
    return zipfile.is_zipfile(file) and any("/code/" in name for name in zipfile.ZipFile(file).namelist())


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
