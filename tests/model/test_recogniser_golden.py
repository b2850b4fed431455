"""The recogniser computes what the released code computes: logits within 5e-6, what lies before them within 2e-5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import released
from par_model.attributes import load_schema
from par_model.model.backbone import Clip, load_openai_clip
from par_model.model.config import INTERACTION_MAPS, InteractionMap
from par_model.model.openpar import convert_released
from par_model.model.openpar_names import our_name
from par_model.model.recogniser import Recogniser
from par_model.model.tower import ImageTower
from par_model.training.loss import weighted_bce
from tests import released_weights as golden

FAST = ("T1", "default_B1")
SLOW = tuple(sorted(golden.facts()["configs"].keys() - set(FAST)))


@pytest.fixture(scope="session")
def clip_b16(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """CLIP ViT-B/16 by the golden rule, read back from a file as OpenAI's would be."""
    path = tmp_path_factory.mktemp("clip") / "ViT-B-16.pt"
    torch.save(golden.by_rule("clip", golden.clip_shapes()), path)
    clip = load_openai_clip(str(path))
    path.unlink()
    return clip


@pytest.fixture(scope="session")
def mars_features(clip_b16: Clip) -> Tensor:
    return clip_b16.encode_texts([c.released or "" for c in load_schema("mars").classes])


def map_of(configuration: str, side: str) -> InteractionMap:
    argv = golden.facts()["configs"][configuration]["argv"]
    option = f"--{side}_interact_map"
    return INTERACTION_MAPS[int(argv[argv.index(option) + 1])] if option in argv else INTERACTION_MAPS[2]


def released_recogniser(configuration: str, clip: Clip, features: Tensor) -> Recogniser:
    found = convert_released(
        golden.by_rule("par", golden.par_shapes(configuration)),
        tower=clip.tower,
        backbone=clip.config,
        spatial_map=map_of(configuration, "spatial"),
        temporal_map=map_of(configuration, "temporal"),
        frames=golden.facts()["configs"][configuration]["T"],
    )
    assert found.unknown == ()
    found.recogniser.text_features.copy_(features)
    return found.recogniser


