"""Which tensor of a released checkpoint becomes which tensor of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from par_model.model.config import RecogniserConfig

SPATIAL, TEMPORAL = "spatial_sidenet.", "crossframe_sidenet."

_RENAMED = (  # (released name, our name); what has no line here or in STACKED is carried as unused
    (r"spatial_sidenet\.vit_model\.(patch_embed)\.proj\.(weight|bias)", r"spatial.\1.\2"),
    (r"spatial_sidenet\.vit_model\.(blocks\..+)", r"spatial.\1"),
    (r"spatial_sidenet\.fusion_layers\.layer_(\d+)\.input_proj\.0\.(weight|bias)", r"spatial.taps.\1.norm.\2"),
    (r"spatial_sidenet\.fusion_layers\.layer_(\d+)\.input_proj\.1\.(weight|bias)", r"spatial.taps.\1.proj.\2"),
    (r"crossframe_sidenet\.vit_model\.(blocks\..+)", r"temporal.\1"),
    (r"crossframe_sidenet\.frist_linear\.(weight|bias)", r"temporal.first.\1"),  # so spelled in the checkpoint
    (r"word_embed\.(weight|bias)", r"fusion.word_embed.\1"),
    (r"blocks\.\d+\.(.+)", r"fusion.block.\1"),
    (r"norm\.(weight|bias)", r"fusion.norm.\1"),
    (r"bn\.(.+)", r"bn.\1"),
    (r"(spatial|temporal)_feat_aggregation\.(weight|bias)", r"\1_aggregation.\2"),
)
# What the released network holds and never reads.
IDLE = re.compile(
    r"(w_temporal|(visual|spa|tem)_embed\.(weight|bias)"
    r"|crossframe_sidenet\.(vit_model\.patch_embed\.proj|projection_layers\.\d+)\.(weight|bias))"
)

# What is put together from several tensors, see `stacked`.
STACKED = re.compile(
    r"(spatial_sidenet|crossframe_sidenet)\.(cls_embed|cls_pos_embed|vit_model\.pos_embed)"
    r"|crossframe_sidenet\.fusion_layers\.layer_\d+\.(ln|input_proj)\.(weight|bias)"
    r"|weight_layer\.\d+\.(weight|bias)"
)


def our_name(name: str) -> str:
    """A released tensor's name here; itself if nothing here corresponds to it alone."""
    for pattern, ours in _RENAMED:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    return name


def is_stacked(name: str) -> bool:
    return STACKED.fullmatch(name) is not None


def stacked(state: Mapping[str, Tensor], config: RecogniserConfig) -> dict[str, Tensor]:
    """Tensors of ours that several released ones make up; left out where one of those is missing."""
    made: dict[str, Tensor] = {}
    for ours, released in (("spatial.", SPATIAL), ("temporal.", TEMPORAL)):
        parts = [state.get(f"{released}{name}") for name in ("cls_embed", "cls_pos_embed", "vit_model.pos_embed")]
        if parts[0] is not None:
            made[f"{ours}class_token"] = parts[0].flatten()
        if parts[1] is not None and parts[2] is not None:
            made[f"{ours}positions"] = torch.cat([parts[1][0], parts[2][0]])
    if config.has_temporal and config.fuses_later_frames:
        for ours, inner in (("norm", "ln"), ("proj", "input_proj")):
            for kind in ("weight", "bias"):
                names = [f"{TEMPORAL}fusion_layers.layer_{s}.{inner}.{kind}" for s in range(len(config.temporal_map))]
                made |= _stack(state, f"temporal.streams.{ours}_{kind}", names)
    for kind in ("weight", "bias"):
        made |= _stack(state, f"heads.{kind}", [f"weight_layer.{i}.{kind}" for i in range(config.num_classes)])
    return made


def _stack(state: Mapping[str, Tensor], ours: str, names: list[str]) -> dict[str, Tensor]:
    if not all(name in state for name in names):
        return {}
    return {ours: torch.stack([state[name].squeeze() for name in names])}
