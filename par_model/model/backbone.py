"""CLIP models by open_clip's names, tags and files: their image towers' tensors, and features of texts.

The one file that imports open_clip. It is needed to make weights, never to use them.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import open_clip
import torch
from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor

from par_model import storage
from par_model.errors import UsageError, WeightsError
from par_model.model.blocks import resize_positions
from par_model.model.clip_file import ClipFile, convert_tower, read_clip_file, settings_from_tensors
from par_model.model.config import Activation, BackboneConfig
from par_model.wording import one_line, typed_line

OPENAI_TAG = "openai"
_STATISTICS = ("mean", "std")
_NAMED = 3  # of tensors that are missing or unknown, so many are named
_PLAIN = {  # what an image tower may say of itself; anything else is another network
    *("image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio", "no_ln_pre", "pool_type"),
    *("final_ln_after_pool", "ls_init_value", "act_kwargs", "norm_kwargs", "patch_dropout", "output_tokens"),
}


@dataclass(frozen=True, eq=False)
class Clip:
    """A CLIP model taken apart.

    tower: the image tower's tensors under the names of ``ImageTower``. mean, std: its pixel statistics.
    pretrained: the tag or file of its weights, or None for random ones.
    """

    config: BackboneConfig
    tower: dict[str, Tensor]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pretrained: str | None
    model: torch.nn.Module
    tokenizer: Any

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Text features [texts, embed_dim], float32, not normalised."""
        with torch.no_grad():
            features: Tensor = self.model.encode_text(self.tokenizer(list(texts)))  # type: ignore[operator]
        return features.float()

    @property
    def logit_scale(self) -> Tensor:
        """The logarithm of what the model multiplies cosines by."""
        scale: Tensor = self.model.logit_scale.detach()  # type: ignore[operator]
        return scale.float().reshape(())


def load_clip(
    backbone: str,
    pretrained: str | None = None,
    *,
    checkpoint_key: str | None = None,
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
) -> Clip:
    """A CLIP model by open_clip name, or by path to a model configuration in open_clip's JSON format: the model's own,
    or ``{"model_cfg", "preprocess_cfg"}`` as beside published weights, whose mean and std are taken over.

    pretrained: a tag of that name, or a file: OpenAI's ``.pt`` (TorchScript or state dict), an open_clip checkpoint, or
    a Hugging Face CLIP, file or folder. Without it the weights are random, drawn from ``seed``. OpenAI's weights, by
    tag or file, always get QuickGELU; Hugging Face's get the activation and image size of their config.json; any other
    tag that was trained with another activation than ``backbone`` has is refused.
    checkpoint_key: the part of the file that is meant, as in ``read_clip_file``.
    image_size: height and width in pixels; the position table is resized to it.

    Raises WeightsError if the name, the tag or the file is not known, does not fit, or cannot be had, and UsageError
    for a ``checkpoint_key`` without a file that has it.
    """
    settings, statistics = _settings(backbone)
    tag = get_pretrained_cfg(_open_clip_name(backbone), pretrained) if pretrained else {}
    file: ClipFile | None = None
    openai = False
    if checkpoint_key is not None and (tag or not pretrained):
        raise UsageError(f"--checkpoint-key {checkpoint_key}: names a part of a file, so give --pretrained FILE")
    if pretrained and tag:
        openai = pretrained == OPENAI_TAG
        _check_activation(backbone, pretrained, bool(tag.get("quick_gelu")), settings, openai)
        file = read_clip_file(_download(backbone, pretrained, tag))
    elif pretrained:
        if "://" not in pretrained and not os.path.exists(pretrained):
            tags = ", ".join(list_pretrained_tags_by_model(_open_clip_name(backbone))) or "none"
            raise WeightsError(f"--pretrained {pretrained}: neither a file nor a tag of {backbone} (its tags: {tags})")
        file = read_clip_file(pretrained, checkpoint_key)
        openai = file.openai
        if file.settings is not None:
            _check_same_shape(backbone, pretrained, settings, file.settings)
            settings, statistics = file.settings, _checked_statistics(pretrained, statistics | file.statistics)
    if openai:
        settings["quick_gelu"] = True
    model = _build(backbone, settings, seed)
    if file is not None:
        _load(model, file.tensors, f"--pretrained {pretrained} into backbone {backbone}")
    clip = _take_apart(backbone, settings, model, pretrained)
    known = statistics | {name: tag[name] for name in _STATISTICS if tag.get(name)}  # a tag's go first, as in open_clip
    clip = replace(clip, mean=_three(known.get("mean", clip.mean)), std=_three(known.get("std", clip.std)))
    return _resized(clip, image_size)


