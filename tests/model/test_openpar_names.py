"""Which tensor of a released checkpoint becomes which of ours."""

from __future__ import annotations

import pytest

from par_model.model.openpar_names import IDLE, our_name, pieces
from tests.tiny import tiny_config


@pytest.mark.parametrize(
    ("released", "ours"),
    [
        ("spatial_sidenet.cls_embed", "spatial.class_token"),
        ("spatial_sidenet.vit_model.patch_embed.proj.weight", "spatial.patch_embed.weight"),
        ("spatial_sidenet.vit_model.blocks.3.attn.qkv.bias", "spatial.blocks.3.attn.qkv.bias"),
        ("spatial_sidenet.fusion_layers.layer_2.input_proj.0.weight", "spatial.taps.2.norm.weight"),
        ("spatial_sidenet.fusion_layers.layer_2.input_proj.1.bias", "spatial.taps.2.proj.bias"),
        ("crossframe_sidenet.frist_linear.weight", "temporal.first.weight"),
        ("blocks.7.mlp.fc1.weight", "fusion.block.mlp.fc1.weight"),
        ("blocks.6.mlp.fc1.weight", None),
        ("bn.running_var", "bn.running_var"),
        ("temporal_feat_aggregation.bias", "temporal_aggregation.bias"),
        ("xnorm.weight", None),
        ("norm.weights", None),
    ],
)
def test_names_become_ours_whole_or_not_at_all(released: str, ours: str | None) -> None:
    assert our_name(released) == ours


@pytest.mark.parametrize(
    ("name", "idle"),
    [
        ("w_temporal", True),
        ("spa_embed.bias", True),
        ("spatial_sidenet.vit_model.blocks.7.attn.qkv.weight", True),
        ("spatial_sidenet.vit_model.blocks.6.attn.qkv.weight", False),
        ("crossframe_sidenet.projection_layers.3.bias", True),
        ("word_embed.weight", False),
    ],
)
def test_what_the_released_network_never_reads_is_known(name: str, idle: bool) -> None:
    assert (IDLE.fullmatch(name) is not None) == idle


def test_tensors_that_several_released_ones_make_up_come_in_order() -> None:
    config = tiny_config(2)
    made = pieces(config)
    patches = config.backbone.num_patches
    assert made["spatial.positions"] == [
        ("spatial_sidenet.cls_pos_embed", 1),
        ("spatial_sidenet.vit_model.pos_embed", patches),
    ]
    assert made["heads.bias"] == [("weight_layer.0.bias", 1), ("weight_layer.1.bias", 1)]
    norms = [(f"crossframe_sidenet.fusion_layers.layer_{s}.ln.weight", 1) for s in range(len(config.temporal_map))]
    assert made["temporal.streams.norm_weight"] == norms
    alone = pieces(tiny_config(2, sides="none"))
    assert sorted(alone) == ["heads.bias", "heads.weight"]
