"""Released VTFPAR++ checkpoints: pickles ``{"epoch", "model_state_dict"}`` of the OpenPAR code, read as tensors only.

The released network has parts that never run. What of it has a place in our network is renamed; everything else is
carried along under its own name, so that nothing of the checkpoint is lost and no number changes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.errors import UsageError, WeightsError
from par_model.model.backbone import Clip, load_openai_clip
from par_model.model.clip_file import convert_tower
from par_model.model.config import (
    INTERACTION_MAPS,
    Aggregate,
    BackboneConfig,
    InteractionMap,
    RecogniserConfig,
    Sides,
    format_map,
)
from par_model.model.openpar_names import IDLE, SPATIAL, TEMPORAL, is_stacked, our_name, stacked
from par_model.model.recogniser import Recogniser
from par_model.model.weights import save_weights
from par_model.types import Preprocess

FRAMES = 6
RELEASED_DEPTH = 8
TOWER = "clip_visual_extractor."


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
    schema: AttributeSchema,
    spatial_map: InteractionMap | None = None,
    temporal_map: InteractionMap | None = None,
    frames: int | None = None,
) -> list[str]:
    """Write a weights file from a released checkpoint and the CLIP model that it was trained on.

    clip: a CLIP file or open_clip name, for the text tower and the image tower's last layers (``load_openai_clip``).
    spatial_map, temporal_map, frames: what the tensors do not say; by default map 2 where several fit, and 6 frames.
    Text features are computed here, from the schema's released phrases, or a class's text where it has none.

    Returns notes for the user. Raises WeightsError if the checkpoint cannot be read or lacks tensors (they are listed),
    UsageError if an option contradicts its tensors.
    """
    state = read_checkpoint(checkpoint)
    openai = load_openai_clip(clip)
    notes, tower = _tower(state, openai)
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
        notes.append(f"{len(without)} classes have no released phrase and use their text: {_listed(without)}")
    if released.unknown:
        notes.append(f"{len(released.unknown)} unknown tensors, kept but not used: {_listed(released.unknown)}")
    for side, given in (("spatial", spatial_map), ("temporal", temporal_map)):
        if given is None and getattr(config, f"has_{side}"):
            chosen = format_map(getattr(config, f"{side}_map"))
            notes.append(f"{side} map {chosen}, as far as the tensors tell: --{side}-map gives another")
    preprocess = Preprocess(height=config.backbone.image_height, width=config.backbone.image_width)
    training = {"state": "imported", "from": "openpar", "clip": openai.config.name}
    save_weights(output, recogniser, schema=schema, preprocess=preprocess, training=training, unused=released.unused)
    return notes


def read_checkpoint(uri: str) -> dict[str, Tensor]:
    """The tensors of ``model_state_dict``, float32. Raises WeightsError; nothing but tensors is unpickled."""
    data = storage.read_bytes(uri)
    try:
        checkpoint = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and its unpickler raise what they like on foreign bytes
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"checkpoint {uri}: cannot be read as tensors only: {first}") from error
    state = checkpoint.get("model_state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, Mapping):
        raise WeightsError(f"checkpoint {uri}: has no 'model_state_dict', so it is not a released VTFPAR++ checkpoint")
    return {
        name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


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

    Raises WeightsError listing missing tensors, UsageError if an option contradicts the tensors.
    """
    config = _infer_config(state, backbone, spatial_map, temporal_map, frames)
    with torch.device("meta"):
        recogniser = Recogniser(config)
    wanted = recogniser.state_dict()
    text_features = torch.zeros(config.num_classes, backbone.embed_dim)
    found = {f"backbone.{name}": tensor for name, tensor in tower.items()} | {"text_features": text_features}
    found |= stacked(state, config)
    unused, unknown = {}, []
    for name, tensor in state.items():
        ours = our_name(name)
        if ours in wanted:
            found[ours] = tensor.reshape(wanted[ours].shape) if tensor.numel() == wanted[ours].numel() else tensor
        elif not is_stacked(name):
            unused[name] = tensor
            if not (IDLE.fullmatch(name) or ours.startswith("spatial.blocks.")):
                unknown.append(name)
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise WeightsError(f"the checkpoint lacks {len(missing)} tensors (by our names): {_listed(missing)}")
    wrong = [name for name in wanted if found[name].shape != wanted[name].shape]
    if wrong:
        name = wrong[0]
        raise WeightsError(
            f"{len(wrong)} tensors of the checkpoint have an unexpected shape, first {name}: "
            f"{list(found[name].shape)} instead of {list(wanted[name].shape)}"
        )
    recogniser.load_state_dict({name: tensor.clone() for name, tensor in found.items()}, strict=True, assign=True)
    return Released(recogniser.eval(), unused, tuple(unknown))


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
    weight = state.get("spatial_feat_aggregation.weight")
    fixed = None if weight is None else weight.shape[1]
    if fixed is not None and frames not in (None, fixed):
        raise UsageError(
            f"--frames {frames}, but the checkpoint's spatial aggregation has {fixed} weights: one a frame"
        )
    k = frames or fixed or FRAMES
    fusion_width = state["word_embed.weight"].shape[0]
    side_widths = [_width(state, side, fusion_width) for side in (SPATIAL, TEMPORAL)]
    blocks = _numbers(state, r"crossframe_sidenet\.vit_model\.blocks\.(\d+)\.") or range(RELEASED_DEPTH)
    targets = sorted(_numbers(state, r"spatial_sidenet\.fusion_layers\.layer_(\d+)\."))
    streams = len(_numbers(state, r"crossframe_sidenet\.fusion_layers\.layer_(\d+)\."))
    return RecogniserConfig(
        backbone=backbone,
        num_classes=state["bn.weight"].shape[0],
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
        temporal_depth=len(blocks),
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
    token = state.get(f"{side}cls_embed")
    return default if token is None else token.shape[-1]


def _numbers(state: Mapping[str, Tensor], pattern: str) -> set[int]:
    return {int(match[1]) for name in state if (match := re.match(pattern, name))}


def _tower(state: Mapping[str, Tensor], clip: Clip) -> tuple[list[str], dict[str, Tensor]]:
    """The checkpoint's image tower, with the CLIP file's last norm and projection, which it lacks."""
    own = {
        re.sub(r"^resblocks\.", "transformer.resblocks.", name.removeprefix(TOWER)): tensor
        for name, tensor in state.items()
        if name.startswith(TOWER)
    }
    if not own:
        return ["the checkpoint has no image tower: the CLIP file's is used"], dict(clip.tower)
    tower = convert_tower(own)
    wrong = sorted(name for name, tensor in tower.items() if tensor.shape != clip.tower.get(name, tensor[:0]).shape)
    if wrong:
        raise WeightsError(
            f"the checkpoint's image tower is not that of --clip: {len(wrong)} tensors differ in shape, "
            f"first {wrong[0]}: give the CLIP model that it was trained on"
        )
    furthest = max(float((tensor - clip.tower[name]).abs().max()) for name, tensor in tower.items())
    notes = []
    if furthest > 1e-2:
        notes.append(f"the checkpoint's image tower differs from --clip by up to {furthest:.3g}: is it another CLIP?")
    return notes, {**clip.tower, **tower}


def _listed(names: list[str] | tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
