"""CLIP as Hugging Face's ``transformers`` keeps it: a folder of config.json and safetensors or pickled weights.

Names and shapes: ``CLIPModel`` of transformers 5, whose defaults are those of openai/clip-vit-base-patch32.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from par_model import storage
from par_model.errors import WeightsError

ANCHOR = "vision_model.embeddings.patch_embedding.weight"
# In the order in which transformers looks for them; then open_clip's own.
_WEIGHTS = (
    *("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"),
    *("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
)
_NAMES = (  # (Hugging Face's name, OpenAI's)
    (r"vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"vision_model\.embeddings\.patch_embedding\.weight", "visual.conv1.weight"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    (r"vision_model\.pre_layrnorm\.", "visual.ln_pre."),  # so spelled there
    (r"vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"visual_projection\.weight", "visual.proj"),
    (r"text_model\.embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm\.", "ln_final."),
    (r"text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"text_projection\.weight", "text_projection"),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
    (r"\.self_attn\.q_proj\.", ".attn.in_proj_"),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)
_NO_WEIGHTS = re.compile(r"(text|vision)_model\.embeddings\.position_ids")
_TRANSPOSED = ("visual.proj", "text_projection")
_ACTIVATIONS: dict[str, dict[str, Any]] = {
    "quick_gelu": {"quick_gelu": True},
    "gelu": {},
    "gelu_new": {"act_kwargs": {"approximate": "tanh"}},
    "gelu_pytorch_tanh": {"act_kwargs": {"approximate": "tanh"}},
}
_EPS = 1e-5  # open_clip's, unless it is told otherwise
_COMMON = {"hidden_act": "quick_gelu", "layer_norm_eps": _EPS}
_VISION = _COMMON | {
    **{"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
    **{"image_size": 224, "patch_size": 32},
}
_TEXT = _COMMON | {
    **{"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8},
    **{"vocab_size": 49408, "max_position_embeddings": 77},
}


def weights_in(folder: str, what: str) -> str:
    """The weights file, or index of weights files, of a folder. Raises WeightsError."""
    for name in _WEIGHTS:
        if storage.exists(storage.join(folder, name)):
            return storage.join(folder, name)
    raise WeightsError(f"{what}: a folder without weights; looked for {', '.join(_WEIGHTS)}")


def openai_names(state: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """The tensors under OpenAI's names; names that CLIPModel does not have stay. Raises WeightsError."""
    named: dict[str, Tensor] = {}
    for name in state:
        if _NO_WEIGHTS.fullmatch(name) or re.search(r"\.self_attn\.[kv]_proj\.", name):
            continue
        ours = name
        for theirs, openais in _NAMES:
            ours = re.sub(theirs, openais, ours)
        parts = [name.replace(".self_attn.q_proj.", f".self_attn.{which}_proj.") for which in "qkv"]
        if missing := [part for part in parts if part not in state]:
            raise WeightsError(f"{what}: tensor {missing[0]} is missing")
        tensor = torch.cat([state[part] for part in parts]) if parts[0] != parts[1] else state[name]
        named[ours] = tensor.T.contiguous() if ours in _TRANSPOSED else tensor
    return named


def settings_of(folder: str, what: str) -> dict[str, Any]:
    """The architecture that config.json tells, in open_clip's words. Raises WeightsError."""
    place = storage.join(folder, "config.json")
    if not storage.exists(place):
        raise WeightsError(
            f"{what}: has Hugging Face's names, and its config.json, which says the activation, is not beside it: put "
            "it there, or give the model's folder"
        )
    config = read_json(place, what)
    kind = config.get("model_type", "clip")
    if kind != "clip":
        raise WeightsError(f"{what}: config.json says model_type {kind!r}: only 'clip', with both towers, is taken")
    vision, text = _tower(config, "vision", _VISION, what), _tower(config, "text", _TEXT, what)
    if vision["hidden_act"] != text["hidden_act"] or vision["hidden_act"] not in _ACTIVATIONS:
        acts = f"{vision['hidden_act']} and {text['hidden_act']}"
        raise WeightsError(f"{what}: config.json says the activations {acts}: both must be one of {_listed()}")
    activation = _ACTIVATIONS[vision["hidden_act"]]
    quick = {name: value for name, value in activation.items() if name == "quick_gelu"}
    for_towers = {name: value for name, value in activation.items() if name != "quick_gelu"}
    width, heads = vision["hidden_size"], vision["num_attention_heads"]
    return {
        "embed_dim": _size(config.get("projection_dim", 512), "projection_dim", what),
        **quick,
        "vision_cfg": {
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "width": width,
            "head_width": width // heads,
            "layers": vision["num_hidden_layers"],
            **_of_blocks(vision),
            **for_towers,
        },
        "text_cfg": {
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "width": text["hidden_size"],
            "heads": text["num_attention_heads"],
            "layers": text["num_hidden_layers"],
            **_of_blocks(text),
            **for_towers,
        },
    }


def statistics_of(folder: str, what: str) -> dict[str, Any]:
    """``mean`` and ``std`` of preprocessor_config.json, if it is there and says them."""
    place = storage.join(folder, "preprocessor_config.json")
    found = read_json(place, what) if storage.exists(place) else {}
    return {name: found[f"image_{name}"] for name in ("mean", "std") if found.get(f"image_{name}") is not None}


def read_json(uri: str, what: str) -> dict[str, Any]:
    """An object of JSON. Raises WeightsError."""
    try:
        found = json.loads(storage.read_bytes(uri))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{what}: {storage.name(uri)} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{what}: {storage.name(uri)} holds no JSON object")
    return found


def _tower(config: Mapping[str, Any], part: str, defaults: Mapping[str, Any], what: str) -> dict[str, Any]:
    """What config.json says of one tower, and the defaults of what it does not say. Raises WeightsError."""
    said = [config.get(f"{part}_config_dict") or {}, config.get(f"{part}_config") or {}]
    if not all(isinstance(one, dict) for one in said):
        raise WeightsError(f"{what}: {part}_config of config.json is no JSON object")
    tower = {name: value for one in (defaults, *said) for name, value in one.items() if name in defaults}
    for name, value in tower.items():
        key = f"{name} of {part}_config"
        if name == "layer_norm_eps":
            if type(value) not in (int, float) or not 0 < value < math.inf:
                raise WeightsError(f"{what}: config.json says {value!r:.60} for {key}, which is no number above 0")
        elif name != "hidden_act":
            _size(value, key, what)
        elif not isinstance(value, str):
            raise WeightsError(f"{what}: config.json says {value!r:.60} for {key}, which is no name")
    if tower["hidden_size"] % tower["num_attention_heads"]:
        width, heads = tower["hidden_size"], tower["num_attention_heads"]
        raise WeightsError(f"{what}: config.json says {heads} heads for {part}_config, which do not divide {width}")
    return tower


def _size(value: Any, key: str, what: str) -> int:
    if type(value) is not int or value < 1:
        raise WeightsError(f"{what}: config.json says {value!r:.60} for {key}, which is no whole number above 0")
    return value


def _of_blocks(tower: Mapping[str, Any]) -> dict[str, Any]:
    eps = tower["layer_norm_eps"]
    ratio = tower["intermediate_size"] / tower["hidden_size"]
    return {"mlp_ratio": ratio} | ({"norm_kwargs": {"eps": eps}} if eps != _EPS else {})


def _listed() -> str:
    return ", ".join(_ACTIVATIONS)