def observe(recogniser: Recogniser) -> dict[str, Tensor]:
    """Fills itself, when the recogniser runs, with the values that the golden files name."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, of_input: bool = False) -> None:
        def hook(_: nn.Module, inputs: Any, output: Tensor) -> None:
            seen[name] = inputs[0] if of_input else output

        module.register_forward_hook(hook)

    if recogniser.config.has_spatial:
        keep("spatial_out", recogniser.spatial)
        keep("spatial_agg", recogniser.spatial_aggregation)
    if recogniser.config.has_temporal:
        keep("temporal_out", recogniser.temporal)
        keep("temporal_agg", recogniser.temporal_aggregation)
    keep("word_embed", recogniser.fusion.word_embed)
    keep("fusion_in", recogniser.fusion.block, of_input=True)
    keep("fusion_block_out", recogniser.fusion.block)
    keep("fused_tokens", recogniser.fusion.norm)
    keep("pre_bn", recogniser.heads)
    return seen


def largest_difference(found: Tensor, name: str, expected: NDArray[np.float32], rows: dict[str, Any]) -> float:
    if name == "word_embed":
        found = found[: len(expected)]
    elif name.endswith("_agg"):
        found = found[:, rows["rows_of_197"]]
    elif name.startswith("fus") and found.shape[1] != expected.shape[1]:
        found = found[:, rows["rows_of_240"]]
    assert tuple(found.shape) == expected.shape, name
    return float(np.abs(found.numpy() - expected).max())


def check_configuration(configuration: str, clip: Clip, features: Tensor) -> Recogniser:
    recogniser = released_recogniser(configuration, clip, features)
    expected = golden.numbers(configuration)
    seen = observe(recogniser)
    with torch.no_grad():
        logits = recogniser(golden.golden_frames(configuration))
    assert np.abs(logits.numpy() - expected["logits"]).max() < 5e-6
    assert np.abs(features[: len(expected["text_features"])].numpy() - expected["text_features"]).max() < 2e-5
    names = {"pre_bn", "spatial_agg", "temporal_agg", "fusion_in", "fusion_block_out", "fused_tokens", "word_embed"}
    for name in sorted(names & expected.keys()):
        assert largest_difference(seen[name], name, expected[name], expected) < 2e-5, name
    assert names - expected.keys() <= {"spatial_agg", "temporal_agg"}
    return recogniser


@pytest.mark.parametrize("configuration", FAST)
def test_configuration(configuration: str, clip_b16: Clip, mars_features: Tensor) -> None:
    check_configuration(configuration, clip_b16, mars_features)


@pytest.mark.slow
@pytest.mark.parametrize("configuration", SLOW)
def test_every_other_configuration(configuration: str, clip_b16: Clip, mars_features: Tensor) -> None:
    features = mars_features
    if golden.facts()["configs"][configuration]["words"] == "DUKE":
        features = clip_b16.encode_texts([c.released or "" for c in load_schema("duke").classes])
    check_configuration(configuration, clip_b16, features)


def test_every_tensor_by_the_rule_is_the_golden_one() -> None:
    """First value and float64 sum of all: without them, equal numbers further on could come from other weights."""
    for stated in (*golden.facts()["clip_tensors"], *golden.facts()["par_tensors_default"]):
        tensor = golden.tensor_by_rule(stated["name"], tuple(stated["shape"]))
        assert str(tensor.dtype) == f"torch.{stated['dtype']}", stated["name"]
        assert tuple(tensor.shape) == tuple(stated["shape"]), stated["name"]
        values = tensor.numpy()
        if stated.get("fill") == "zero (integer)":
            assert values == 0
            continue
        assert values.flat[0] == np.float32(stated["first"]), stated["name"]
        error = abs(values.sum(dtype=np.float64) - stated["sum64"])
        assert error <= 1e-12 * max(1.0, float(np.abs(values).sum(dtype=np.float64))), stated["name"]


def test_the_image_tower(clip_b16: Clip) -> None:
    """Patch tokens as they are returned, the class token, which nothing reads, as it leaves each block."""
    tower = ImageTower(clip_b16.config)
    tower.load_state_dict(clip_b16.tower, strict=True)
    tower.eval()
    class_tokens: list[Tensor] = []
    for module in (tower.ln_pre, *tower.blocks):
        module.register_forward_hook(lambda _, __, out: class_tokens.append(out[0, 0]))
    expected = golden.numbers("default")
    with torch.no_grad():
        maps, _ = tower(golden.golden_frames("default")[0, :1], range(13))
    assert len(class_tokens) == 13
    for k in range(13):
        assert np.abs(maps[k][0, :4].numpy() - expected[f"clip_{k:02}_img0"]).max() < 2e-5, k
        assert np.abs(class_tokens[k].numpy() - expected[f"clip_{k:02}_img0_cls"]).max() < 2e-5, k


@pytest.mark.slow
def test_both_side_networks_before_aggregation(clip_b16: Clip, mars_features: Tensor) -> None:
    recogniser = released_recogniser("default", clip_b16, mars_features)
    expected, seen, rows = golden.numbers("default"), observe(recogniser), [0, 1, 2, 3, 50, 100, 150, 196]
    frames = golden.golden_frames("default")
    with torch.no_grad():
        recogniser(frames)
    assert np.abs(seen["spatial_out"][[0, 11]][:, rows].numpy() - expected["spatial_out_img0_img11"]).max() < 2e-5
    assert np.abs(seen["temporal_out"][:, :, rows].numpy() - expected["temporal_out"]).max() < 2e-5


@pytest.mark.slow
def test_in_float64_the_logits_agree_to_rounding(clip_b16: Clip, mars_features: Tensor) -> None:
    tower = {name: t.double() for name, t in golden.by_rule("clip", golden.clip_shapes()).items()}
    features = released.text_features(tower, golden.padded_tokens())
    recogniser = released_recogniser("default", clip_b16, mars_features).double()
    recogniser.text_features.copy_(features)
    with torch.no_grad():
        logits = recogniser(golden.golden_frames("default").double())
    expected = golden.numbers("default_fp64_logits")["logits"]
    assert np.abs(logits.numpy() - expected).max() < 1e-10


@pytest.mark.slow
def test_loss_and_gradient_norms(clip_b16: Clip, mars_features: Tensor) -> None:
    recogniser, expected = released_recogniser("default", clip_b16, mars_features), golden.facts()["loss"]
    labels = torch.from_numpy((np.random.default_rng(1).random((2, 43)) < 0.3).astype(np.int8))
    ratios = torch.from_numpy(np.random.default_rng(2).random(43).astype(np.float32))
    loss = weighted_bce(recogniser(golden.golden_frames("default")), labels, ratios)
    assert abs(loss.item() / expected["loss_eval_mode"] - 1) < 1e-4
    loss.backward()
    norms = {name: gradient_norm(recogniser, name) for name in expected["grad_l2"]}
    assert {name for name, norm in norms.items() if norm is None} == {
        name for name, norm in expected["grad_l2"].items() if norm is None
    }
    for name, norm in norms.items():
        if norm is not None:
            assert abs(norm / expected["grad_l2"][name] - 1) < 1e-4, name
    assert all(p.grad is None for p in recogniser.backbone.parameters())


def gradient_norm(recogniser: Recogniser, released_name: str) -> float | None:
    """The L2 norm of the gradient of what a released tensor became here; None if it became nothing, or has none."""
    parameters = dict(recogniser.named_parameters())
    name: str | None
    side = "spatial" if released_name.startswith("spatial_sidenet.") else "temporal"
    number = next((int(part) for part in released_name.replace("_", ".").split(".") if part.isdecimal()), 0)
    kind = released_name.rpartition(".")[2]
    if released_name.endswith("cls_pos_embed"):
        name, part = f"{side}.positions", slice(0, 1)
    elif released_name.endswith("pos_embed"):
        name, part = f"{side}.positions", slice(1, None)
    elif released_name.endswith("cls_embed"):
        name, part = f"{side}.class_token", slice(None)
    elif released_name.startswith("weight_layer."):
        name, part = f"heads.{kind}", slice(number, number + 1)
    elif released_name.startswith("crossframe_sidenet.fusion_layers."):
        inner = "norm" if ".ln." in released_name else "proj"
        name, part = f"temporal.streams.{inner}_{kind}", slice(number, number + 1)
    else:
        name, part = our_name(released_name), slice(None)
    gradient = parameters[name].grad if name is not None and name in parameters else None
    return None if gradient is None else gradient[part].norm().item()


def test_the_norms_have_the_released_epsilons(clip_b16: Clip, mars_features: Tensor) -> None:
    recogniser = released_recogniser("T1", clip_b16, mars_features)
    by_part: dict[str, set[float]] = {}
    for name, module in recogniser.named_modules():
        if isinstance(module, nn.LayerNorm | nn.BatchNorm1d):
            by_part.setdefault(name.split(".")[0], set()).add(module.eps)
    assert by_part == {
        "backbone": {1e-5},
        "spatial": {1e-6},
        "temporal": {1e-6},
        "fusion": {1e-6},
        "bn": {1e-5},
    }
    from par_model.model.temporal import STREAM_EPS

    assert STREAM_EPS == 1e-5
    assert recogniser.bn.momentum == 0.1


def test_token_ids_of_the_released_phrases(clip_b16: Clip) -> None:
    for schema, words in (("mars", "MARS"), ("duke", "DUKE")):
        phrases = [c.released or "" for c in load_schema(schema).classes]
        assert phrases == golden.facts()[f"{schema}_words"]
        assert torch.equal(clip_b16.tokenizer(phrases), golden.padded_tokens(words))


def test_parameter_counts_of_the_released_model(clip_b16: Clip) -> None:
    """Ours and what we carry unused add up to the released count, less what the released tower lacks."""
    found = convert_released(
        golden.by_rule("par", golden.par_shapes("default")), tower=clip_b16.tower, backbone=clip_b16.config
    )
    ours = sum(p.numel() for p in found.recogniser.parameters())
    extra = sum(clip_b16.tower[name].numel() for name in ("ln_post.weight", "ln_post.bias", "proj"))
    unused = sum(t.numel() for t in found.unused.values())
    assert ours - extra + unused == golden.facts()["configs"]["default"]["params_model"]


def test_missing_golden_numbers_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(golden, "GOLDEN", tmp_path)
    with pytest.raises(FileNotFoundError):
        golden.numbers("default")