def load_openai_clip(source: str, checkpoint_key: str | None = None) -> Clip:
    """The CLIP model behind a released VTFPAR++ checkpoint: QuickGELU always.

    source: a file, as for ``load_clip``, whose architecture is read off its tensors, or an open_clip name, optionally
    with a tag after a colon (default ``openai``). checkpoint_key: as there. Raises WeightsError, UsageError.
    """
    if "://" not in source and not os.path.exists(source):
        if checkpoint_key is not None:
            raise UsageError(f"--checkpoint-key {checkpoint_key}: names a part of a file, so give --clip FILE")
        given, _, tag = source.partition(":")
        name = _open_clip_name(given)
        if name not in open_clip.list_models():
            raise WeightsError(f"--clip {source}: neither a file nor an open_clip name such as ViT-B-16")
        settings, _ = _settings(name)
        if not settings.get("quick_gelu") and f"{name}-quickgelu" in open_clip.list_models():
            name = f"{name}-quickgelu"
        return load_clip(name, tag or OPENAI_TAG)
    file = read_clip_file(source, checkpoint_key)
    if file.settings is not None and not file.settings.get("quick_gelu"):
        raise WeightsError(
            f"--clip {source}: its config.json says another activation than quick_gelu, but every released checkpoint "
            "was trained on OpenAI's CLIP, which has quick_gelu: give OpenAI's file"
        )
    settings = file.settings or settings_from_tensors(source, file.tensors)
    model = _build(source, settings, seed=0)
    _load(model, file.tensors, f"--clip {source}")
    return _take_apart(os.path.basename(source.rstrip("/")), settings, model, source)


def _open_clip_name(backbone: str) -> str:
    return backbone.replace("/", "-")


