"""Which tensor of a released checkpoint becomes which tensor of ours."""

from __future__ import annotations

import re

from par_model.model.config import RecogniserConfig

SPATIAL, TEMPORAL = "spatial_sidenet.", "crossframe_sidenet."

_RENAMED = (  # (released name, our name); what has no line here or in `pieces` is carried as unused
    (r"spatial_sidenet\.cls_embed", r"spatial.class_token"),
    (r"spatial_sidenet\.vit_model\.(patch_embed)\.proj\.(weight|bias)", r"spatial.\1.\2"),
    (r"spatial_sidenet\.vit_model\.(blocks\..+)", r"spatial.\1"),
    (r"spatial_sidenet\.fusion_layers\.layer_(\d+)\.input_proj\.0\.(weight|bias)", r"spatial.taps.\1.norm.\2"),
    (r"spatial_sidenet\.fusion_layers\.layer_(\d+)\.input_proj\.1\.(weight|bias)", r"spatial.taps.\1.proj.\2"),
    (r"crossframe_sidenet\.cls_embed", r"temporal.class_token"),
    (r"crossframe_sidenet\.vit_model\.(blocks\..+)", r"temporal.\1"),
    (r"crossframe_sidenet\.frist_linear\.(weight|bias)", r"temporal.first.\1"),  # so spelled in the checkpoint
    (r"word_embed\.(weight|bias)", r"fusion.word_embed.\1"),
    (r"blocks\.7\.(.+)", r"fusion.block.\1"),
    (r"norm\.(weight|bias)", r"fusion.norm.\1"),
    (r"bn\.(.+)", r"bn.\1"),
    (r"(spatial|temporal)_feat_aggregation\.(weight|bias)", r"\1_aggregation.\2"),
)
# What the released network holds and never reads.
IDLE = re.compile(
    r"(w_temporal|(visual|spa|tem)_embed\.(weight|bias)|spatial_sidenet\.vit_model\.blocks\.7\..+"
    r"|crossframe_sidenet\.(vit_model\.patch_embed\.proj|projection_layers\.\d+)\.(weight|bias))"
)


def our_name(name: str) -> str | None:
    """A released tensor's name here; None if nothing here corresponds to it alone."""
    for pattern, ours in _RENAMED:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    return None


def pieces(config: RecogniserConfig) -> dict[str, list[tuple[str, int]]]:
    """Tensors of ours that several released ones make up: these, in order, and how many rows each of them is."""
    made: dict[str, list[tuple[str, int]]] = {}
    for ours, released, has in (("spatial", SPATIAL, config.has_spatial), ("temporal", TEMPORAL, config.has_temporal)):
        if has:
            patches = (f"{released}vit_model.pos_embed", config.backbone.num_patches)
            made[f"{ours}.positions"] = [(f"{released}cls_pos_embed", 1), patches]
    for kind in ("weight", "bias"):
        if config.has_temporal and config.fuses_later_frames:
            for ours, inner in (("norm", "ln"), ("proj", "input_proj")):
                layers = [f"{TEMPORAL}fusion_layers.layer_{s}.{inner}.{kind}" for s in range(len(config.temporal_map))]
                made[f"temporal.streams.{ours}_{kind}"] = [(name, 1) for name in layers]
        made[f"heads.{kind}"] = [(f"weight_layer.{i}.{kind}", 1) for i in range(config.num_classes)]
    return made
