"""A released checkpoint and its CLIP become one file that gives the released probabilities, and says what it lacks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from benchmarks import released
from par_model.attributes import load_schema
from par_model.errors import UsageError, WeightsError
from par_model.manifest.write import write_manifest
from par_model.model.config import INTERACTION_MAPS
from par_model.model.openpar import convert_released, import_openpar
from par_model.model.stage import RecogniseStage
from par_model.model.weights import load_weights, read_header
from par_model.types import Crops, Prediction, Preprocess
from tests import released_weights as rule
from tests.cli.test_infer import parjob
from tests.model.test_backbone import Bomb
from tests.model.test_recogniser_released import BACKBONE, tower_of
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
    scores = infer_from_files(tmp_path, output, tracklets)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def infer_from_files(folder: Path, weights: str, tracklets: list[Crops]) -> list[list[float]]:
    """Scores [B, C] in the table that ``parjob infer`` makes of the same pixels as PNG files."""
    rows = []
    for crops in tracklets:
        uris = [str(folder / f"{crops.tracklet_id}-{k}.png") for k in range(len(crops.pixels))]
        for uri, pixels in zip(uris, crops.pixels, strict=True):
            Image.fromarray(pixels).save(uri)
        rows.append({"tracklet_id": crops.tracklet_id, "image_uris": uris})
    write_manifest(str(folder / "m.parquet"), rows)
    asked = ("--manifest", folder / "m.parquet", "--weights", weights, "--output", folder / "out", "--device", "cpu")
    assert parjob("infer", "--no-ray", *asked) == 0
    return [list(row.values()) for row in pq.read_table(folder / "out" / "attributes")["scores"].to_pylist()]


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
    with pytest.raises(WeightsError, match=r"lacks 2 tensors.*weight_layer\.7\.bias, fusion\.norm\.weight"):
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))


def test_unknown_tensors_are_listed_and_kept(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    checkpoint = write_checkpoint(tmp_path / "r.pth", par, clip, **{"extra.weight": torch.ones(2)})
    output = str(tmp_path / "w")
    notes = import_openpar(output, checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    assert "1 unknown tensors, kept but not used: extra.weight" in notes
    assert read_header(output).shapes["unused.extra.weight"] == (2,)
    load_weights(output)


def test_nothing_of_a_checkpoint_is_dropped(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    """What is beyond what a released network has is carried and listed; so are names that are ours alone."""
    surplus = {
        "weight_layer.43.weight": torch.ones(1, 144),
        "crossframe_sidenet.fusion_layers.layer_9.ln.bias": torch.ones(64),
        "spatial_sidenet.fusion_layers.layer_9.input_proj.0.bias": torch.ones(64),
        "spatial_sidenet.vit_model.blocks.9.norm1.bias": torch.ones(144),
        "crossframe_sidenet.vit_model.blocks.9.norm1.bias": torch.ones(144),
        "blocks.3.norm1.weight": torch.ones(144),
        "heads.bias": torch.ones(43),
        "clip_visual_extractor.head.bias": torch.ones(3),
        "clip_visual_extractor.resblocks.12.ln_1.bias": torch.ones(64),
        "clip_visual_extractor.resblocks.1.ls_1.gamma": torch.ones(64),
    }
    checkpoint, output = write_checkpoint(tmp_path / "r.pth", par, clip, **surplus), str(tmp_path / "w")
    notes = import_openpar(output, checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    listed = next(note for note in notes if "unknown tensors" in note)
    assert listed.startswith("10 unknown tensors, kept but not used: ")
    assert set(listed.partition(": ")[2].split(", ")) == surplus.keys()
    recogniser, header = load_weights(output)
    assert {name: header.shapes[f"unused.{name}"] for name in surplus} == {
        n: tuple(t.shape) for n, t in surplus.items()
    }
    assert torch.equal(recogniser.fusion.block.norm1.weight, par["blocks.7.norm1.weight"])
    assert torch.equal(recogniser.heads.bias, torch.cat([par[f"weight_layer.{i}.bias"] for i in range(43)]))


def test_one_frame_checkpoints_keep_their_later_frames_tensors(clip: State, par: State) -> None:
    """A temporal net of one block has no use for its streams' projections."""
    later = tuple(f"crossframe_sidenet.vit_model.blocks.{n}." for n in range(1, 8))
    less = {name: tensor for name, tensor in par.items() if not name.startswith(later)}
    openai = tower_of(clip)
    found = convert_released(less, tower=openai, backbone=BACKBONE, frames=1)
    layers = {name for name in par if name.startswith("crossframe_sidenet.fusion_layers.")}
    assert len(layers) == 20
    assert set(found.unknown) == layers <= found.unused.keys()


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("resblocks.3.mlp.c_fc.weight", r"lacks 1 tensors.*blocks\.3\.mlp\.fc1\.weight"),
        ("resblocks.", r"lacks 144 tensors.*blocks\.0\.attn.*blocks\.11\.norm2\.weight"),
        ("conv1.weight", r"lacks 1 tensors.*conv1\.weight"),
    ],
)
def test_a_tower_with_holes_is_refused(
    tmp_path: Path, clip: State, par: State, clip_file: str, lost: str, message: str
) -> None:
    """The CLIP file's tensors never stand in for those that the checkpoint was trained on."""
    checkpoint = write_checkpoint(tmp_path / "r.pth", par, clip)
    content = torch.load(checkpoint, weights_only=True)
    state = content["model_state_dict"]
    content["model_state_dict"] = {k: t for k, t in state.items() if not k.startswith(f"clip_visual_extractor.{lost}")}
    torch.save(content, checkpoint)
    with pytest.raises(WeightsError, match=message):
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("twice", ["module.norm.weight", "clip_visual_extractor.transformer.resblocks.0.ln_1.weight"])
def test_one_tensor_under_two_names_is_refused(
    tmp_path: Path, clip: State, par: State, clip_file: str, twice: str
) -> None:
    checkpoint = write_checkpoint(tmp_path / "r.pth", par, clip, **{twice: torch.ones(144)})
    with pytest.raises(WeightsError, match=rf"one tensor twice: .* and {twice} are both"):
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))