def _settings(backbone: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model configuration, in open_clip's words, and the pixel statistics that a file gives beside it."""
    statistics: dict[str, Any] = {}
    if backbone.endswith(".json"):
        try:
            settings = json.loads(storage.read_bytes(backbone))
        except ValueError as error:
            raise WeightsError(f"backbone {backbone}: not JSON: {error}") from error
        whole = settings if isinstance(settings, dict) else {}
        settings = whole.get("model_cfg", whole)
        if not isinstance(settings, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= settings.keys():
            raise WeightsError(f"backbone {backbone}: needs embed_dim, vision_cfg and text_cfg, as open_clip's own")
        for part in ("vision_cfg", "text_cfg"):
            if not isinstance(settings[part], dict):
                raise WeightsError(f"backbone {backbone}: {part} must be an object, got {settings[part]!r:.60}")
        given = whole.get("preprocess_cfg")
        if not isinstance(given, dict | None):
            raise WeightsError(f"backbone {backbone}: preprocess_cfg must be an object, got {given!r:.60}")
        statistics = _checked_statistics(f"backbone {backbone}", given or {})
    elif _open_clip_name(backbone) in open_clip.list_models():
        settings = open_clip.get_model_config(_open_clip_name(backbone))
    else:
        near = difflib.get_close_matches(_open_clip_name(backbone), open_clip.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "for example ViT-B-16"
        raise WeightsError(f"backbone {backbone!r} is not a model of open_clip, nor a .json file: {hint}")
    strange = {key for key, value in settings["vision_cfg"].items() if value} - _PLAIN
    if strange or not isinstance(settings["vision_cfg"].get("layers", 12), int):
        what = f"has {', '.join(sorted(strange))}" if strange else "is a ResNet"
        raise WeightsError(f"backbone {backbone}: its image tower {what}: give a plain ViT, such as ViT-B-16")
    return dict(settings), statistics


def _checked_statistics(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """``mean`` and ``std``, those that are given. Raises WeightsError."""
    found = {name: given[name] for name in _STATISTICS if given.get(name) is not None}
    for name, values in found.items():
        three = isinstance(values, list) and len(values) == 3 and all(type(v) in (int, float) for v in values)
        if not three or not all(math.isfinite(v) and (v > 0 or name == "mean") for v in values):
            above = ", all above 0" if name == "std" else ""
            raise WeightsError(f"{what}: {name} must be three numbers{above}, got {values!r:.60}")
    return found


def _check_same_shape(backbone: str, file: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise WeightsError unless a file's own architecture is that of the backbone, image size and activation aside."""
    vision, text = ("width", "layers", "patch_size"), ("width", "layers", "vocab_size", "context_length")
    settings_named = [("vision_cfg", name, open_clip.CLIPVisionCfg()) for name in vision]
    for part, name, default in [*settings_named, *(("text_cfg", name, open_clip.CLIPTextCfg()) for name in text)]:
        ours, theirs = (settings[part].get(name, getattr(default, name)) for settings in (wanted, found))
        if ours != theirs:
            raise WeightsError(
                f"--pretrained {file}: its config.json says {theirs} for {name} of {part}, in open_clip's words, and "
                f"backbone {backbone} has {ours}: name the file's own model as --backbone"
            )


def _check_activation(backbone: str, tag: str, tag_quick: bool, settings: Mapping[str, Any], openai: bool) -> None:
    quick = bool(settings.get("quick_gelu"))
    if not openai and tag_quick != quick:
        trained, other = (
            ("QuickGELU", f"{backbone}-quickgelu") if tag_quick else ("GELU", "the name without -quickgelu")
        )
        raise WeightsError(
            f"--pretrained {tag} was trained with {trained}, which backbone {backbone} does not have: use {other}"
        )


def _download(backbone: str, tag: str, settings: dict[str, Any]) -> str:
    try:
        path: str = download_pretrained(settings)
    except Exception as error:  # hub, urllib and requests each have their own kinds
        raise WeightsError(
            f"could not download {backbone} with tag {tag} ({type(error).__name__}): give its file as --pretrained FILE"
        ) from error
    return path


def _build(backbone: str, settings: Mapping[str, Any], seed: int) -> torch.nn.Module:
    arguments = {key: value for key, value in settings.items() if key != "custom_text"}
    custom = settings.get("custom_text") or "hf_model_name" in settings["text_cfg"]
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model: torch.nn.Module = kind(**arguments)
    except Exception as error:  # whatever open_clip raises on settings it does not like
        reason = typed_line(error, 300)
        raise WeightsError(f"backbone {backbone}: open_clip cannot build it: {reason}") from error
    return model.eval()


def _load(model: torch.nn.Module, state: dict[str, Tensor], what: str) -> None:
    if isinstance(model, open_clip.CustomTextCLIP):
        state = open_clip.convert_to_custom_text_state_dict(state)
    own = model.state_dict()
    scalar = {name for name, t in state.items() if name == "logit_scale" and t.numel() == 1}
    state = {name: t.reshape(own[name].shape) if name in scalar else t for name, t in state.items()}
    wrong = [name for name in sorted(own.keys() & state.keys()) if own[name].shape != state[name].shape]
    if wrong:
        shapes = f"{list(state[wrong[0]].shape)} in the file, {list(own[wrong[0]].shape)} in the backbone"
        raise WeightsError(f"{what}: {len(wrong)} tensors have another shape, first {wrong[0]}: {shapes}")
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or unknown:
        lists = ((kind, names[:_NAMED]) for kind, names in (("missing", missing), ("unknown", unknown)))
        first = "; ".join(f"first {kind} {', '.join(names)}" for kind, names in lists if names)
        raise WeightsError(f"{what}: {len(missing)} tensors missing, {len(unknown)} unknown, {first}")
    for name in own:
        if problem := _no_weight(state[name]):
            raise WeightsError(f"{what}: tensor {name} {problem}")
    model.load_state_dict(state, strict=True)


def _no_weight(tensor: Tensor) -> str | None:
    """Why a tensor of the right shape holds no weights."""
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        return f"is {kind}: give the weights in a floating type, as they were before they were quantised"
    if tensor.layout is not torch.strided or tensor.is_meta:
        return "is sparse, or without values: give all values of all tensors"
    if not torch.isfinite(tensor).all():
        return "has values that are infinite or no numbers, as after training that failed: give an earlier checkpoint"
    return None


def _take_apart(backbone: str, settings: Mapping[str, Any], model: Any, pretrained: str | None) -> Clip:
    vision, visual = settings["vision_cfg"], model.visual
    block = visual.transformer.resblocks[0]
    activation: Activation = "quickgelu" if settings.get("quick_gelu") else "gelu"
    if activation == "gelu" and (vision.get("act_kwargs") or {}).get("approximate") == "tanh":
        activation = "gelu_tanh"
    config = BackboneConfig(
        name=os.path.basename(backbone).removesuffix(".json"),
        image_height=visual.image_size[0],
        image_width=visual.image_size[1],
        patch=visual.patch_size[0],
        width=visual.conv1.out_channels,
        layers=len(visual.transformer.resblocks),
        heads=block.attn.num_heads,
        mlp_width=block.mlp.c_fc.out_features,
        embed_dim=visual.proj.shape[1],
        activation=activation,
        norm_eps=block.ln_1.eps,
        pre_norm=not vision.get("no_ln_pre", False),
        pool="mean" if vision.get("pool_type") == "avg" else "token",
        norm_after_pool=bool(vision.get("final_ln_after_pool", False)),
    )
    text = settings["text_cfg"]
    length = text.get("context_length", 77)
    try:
        named = text.get("hf_tokenizer_name")
        tokenizer = open_clip.get_tokenizer(backbone) if named else open_clip.SimpleTokenizer(context_length=length)
    except Exception as error:  # a tokenizer may need a package or a download
        raise WeightsError(
            f"backbone {backbone}: its tokenizer {named} cannot be loaded: {one_line(error, 300)}"
        ) from error
    return Clip(
        config=config,
        tower=convert_tower(visual.state_dict()),
        mean=_three(open_clip.OPENAI_DATASET_MEAN),
        std=_three(open_clip.OPENAI_DATASET_STD),
        pretrained=pretrained,
        model=model,
        tokenizer=tokenizer,
    )


def _resized(clip: Clip, image_size: tuple[int, int] | None) -> Clip:
    if image_size is None:
        return clip
    config = replace(clip.config, image_height=image_size[0], image_width=image_size[1])
    table = resize_positions(clip.tower["positional_embedding"], clip.config.grid, config.grid)
    return replace(clip, config=config, tower=clip.tower | {"positional_embedding": table})


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
