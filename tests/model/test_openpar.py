"""A released checkpoint and its CLIP become one file that gives the released probabilities, and says what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import released
from par_model.attributes import load_schema
from par_model.errors import UsageError, WeightsError
from par_model.model.config import INTERACTION_MAPS
from par_model.model.openpar import import_openpar
from par_model.model.stage import RecogniseStage
from par_model.model.weights import load_weights, read_header
from par_model.types import Crops, Prediction, Preprocess
from tests import released_weights as rule
from tests.model.test_backbone import Bomb
from tests.released_weights import small_par_shapes

State = dict[str, Tensor]


def write_clip(path: Path, clip: State) -> str:
    torch.save(clip, path)
    return str(path)


def write_checkpoint(path: Path, par: State, clip: State, **extra: Any) -> str:
    tower = {
        f"clip_visual_extractor.{name.removeprefix('visual.').removeprefix('transformer.')}": tensor
        for name, tensor in clip.items()
        if name.startswith("visual.") and not name.startswith(("visual.ln_post", "visual.proj"))
    }
    torch.save({"epoch": 30, "model_state_dict": par | tower | extra}, path)
    return str(path)


@pytest.fixture(scope="module")
def clip() -> State:
    return rule.by_rule("clip", rule.small_clip_shapes())


@pytest.fixture(scope="module")
def par() -> State:
    return rule.by_rule("par", small_par_shapes(width=144))


@pytest.fixture
def clip_file(tmp_path: Path, clip: State) -> str:
    return write_clip(tmp_path / "clip.pt", clip)


def stills(row: int, size: int) -> Crops:
    pixels = np.random.default_rng(row).integers(0, 256, (6, size, size, 3), dtype=np.uint8)
    order = np.arange(6, dtype=np.int32)
    return Crops(row=row, tracklet_id=str(row), num_frames=6, sampled_frames=order, pixels=pixels)


def released_probabilities(clip: State, par: State, tracklets: list[Crops]) -> Tensor:
    """ToTensor, Normalize with 0.5, the released network, sigmoid."""
    frames = torch.stack([torch.from_numpy(crops.pixels) for crops in tracklets]).permute(0, 1, 4, 2, 3)
    frames, maps = (frames / 255 - 0.5) / 0.5, released.MAPS[2]
    with torch.no_grad():
        found = released.forward(clip, par, frames, rule.padded_tokens(), spatial_map=maps, temporal_map=maps)
    return torch.sigmoid(found["logits"])


def check_probabilities(tmp_path: Path, clip: State, par: State, size: int) -> None:
    output = str(tmp_path / "w.safetensors")
    clip_file = write_clip(tmp_path / "clip.pt", clip)
    notes = import_openpar(
        output,
        checkpoint=write_checkpoint(tmp_path / "released.pth", par, clip),
        clip=clip_file,
        schema=load_schema("mars"),
    )
    assert all("map 2" in note for note in notes)
    tracklets = [stills(row, size) for row in range(2)]
    outcomes = RecogniseStage(output, device="cpu", batch_size=2)(tracklets)
    expected = released_probabilities(clip, par, tracklets)
    for outcome, row in zip(outcomes, expected, strict=True):
        assert isinstance(outcome, Prediction)
        np.testing.assert_allclose(outcome.scores, row, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 1e-2


def test_stills_give_the_released_probabilities(tmp_path: Path, clip: State, par: State) -> None:
    check_probabilities(tmp_path, clip, par, 32)


@pytest.mark.slow
def test_stills_give_the_released_probabilities_at_full_size(tmp_path: Path) -> None:
    clip = rule.by_rule("clip", rule.clip_shapes())
    check_probabilities(tmp_path, clip, rule.by_rule("par", rule.par_shapes()), 224)


def test_the_file_says_what_it_is(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    output = str(tmp_path / "w.safetensors")
    checkpoint = write_checkpoint(tmp_path / "released.pth", par, clip)
    import_openpar(output, checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    header = read_header(output)
    config = header.config
    assert (config.backbone.activation, config.sides, config.frames) == ("quickgelu", "both", 6)
    assert (config.spatial_width, config.temporal_width, config.fusion_width) == (144, 144, 144)
    assert config.spatial_map == config.temporal_map == INTERACTION_MAPS[2]
    assert (config.max_frames, config.num_classes) == (8, 43)
    assert header.preprocess == Preprocess(height=32, width=32, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
    assert header.schema.name == "mars"
    recogniser, _ = load_weights(output)
    phrases = released.text_features(clip, rule.padded_tokens())
    assert (recogniser.text_features - phrases).abs().max() < 2e-5
    carried = {name.removeprefix("unused.") for name in header.shapes if name.startswith("unused.")}
    assert {"w_temporal", "visual_embed.weight", "spatial_sidenet.vit_model.blocks.7.norm1.weight"} <= carried
    assert "crossframe_sidenet.projection_layers.4.bias" in carried


def test_what_the_tensors_tell_is_inferred(tmp_path: Path, clip: State, clip_file: str) -> None:
    shapes = small_par_shapes(width=256, targets=tuple(range(8)), streams=3, frames=4, mlp=("spatial", "temporal"))
    checkpoint = write_checkpoint(tmp_path / "r.pth", rule.by_rule("par", shapes), clip)
    output = str(tmp_path / "w")
    import_openpar(output, checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    config = read_header(output).config
    assert (config.spatial_map, config.temporal_map) == (INTERACTION_MAPS[7], INTERACTION_MAPS[4])
    assert (config.spatial_aggregation, config.temporal_aggregation) == ("mlp", "mlp")
    assert (config.frames, config.exact_frames, config.spatial_width) == (4, 4, 256)
    off = {name: shape for name, shape in shapes.items() if not name.startswith(("spatial_sidenet", "spatial_feat"))}
    checkpoint = write_checkpoint(tmp_path / "r.pth", rule.by_rule("par", off), clip)
    import_openpar(output, checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"), frames=5)
    config = read_header(output).config
    assert (config.sides, config.frames) == ("temporal", 5)


def test_what_they_do_not_tell_is_given(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    checkpoint, output = write_checkpoint(tmp_path / "r.pth", par, clip), str(tmp_path / "w")
    pairs = ((1, 0), (2, 1), (3, 2), (4, 3), (12, 4))
    import_openpar(
        output,
        checkpoint=checkpoint,
        clip=clip_file,
        schema=load_schema("mars"),
        spatial_map=INTERACTION_MAPS[1],
        temporal_map=pairs,
        frames=8,
    )
    config = read_header(output).config
    assert (config.spatial_map, config.temporal_map, config.frames) == (INTERACTION_MAPS[1], pairs, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_map": INTERACTION_MAPS[7]}, r"--spatial-map 7 does not fit.*side positions 0, 1, 2, 3, 4"),
        ({"temporal_map": INTERACTION_MAPS[4]}, r"--temporal-map 4 does not fit.*5 streams"),
        ({"frames": 9}, "at most 8"),
        ({"schema": load_schema("duke")}, r"36 classes, the checkpoint 43"),
    ],
)
def test_options_that_contradict_the_tensors(
    tmp_path: Path, clip: State, par: State, clip_file: str, options: dict[str, Any], message: str
) -> None:
    checkpoint = write_checkpoint(tmp_path / "r.pth", par, clip)
    arguments: dict[str, Any] = {"schema": load_schema("mars")} | options
    with pytest.raises(UsageError, match=message):
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=clip_file, **arguments)
    assert not (tmp_path / "w").exists()


def test_missing_tensors_are_listed(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    less = {name: t for name, t in par.items() if name not in ("weight_layer.7.bias", "norm.weight")}
    checkpoint = write_checkpoint(tmp_path / "r.pth", less, clip)
    with pytest.raises(WeightsError, match=r"lacks 2 tensors.*fusion\.norm\.weight, heads\.bias"):
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))


def test_unknown_tensors_are_listed_and_kept(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    checkpoint = write_checkpoint(tmp_path / "r.pth", par, clip, **{"extra.weight": torch.ones(2)})
    output = str(tmp_path / "w")
    notes = import_openpar(output, checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    assert "1 unknown tensors, kept but not used: extra.weight" in notes
    assert read_header(output).shapes["unused.extra.weight"] == (2,)
    load_weights(output)


def test_tensors_of_another_shape_are_named(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    checkpoint = write_checkpoint(tmp_path / "r.pth", par | {"norm.weight": torch.ones(7)}, clip)
    with pytest.raises(WeightsError, match=r"first fusion\.norm\.weight: \[7\] instead of \[144\]"):
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))


def test_another_clip_is_noticed(tmp_path: Path, clip: State, par: State) -> None:
    checkpoint, output = write_checkpoint(tmp_path / "r.pth", par, clip), str(tmp_path / "w")
    other = {name: t + 1 if name == "visual.conv1.weight" else t for name, t in clip.items()}
    file = write_clip(tmp_path / "other.pt", other)
    notes = import_openpar(output, checkpoint=checkpoint, clip=file, schema=load_schema("mars"))
    assert any("differs from --clip by up to 1" in note for note in notes)
    assert torch.equal(load_weights(output)[0].backbone.conv1.weight, clip["visual.conv1.weight"])
    wide = write_clip(tmp_path / "wide.pt", rule.by_rule("clip", rule.small_clip_shapes(width=128)))
    with pytest.raises(WeightsError, match="not that of --clip"):
        import_openpar(output, checkpoint=checkpoint, clip=wide, schema=load_schema("mars"))


@pytest.mark.parametrize(
    ("content", "message"),
    [({"weights": 1}, "model_state_dict"), ({"model_state_dict": {"a": torch.ones(1)}}, "not a VTFPAR")],
)
def test_what_is_no_checkpoint(tmp_path: Path, clip_file: str, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "r.pth")
    with pytest.raises(WeightsError, match=message):
        import_openpar(
            str(tmp_path / "w"), checkpoint=str(tmp_path / "r.pth"), clip=clip_file, schema=load_schema("mars")
        )


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, clip_file: str) -> None:
    torch.save({"model_state_dict": Bomb(tmp_path / "ran")}, tmp_path / "r.pth")
    with pytest.raises(WeightsError, match="tensors only"):
        import_openpar(
            str(tmp_path / "w"), checkpoint=str(tmp_path / "r.pth"), clip=clip_file, schema=load_schema("mars")
        )
    assert not (tmp_path / "ran").exists()


def test_clips_by_name_are_openais(tmp_path: Path, par: State, clip: State, monkeypatch: pytest.MonkeyPatch) -> None:
    from par_model.model import backbone

    asked = []

    def remember(name: str, pretrained: str) -> None:
        asked.append((name, pretrained))
        raise WeightsError("offline")

    monkeypatch.setattr(backbone, "load_clip", remember)
    checkpoint = write_checkpoint(tmp_path / "r.pth", par, clip)
    for name in ("ViT-B-16", "ViT-B/32", "ViT-B-16:laion2b_s34b_b88k"):
        with pytest.raises(WeightsError, match="offline"):
            import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=name, schema=load_schema("mars"))
    assert asked == [
        ("ViT-B-16-quickgelu", "openai"),
        ("ViT-B-32-quickgelu", "openai"),
        ("ViT-B-16-quickgelu", "laion2b_s34b_b88k"),
    ]
    with pytest.raises(WeightsError, match="neither a file nor an open_clip name"):
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip="nothing.pt", schema=load_schema("mars"))