def test_tensors_that_share_memory_are_carried(tmp_path: Path, clip: State, par: State, clip_file: str) -> None:
    both = torch.arange(6.0).reshape(2, 3)
    shared = {"extra.one": both, "extra.two": both, "extra.three": both.T, "w_temporal": both[0, :1]}
    checkpoint, output = write_checkpoint(tmp_path / "r.pth", par | shared, clip), str(tmp_path / "w")
    import_openpar(output, checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    carried = safetensors.torch.load_file(output)
    assert all(torch.equal(carried[f"unused.{name}"], tensor) for name, tensor in shared.items())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("norm.weight", torch.ones(7), r"\[7\] instead of \[144\]"),
        ("norm.weight", torch.ones(144).long(), r"torch\.int64 instead of torch\.float32"),
        ("norm.weight", [1.0] * 144, "is a list, not a tensor"),
        ("extra.weight", torch.ones(3, dtype=torch.complex64), r"of a kind that no network here has: torch\.complex64"),
        ("extra.weight", None, "is a NoneType, not a tensor"),
        ("blocks.7.mlp.fc1.weight", torch.ones(144, 576), r"\[144, 576\] instead of \[576, 144\]"),
        ("bn.weight", torch.tensor(1.0), r"\[\] instead of classes"),
        ("bn.weight", torch.ones(36), r"bn\.bias .*\[43\] instead of \[36\]"),
        ("word_embed.weight", torch.ones(144), r"\[144\] instead of width x text features"),
        ("weight_layer.7.weight", torch.ones(1, 143), r"\[1, 143\] instead of \[1, 144\]"),
        ("weight_layer.7.bias", torch.ones(2), r"\[2\] instead of \[1\]"),
        ("spatial_sidenet.cls_embed", torch.tensor(0.5), r"\[\] instead of 1 x 1 x width"),
        ("spatial_sidenet.cls_pos_embed", torch.tensor(0.5), r"\[\] instead of \[1, 144\]"),
        ("crossframe_sidenet.cls_pos_embed", torch.ones(1, 1, 9), r"\[1, 1, 9\] instead of \[1, 144\]"),
        ("crossframe_sidenet.vit_model.pos_embed", torch.ones(1, 9, 144), r"\[1, 9, 144\] instead of \[16, 144\]"),
        ("crossframe_sidenet.fusion_layers.layer_2.ln.weight", torch.ones(3), r"\[3\] instead of \[1, 64\]"),
        ("spatial_feat_aggregation.weight", torch.ones(6), r"\[6\] instead of 1 x frames x 1"),
        ("spatial_feat_aggregation.weight", torch.ones(2, 6, 1), r"\[2, 6, 1\] instead of \[6\]"),
    ],
)
def test_odd_tensors_are_named(
    tmp_path: Path, clip: State, par: State, clip_file: str, name: str, value: Any, message: str
) -> None:
    extra = {"spatial_feat_aggregation.bias": torch.ones(1)} if name.startswith("spatial_feat") else {}
    checkpoint = write_checkpoint(tmp_path / "r.pth", par | {name: value} | extra, clip)
    with pytest.raises(WeightsError, match=message) as caught:
        import_openpar(str(tmp_path / "w"), checkpoint=checkpoint, clip=clip_file, schema=load_schema("mars"))
    assert message.startswith("bn") or str(caught.value).startswith(f"{name} of the checkpoint ")
    assert not (tmp_path / "w").exists()


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
    [
        ({"weights": 1}, "model_state_dict"),
        ({"model_state_dict": {"a": torch.ones(1)}}, "not a VTFPAR"),
        ({"model_state_dict": {3: torch.ones(1)}}, "tensor named 3"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, clip_file: str, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "r.pth")
    with pytest.raises(WeightsError, match=message):
        import_openpar(
            str(tmp_path / "w"), checkpoint=str(tmp_path / "r.pth"), clip=clip_file, schema=load_schema("mars")
        )


def test_a_number_of_numpys_beside_the_tensors_changes_nothing(
    tmp_path: Path, clip: State, par: State, clip_file: str
) -> None:
    checkpoint = write_checkpoint(tmp_path / "r.pth", par, clip)
    told = {"best": np.float64(0.93), "args": argparse.Namespace(lr=np.float32(1e-3))}
    torch.save(torch.load(checkpoint, weights_only=True) | told, tmp_path / "told.pth")
    for name in (checkpoint, str(tmp_path / "told.pth")):
        import_openpar(f"{name}.w", checkpoint=name, clip=clip_file, schema=load_schema("mars"))
    assert Path(f"{checkpoint}.w").read_bytes() == (tmp_path / "told.pth.w").read_bytes()


def test_a_pickled_network_is_refused_in_one_line(tmp_path: Path, clip_file: str) -> None:
    torch.save({"model_state_dict": torch.nn.Linear(2, 2)}, tmp_path / "r.pth")
    with pytest.raises(WeightsError) as caught:
        import_openpar(
            str(tmp_path / "w"), checkpoint=str(tmp_path / "r.pth"), clip=clip_file, schema=load_schema("mars")
        )
    assert str(caught.value).startswith(f"checkpoint {tmp_path}/r.pth: cannot be read as tensors only: it is, or holds")
    assert "torch.nn.modules.linear.Linear" in str(caught.value)
    assert not {"\x1b", "\n"} & set(str(caught.value))


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
