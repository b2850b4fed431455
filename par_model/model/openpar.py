"""Released VTFPAR++ checkpoints: pickles ``{"epoch", "model_state_dict"}`` of the OpenPAR code, read as tensors only.

The released network has parts that never run. What our network has too is renamed; everything else is
carried along under its own name, so that nothing of the checkpoint is lost and no number changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from par_model.attributes import AttributeSchema
from par_model.errors import UsageError, WeightsError
from par_model.model.backbone import Clip, load_openai_clip
from par_model.model.clip_file import tower_name
from par_model.model.config import (
    INTERACTION_MAPS,
    Aggregate,
    BackboneConfig,
    InteractionMap,
    RecogniserConfig,
    Sides,
    format_map,
)
from par_model.model.foreign import read_foreign
from par_model.model.openpar_names import IDLE, SPATIAL, TEMPORAL, our_name, pieces
from par_model.model.recogniser import Recogniser
from par_model.model.weights import save_weights
from par_model.types import Preprocess

FRAMES = 6
RELEASED_DEPTH = 8
TOWER = "clip_visual_extractor."
_ONLY_IN_CLIP = ("ln_post.weight", "ln_post.bias", "proj")  # what of an image tower a checkpoint need not hold
_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


@dataclass(frozen=True, eq=False)
class Released:
    """A released network in our terms. unused: tensors that never run. unknown: names among them that are foreign."""

    recogniser: Recogniser
    unused: dict[str, Tensor]
    unknown: tuple[str, ...]


def import_openpar(
    output: str,
    *,
    checkpoint: str,
    clip: str,
    checkpoint_key: str | None = None,
    schema: AttributeSchema,
    spatial_map: InteractionMap | None = None,
    temporal_map: InteractionMap | None = None,
    frames: int | None = None,
) -> list[str]:
    """Write a weights file from a released checkpoint and the CLIP model that it was trained on.

    clip: a CLIP file or open_clip name, for the text tower and the image tower's last layers, and checkpoint_key the
    part of it that is meant (``load_openai_clip``).
    spatial_map, temporal_map, frames: what the tensors do not say; by default map 2 where several fit, and 6 frames.
    Text features are computed here, from the schema's released phrases, or a class's text where it has none.

    Returns notes for the user. Raises WeightsError if the checkpoint cannot be read, lacks tensors (they are listed) or
    has one of a wrong kind or shape, UsageError if an option contradicts its tensors.
    """
    state = read_checkpoint(checkpoint)
    openai = load_openai_clip(clip, checkpoint_key)
    notes, tower, unknown_tower = _tower(state, openai)
    model = {name: tensor for name, tensor in state.items() if not name.startswith(TOWER)}
    features = openai.encode_texts([c.released or c.text for c in schema.classes])
    released = convert_released(
        model, tower=tower, backbone=openai.config, spatial_map=spatial_map, temporal_map=temporal_map, frames=frames
    )
    recogniser, config = released.recogniser, released.recogniser.config
    if schema.num_classes != config.num_classes:
        raise UsageError(
            f"--schema {schema.name} has {schema.num_classes} classes, the checkpoint {config.num_classes}: "
            "give the schema that it was trained with"
        )
    recogniser.text_features.copy_(features)
    without = [c.value for c in schema.classes if c.released is None]
    if without:
        notes.append(f"{len(without)} classes have no released phrase and use their text: {', '.join(without)}")
    unknown = [*released.unknown, *unknown_tower]
    if unknown:
        notes.append(f"{len(unknown)} unknown tensors, kept but not used: {', '.join(unknown)}")
    for side, given in (("spatial", spatial_map), ("temporal", temporal_map)):
        if given is None and getattr(config, f"has_{side}"):
            chosen = format_map(getattr(config, f"{side}_map"))
            notes.append(f"{side} map {chosen}, as far as the tensors tell: --{side}-map gives another")
    preprocess = Preprocess(height=config.backbone.image_height, width=config.backbone.image_width)
    training = {"state": "imported", "from": "openpar", "clip": openai.config.name}
    unused = released.unused | unknown_tower
    save_weights(output, recogniser, schema=schema, preprocess=preprocess, training=training, unused=unused)
    return notes


def read_checkpoint(uri: str) -> dict[str, Tensor]:
    """The tensors of ``model_state_dict``, float32. Raises WeightsError; nothing but tensors is unpickled."""
    checkpoint, _ = read_foreign(uri, f"checkpoint {uri}", "tensors only")
    state = checkpoint.get("model_state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, Mapping):
        raise WeightsError(f"checkpoint {uri}: has no 'model_state_dict', so it is not a released VTFPAR++ checkpoint")
    return {ours: _tensor(name, state[name]) for ours, name in _renamed(state, _without_module).items()}


def _without_module(name: Any) -> str:
    if not isinstance(name, str):
        raise WeightsError(f"the checkpoint has a tensor named {name!r}, which is no text")
    return name.removeprefix("module.")


def _tensor(name: str, tensor: Any) -> Tensor:
    """A dense tensor, float32 if it has fractions. Raises WeightsError on anything else."""
    if not isinstance(tensor, Tensor):
        raise WeightsError(f"{name} of the checkpoint is a {type(tensor).__name__}, not a tensor")
    if tensor.layout != torch.strided or not (tensor.is_floating_point() or tensor.dtype in _WHOLE):
        raise WeightsError(f"{name} of the checkpoint is of a kind that no network here has: {tensor.dtype}")
    return tensor.float() if tensor.is_floating_point() else tensor


def _renamed(state: Mapping[str, Any], rename: Callable[[str], str | None]) -> dict[str, str]:
    """{our name: released name}, without those that ``rename`` makes None. Raises WeightsError if two become one."""
    found: dict[str, str] = {}
    for name in state:
        ours = rename(name)
        if ours is None:
            continue
        if ours in found:
            raise WeightsError(f"the checkpoint has one tensor twice: {found[ours]} and {name} are both {ours}")
        found[ours] = name
    return found


def convert_released(
    state: Mapping[str, Tensor],
    *,
    tower: Mapping[str, Tensor],
    backbone: BackboneConfig,
    spatial_map: InteractionMap | None = None,
    temporal_map: InteractionMap | None = None,
    frames: int | None = None,
) -> Released:
    """The classifier's tensors, under their released names, as a recogniser without text features (they stay zero).

    Every tensor of ``state`` is used or carried as unused. Raises WeightsError listing missing tensors or naming one of
    a wrong shape, UsageError if an option contradicts the tensors.
    """
    config = _infer_config(state, backbone, spatial_map, temporal_map, frames)
    with torch.device("meta"):
        recogniser = Recogniser(config)
    wanted = recogniser.state_dict()
    sources = {ours: [name] for ours, name in _renamed(state, our_name).items() if ours in wanted}
    parts = pieces(config)
    sources |= {ours: [name for name, _ in made_of] for ours, made_of in parts.items()}
    rows = {name: count for made_of in parts.values() for name, count in made_of}
    found = {f"backbone.{name}": tensor for name, tensor in tower.items()}
    found["text_features"] = torch.zeros(config.num_classes, backbone.embed_dim)
    missing = [name for names in sources.values() for name in names if name not in state]
    missing += sorted(wanted.keys() - found.keys() - sources.keys())
    if missing:
        raise WeightsError(f"the checkpoint lacks {len(missing)} tensors (in its names or ours): {', '.join(missing)}")
    for ours, names in sources.items():
        like = wanted[ours]
        shapes = [(rows[name], *like.shape[1:]) if name in rows else tuple(like.shape) for name in names]
        fitted = [_fitted(name, state[name], shape, like) for name, shape in zip(names, shapes, strict=True)]
        found[ours] = fitted[0] if len(fitted) == 1 else torch.cat(fitted)
    used = {name for names in sources.values() for name in names}
    unused = {name: tensor for name, tensor in state.items() if name not in used}
    unknown = tuple(name for name in unused if not IDLE.fullmatch(name))
    recogniser.load_state_dict({name: tensor.clone() for name, tensor in found.items()}, strict=True, assign=True)
    return Released(recogniser.eval(), unused, unknown)


def _fitted(name: str, tensor: Tensor, shape: Sequence[int], like: Tensor) -> Tensor:
    """The tensor in another shape that differs in dimensions of size 1 only. Raises WeightsError."""
    if [n for n in tensor.shape if n != 1] != [n for n in shape if n != 1]:
        raise WeightsError(
            f"{name} of the checkpoint has an unexpected shape: {list(tensor.shape)} instead of {list(shape)}"
        )
    if tensor.is_floating_point() != like.is_floating_point():
        raise WeightsError(f"{name} of the checkpoint holds {tensor.dtype} instead of {like.dtype}")
    return tensor.reshape(tuple(shape)).to(like.dtype)


def _infer_config(
    state: Mapping[str, Tensor],
    backbone: BackboneConfig,
    spatial_map: InteractionMap | None,
    temporal_map: InteractionMap | None,
    frames: int | None,
) -> RecogniserConfig:
    spatial, temporal = (any(name.startswith(side) for name in state) for side in (SPATIAL, TEMPORAL))
    sides: dict[tuple[bool, bool], Sides] = {
        (True, True): "both",
        (True, False): "spatial",
        (False, True): "temporal",
        (False, False): "none",
    }
    if sides[spatial, temporal] == "none" or "word_embed.weight" not in state or "bn.weight" not in state:
        raise WeightsError(
            "the checkpoint is not a VTFPAR++ classifier: it lacks spatial_sidenet.* and crossframe_sidenet.*, or "
            "word_embed.weight, or bn.weight"
        )
    weight = "spatial_feat_aggregation.weight"
    fixed = _size(state, weight, "1 x frames x 1") if spatial and weight in state else None
    if fixed is not None and frames not in (None, fixed):
        raise UsageError(
            f"--frames {frames}, but the checkpoint's spatial aggregation has {fixed} weights: one a frame"
        )
    k = frames or fixed or FRAMES
    fusion_width = _size(state, "word_embed.weight", "width x text features", axis=0)
    side_widths = [_width(state, side, fusion_width) for side in (SPATIAL, TEMPORAL)]
    blocks = _numbers(state, r"crossframe_sidenet\.vit_model\.blocks\.(\d+)\.")
    targets = sorted(_numbers(state, r"spatial_sidenet\.fusion_layers\.layer_(\d+)\."))
    streams = max(_numbers(state, r"crossframe_sidenet\.fusion_layers\.layer_(\d+)\."), default=-1) + 1
    return RecogniserConfig(
        backbone=backbone,
        num_classes=_size(state, "bn.weight", "classes", axis=0),
        frames=k,
        sides=sides[spatial, temporal],
        spatial_map=_choose_map("spatial", spatial_map, targets) if spatial else INTERACTION_MAPS[2],
        temporal_map=_choose_map("temporal", temporal_map, streams) if temporal else INTERACTION_MAPS[2],
        spatial_aggregation=_aggregate(state, "spatial"),
        temporal_aggregation=_aggregate(state, "temporal"),
        spatial_width=side_widths[0],
        temporal_width=side_widths[1],
        fusion_width=fusion_width,
        depth=RELEASED_DEPTH,
        temporal_depth=max(blocks, default=RELEASED_DEPTH - 1) + 1,
    )


def _choose_map(side: str, given: InteractionMap | None, found: list[int] | int) -> InteractionMap:
    """The map that was given if it fits the tensors, else map 2 if that fits, else the only numbered one that does.

    ``found``: the spatial side's targets, or the temporal side's number of streams, which is all that they tell.
    """

    def fits(pairs: InteractionMap) -> bool:
        return len(pairs) == found if isinstance(found, int) else sorted(target for _, target in pairs) == found

    what = f"{found} streams" if isinstance(found, int) else f"side positions {', '.join(map(str, found))}"
    if given is not None:
        if not fits(given):
            raise UsageError(f"--{side}-map {format_map(given)} does not fit the checkpoint, which has {what}")
        return given
    fitting = [pairs for pairs in (INTERACTION_MAPS[2], *INTERACTION_MAPS) if fits(pairs)]
    if not fitting:
        raise UsageError(f"the checkpoint has {what}, which no numbered map has: give --{side}-map as pairs")
    return fitting[0]


def _aggregate(state: Mapping[str, Tensor], side: str) -> Aggregate:
    return "mlp" if f"{side}_feat_aggregation.weight" in state else "mean"


def _width(state: Mapping[str, Tensor], side: str, default: int) -> int:
    token = f"{side}cls_embed"
    return _size(state, token, "1 x 1 x width", axis=2) if token in state else default


def _size(state: Mapping[str, Tensor], name: str, like: str, axis: int = 1) -> int:
    """One dimension of a tensor that has as many as ``like`` says. Raises WeightsError."""
    shape = state[name].shape
    if len(shape) != len(like.split(" x ")):
        raise WeightsError(f"{name} of the checkpoint has an unexpected shape: {list(shape)} instead of {like}")
    return shape[axis]


def _numbers(state: Mapping[str, Tensor], pattern: str) -> set[int]:
    """The numbers in such names, below the released depth: what lies beyond it, no released network has."""
    numbers = (int(match[1]) for name in state if (match := re.match(pattern, name)))
    return {number for number in numbers if number < RELEASED_DEPTH}


def _tower(state: Mapping[str, Tensor], clip: Clip) -> tuple[list[str], dict[str, Tensor], dict[str, Tensor]]:
    """Notes; the checkpoint's image tower, with the CLIP file's last norm and projection, which it lacks; and, under
    their released names, tensors of it that a tower does not have."""
    released = _renamed(state, _tower_name)
    if not released:
        return ["the checkpoint has no image tower: the CLIP file's is used"], dict(clip.tower), {}
    tower = {ours: state[name].float() for ours, name in released.items() if ours in clip.tower}
    unknown = {name: state[name] for ours, name in released.items() if ours not in clip.tower}
    missing = [name for name in clip.tower if name not in tower and name not in _ONLY_IN_CLIP]
    if missing:
        raise WeightsError(
            f"the checkpoint's image tower lacks {len(missing)} tensors (by our names): {', '.join(missing)}: "
            "it is damaged, or --clip is not the CLIP model that it was trained on"
        )
    wrong = sorted(name for name, tensor in tower.items() if tensor.shape != clip.tower[name].shape)
    if wrong:
        raise WeightsError(
            f"the checkpoint's image tower is not that of --clip: {len(wrong)} tensors differ in shape, "
            f"first {released[wrong[0]]}: give the CLIP model that it was trained on"
        )
    furthest = max(float((tensor - clip.tower[name]).abs().max()) for name, tensor in tower.items())
    notes = []
    if not furthest <= 1e-2:
        notes.append(f"the checkpoint's image tower differs from --clip by up to {furthest:.3g}: is it another CLIP?")
    return notes, {**clip.tower, **tower}, unknown


def _tower_name(name: str) -> str | None:
    if not name.startswith(TOWER):
        return None
    return tower_name(re.sub(r"^resblocks\.", "transformer.resblocks.", name.removeprefix(TOWER)))
