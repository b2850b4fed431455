"""What the golden files lack, against an independent implementation of the released code (benchmarks/released.py),
which the golden files themselves hold: on a narrow CLIP, all interaction maps, widths, aggregations, frame counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks import released
from par_model.model.clip_file import convert_tower
from par_model.model.config import INTERACTION_MAPS, BackboneConfig
from par_model.model.openpar import convert_released
from par_model.model.recogniser import Recogniser
from tests import released_weights as rule
from tests.released_weights import small_par_shapes

BACKBONE = BackboneConfig(
    name="small",
    image_height=32,
    image_width=32,
    patch=8,
    width=64,
    layers=12,
    heads=1,
    mlp_width=256,
    embed_dim=64,
    activation="quickgelu",
)


@pytest.fixture(scope="module")
def clip() -> dict[str, Tensor]:
    return rule.by_rule("clip", rule.small_clip_shapes())


def tower_of(clip: dict[str, Tensor]) -> dict[str, Tensor]:
    return convert_tower({name.removeprefix("visual."): t for name, t in clip.items() if name.startswith("visual.")})


def build(
    clip: dict[str, Tensor], par: dict[str, Tensor], words: str = "MARS", **options: Any
) -> tuple[Recogniser, Tensor]:
    found = convert_released(par, tower=tower_of(clip), backbone=BACKBONE, **options)
    tokens = rule.padded_tokens(words)
    found.recogniser.text_features.copy_(released.text_features(clip, tokens))
    return found.recogniser, tokens


def compare(
    clip: dict[str, Tensor],
    par: dict[str, Tensor],
    *,
    maps: tuple[int, int] = (2, 2),
    frames: int = 6,
    words: str = "MARS",
) -> None:
    recogniser, tokens = build(
        clip,
        par,
        words,
        spatial_map=INTERACTION_MAPS[maps[0]],
        temporal_map=INTERACTION_MAPS[maps[1]],
        frames=frames,
    )
    images = rule.frames_by_rule(2, frames, 32, 32)
    expected = released.forward(
        clip,
        par,
        images,
        tokens,
        spatial_map=released.MAPS[maps[0]] if recogniser.config.has_spatial else None,
        temporal_map=released.MAPS[maps[1]] if recogniser.config.has_temporal else None,
    )
    seen: dict[str, Tensor] = {}
    recogniser.fusion.norm.register_forward_hook(lambda _, __, out: seen.update(fused_tokens=out))
    with torch.no_grad():
        logits = recogniser(images)
    assert (logits - expected["logits"]).abs().max() < 5e-6
    assert (seen["fused_tokens"] - expected["fused_tokens"]).abs().max() < 2e-5
    assert expected["logits"].std(dim=0).mean() > 1e-3, "the tracklets must differ, or this shows nothing"


@pytest.mark.parametrize("temporal", range(8))
@pytest.mark.parametrize("spatial", range(8))
def test_every_pair_of_interaction_maps(clip: dict[str, Tensor], spatial: int, temporal: int) -> None:
    targets, streams = tuple(released.MAPS[spatial].values()), len(released.MAPS[temporal])
    par = rule.by_rule("par", small_par_shapes(width=144, classes=43, targets=targets, streams=streams))
    compare(clip, par, maps=(spatial, temporal))


@pytest.mark.parametrize("width", [144, 240, 256, 336, 432, 512, 768])
def test_every_released_width(clip: dict[str, Tensor], width: int) -> None:
    compare(clip, rule.by_rule("par", small_par_shapes(width=width)))


@pytest.mark.parametrize("mlp", [("spatial",), ("temporal",), ("spatial", "temporal")])
def test_mlp_aggregation_on_either_side(clip: dict[str, Tensor], mlp: tuple[str, ...]) -> None:
    compare(clip, rule.by_rule("par", small_par_shapes(width=144, mlp=mlp)))


@pytest.mark.parametrize("frames", range(1, 9))
def test_every_number_of_frames(clip: dict[str, Tensor], frames: int) -> None:
    compare(clip, rule.by_rule("par", small_par_shapes(width=144, frames=frames, mlp=("spatial",))), frames=frames)


@pytest.mark.parametrize("off", ["spatial_sidenet.", "crossframe_sidenet."])
def test_one_side_off(clip: dict[str, Tensor], off: str) -> None:
    shapes = {name: shape for name, shape in small_par_shapes(width=144).items() if not name.startswith(off)}
    compare(clip, rule.by_rule("par", shapes))


def test_36_classes(clip: dict[str, Tensor]) -> None:
    compare(clip, rule.by_rule("par", small_par_shapes(width=144, classes=36)), words="DUKE")


def test_batch_norm_in_training_mode(clip: dict[str, Tensor]) -> None:
    """The batch's own statistics, and the running ones moved by a tenth, the variance without bias."""
    par = rule.by_rule("par", small_par_shapes(width=144))
    recogniser, tokens = build(clip, par)
    recogniser.fusion.block.drop_path = 0.0
    recogniser.train()
    images = rule.frames_by_rule(3, 6, 32, 32)
    maps = released.MAPS[2]
    expected = released.forward(clip, par, images, tokens, spatial_map=maps, temporal_map=maps, training=True)
    with torch.no_grad():
        logits = recogniser(images)
    # A batch's own statistics divide by its small spread, so rounding grows with 1 / std.
    spread = expected["pre_bn"].std(dim=0).min()
    assert (logits - expected["logits"]).abs().max() < 1e-5 / spread
    head = expected["pre_bn"]
    mean = 0.9 * par["bn.running_mean"] + 0.1 * head.mean(dim=0)
    var = 0.9 * par["bn.running_var"] + 0.1 * head.var(dim=0, unbiased=True)
    assert (recogniser.bn.running_mean - mean).abs().max() < 1e-6  # type: ignore[operator]
    assert (recogniser.bn.running_var - var).abs().max() < 1e-6  # type: ignore[operator]


def test_idle_tensors_of_a_checkpoint_change_nothing(clip: dict[str, Tensor]) -> None:
    """Blocks that never run are carried, and no number depends on them."""
    par = rule.by_rule("par", small_par_shapes(width=144))
    recogniser, _ = build(clip, par)
    images = rule.frames_by_rule(2, 6, 32, 32)
    with torch.no_grad():
        before = recogniser(images)
        idle = [name for name in par if name.startswith(("spatial_sidenet.vit_model.blocks.7", "w_temporal"))]
        idle += [name for name in par if name.startswith(("crossframe_sidenet.vit_model.blocks.6", "visual_embed"))]
        assert len(idle) == 27
        for name in idle:
            par[name] = par[name] + 1
        changed, _ = build(clip, par)
        assert torch.equal(before, changed(images))
