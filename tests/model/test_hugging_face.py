"""CLIP as Hugging Face keeps it: folder, file or shards become the tensors, activation and size that they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from par_model.errors import WeightsError
from par_model.model.backbone import load_clip, load_openai_clip
from tests.model.test_backbone import tower_of
from tests.small_clip import SETTINGS, small_clip

VISION, TEXT = SETTINGS["vision_cfg"], SETTINGS["text_cfg"]
CONFIG: dict[str, Any] = {
    "model_type": "clip",
    "projection_dim": SETTINGS["embed_dim"],
    "vision_config": {
        "hidden_size": VISION["width"],
        "intermediate_size": 4 * VISION["width"],
        "num_hidden_layers": VISION["layers"],
        "num_attention_heads": VISION["width"] // VISION["head_width"],
        "image_size": VISION["image_size"],
        "patch_size": VISION["patch_size"],
        "hidden_act": "gelu",
    },
    "text_config": {
        "hidden_size": TEXT["width"],
        "intermediate_size": 4 * TEXT["width"],
        "num_hidden_layers": TEXT["layers"],
        "num_attention_heads": TEXT["heads"],
        "hidden_act": "gelu",
    },
}
NAMES = (
    (r"^visual\.class_embedding", "vision_model.embeddings.class_embedding"),
    (r"^visual\.conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual\.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    (r"^visual\.ln_pre", "vision_model.pre_layrnorm"),
    (r"^visual\.ln_post", "vision_model.post_layernorm"),
    (r"^visual\.transformer\.resblocks", "vision_model.encoder.layers"),
    (r"^visual\.proj", "visual_projection.weight"),
    (r"^token_embedding", "text_model.embeddings.token_embedding"),
    (r"^positional_embedding", "text_model.embeddings.position_embedding.weight"),
    (r"^transformer\.resblocks", "text_model.encoder.layers"),
    (r"^ln_final", "text_model.final_layer_norm"),
    (r"^text_projection", "text_projection.weight"),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def as_hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        theirs = name
        for old, new in NAMES:
            theirs = re.sub(old, new, theirs)
        if ".attn.in_proj_" in theirs:
            for which, part in zip("qkv", tensor.chunk(3), strict=True):
                found[theirs.replace(".attn.in_proj_", f".self_attn.{which}_proj.")] = part.clone()
        else:
            found[theirs] = tensor.T.contiguous() if theirs.endswith("projection.weight") else tensor
    return found | {"text_model.embeddings.position_ids": torch.arange(77)[None]}


STATE = as_hugging_face(small_clip().state_dict())


def write_folder(folder: Path, change: Callable[[dict[str, Any]], Any] = lambda config: None, shards: int = 1) -> Path:
    """A model's folder. change: what is done to its configuration."""
    folder.mkdir(exist_ok=True)
    config = json.loads(json.dumps(CONFIG))
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    if shards == 1:
        save_file(STATE, folder / "model.safetensors")
        return folder
    names = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    where = {tensor: names[i % shards] for i, tensor in enumerate(STATE)}
    for name in names:
        save_file({t: STATE[t] for t in STATE if where[t] == name}, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder


@pytest.fixture
def backbone(tmp_path: Path) -> str:
    (tmp_path / "small.json").write_text(json.dumps(SETTINGS | {"quick_gelu": True}))
    return str(tmp_path / "small.json")


@pytest.mark.parametrize(
    ("shards", "given"),
    [
        (1, "."),
        (1, "model.safetensors"),
        (3, "."),
        (3, "model.safetensors.index.json"),
        (3, "model-00002-of-00003.safetensors"),
    ],
)
def test_a_folder_a_file_and_shards_are_the_same_model(shards: int, given: str, tmp_path: Path, backbone: str) -> None:
    folder = write_folder(tmp_path / "hf", shards=shards)
    clip, expected = load_clip(backbone, str(folder / given)), small_clip()
    assert clip.config.activation == "gelu", "config.json's, not the backbone's"
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        _, embedding = tower_of(clip)(images, [4], embed=True)
        assert embedding is not None
        assert (embedding - expected.encode_image(images)).abs().max() < 1e-4
        texts = expected.encode_text(clip.tokenizer(["a hat", "a person in red"]))
    assert torch.equal(clip.encode_texts(["a hat", "a person in red"]), texts)
    assert clip.logit_scale == 2.5


def test_a_pickle_with_a_prefix_is_taken_too(tmp_path: Path, backbone: str) -> None:
    folder = write_folder(tmp_path / "hf")
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": {f"model.clip.{n}": t for n, t in STATE.items()}}, folder / "pytorch_model.bin")
    assert torch.equal(load_clip(backbone, str(folder)).tower["proj"], small_clip().visual.proj)


@pytest.mark.parametrize(
    ("act", "activation"),
    [("quick_gelu", "quickgelu"), ("gelu", "gelu"), ("gelu_pytorch_tanh", "gelu_tanh")],
)
def test_the_activation_is_that_of_config_json(act: str, activation: str, tmp_path: Path, backbone: str) -> None:
    def change(config: dict[str, Any]) -> None:
        config["vision_config"]["hidden_act"] = config["text_config"]["hidden_act"] = act

    assert load_clip(backbone, str(write_folder(tmp_path / "hf", change))).config.activation == activation


def test_image_size_eps_and_statistics_are_the_models_own(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["vision_config"]["layer_norm_eps"] = 1e-3

    wider = SETTINGS | {"vision_cfg": VISION | {"image_size": 64}}
    (tmp_path / "wide.json").write_text(json.dumps(wider))
    folder = write_folder(tmp_path / "hf", change)
    said = {"image_mean": [0.5, 0.25, 0.125], "image_std": [0.5, 0.5, 1]}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    clip = load_clip(str(tmp_path / "wide.json"), str(folder))
    assert (clip.config.image_height, clip.config.image_width, clip.config.name) == (32, 32, "wide")
    assert clip.config.norm_eps == 1e-3
    assert (clip.mean, clip.std) == ((0.5, 0.25, 0.125), (0.5, 0.5, 1))


def other(part: str, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config[part].update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.update(model_type="siglip"), "config.json says model_type 'siglip': only 'clip'"),
        (
            other("vision_config", "hidden_act", "silu"),
            "says the activations silu and gelu: both must be one of quick_",
        ),
        (other("text_config", "hidden_act", "quick_gelu"), "says the activations gelu and quick_gelu: both must be"),
        (
            other("vision_config", "patch_size", 16),
            r"16 for patch_size of vision_cfg.* backbone .*small\.json has 8: name the file's own model",
        ),
        (
            other("text_config", "vocab_size", 1000),
            r"1000 for vocab_size of text_cfg.* has 49408: name the file's own model as --backbone",
        ),
        (other("vision_config", "num_hidden_layers", 5), r"5 for layers of vision_cfg"),
        (
            other("vision_config", "hidden_size", None),
            "None for hidden_size of vision_config, which is no whole number",
        ),
        (other("vision_config", "num_attention_heads", 0), "0 for num_attention_heads of vision_config, which is no"),
        (other("vision_config", "num_attention_heads", True), "True for num_attention_heads of vision_config"),
        (other("vision_config", "num_attention_heads", 20), "20 heads for vision_config, which do not divide 32"),
        (
            other("text_config", "layer_norm_eps", "x"),
            "'x' for layer_norm_eps of text_config, which is no number above 0",
        ),
        (
            other("vision_config", "layer_norm_eps", float("nan")),
            "nan for layer_norm_eps of vision_config, which is no",
        ),
        (other("text_config", "hidden_act", ["gelu"]), r"\['gelu'\] for hidden_act of text_config, which is no name"),
        (lambda config: config.update(projection_dim="x"), "'x' for projection_dim, which is no whole number above 0"),
        (lambda config: config.update(vision_config=[1]), r"vision_config of config\.json is no JSON object"),
    ],
)
def test_what_is_another_network_is_said(change: Any, message: str, tmp_path: Path, backbone: str) -> None:
    with pytest.raises(WeightsError, match=message):
        load_clip(backbone, str(write_folder(tmp_path / "hf", change)))


@pytest.mark.parametrize(
    ("gone", "given", "message"),
    [
        ("config.json", "model.safetensors.index.json", "its config.json, which says the activation, is not beside it"),
        ("model-00002-of-00003.safetensors", ".", "names the shard 'model-00002-of-00003.safetensors', which is not"),
        ("model.safetensors.index.json", "model-00001-of-00003.safetensors", "one of several shards, and model.safe"),
        ("model.safetensors.index.json", ".", "a folder without weights; looked for model.safetensors, "),
    ],
)
def test_what_is_missing_is_named(gone: str, given: str, message: str, tmp_path: Path, backbone: str) -> None:
    folder = write_folder(tmp_path / "hf", shards=3)
    (folder / gone).unlink()
    with pytest.raises(WeightsError, match=re.escape(message)):
        load_clip(backbone, str(folder / given))


@pytest.mark.parametrize(
    "index",
    [
        *("{}", "[]", "{", "[" * 100_000),
        *(json.dumps({"weight_map": {"a": name}}) for name in ("../model.safetensors", 5, "..", ".", "", "~root", "/")),
    ],
    ids=lambda index: index[:40],
)
def test_an_index_that_makes_no_sense(index: str, tmp_path: Path, backbone: str) -> None:
    folder = write_folder(tmp_path / "hf", shards=2)
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(WeightsError, match=r"index\.json (is no index of shards|names the shard)"):
        load_clip(backbone, str(folder))


def test_a_shard_that_lacks_a_tensor_is_named(tmp_path: Path, backbone: str) -> None:
    folder = write_folder(tmp_path / "hf")
    lost = "vision_model.encoder.layers.1.self_attn.v_proj.bias"
    save_file({name: tensor for name, tensor in STATE.items() if name != lost}, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=f"tensor {lost} is missing"):
        load_clip(backbone, str(folder))


def test_released_checkpoints_want_quickgelu(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="another activation than quick_gelu"):
        load_openai_clip(str(write_folder(tmp_path / "hf")))

    def change(config: dict[str, Any]) -> None:
        config["vision_config"]["hidden_act"] = config["text_config"]["hidden_act"] = "quick_gelu"

    clip = load_openai_clip(str(write_folder(tmp_path / "hf", change)))
    assert (clip.config.activation, clip.config.layers, clip.config.heads) == ("quickgelu", 4, 4)
    assert torch.equal(clip.tower["proj"], small_clip().visual.proj)


@pytest.mark.slow
@pytest.mark.parametrize("act", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("shard", ["50GB", "100KB"])
def test_outputs_are_those_of_transformers(act: str, shard: str, tmp_path: Path, backbone: str) -> None:
    """The model, its files and its answers are all its own program's; weights are random."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install -e .[dev]")
    config = json.loads(json.dumps(CONFIG))
    config["vision_config"]["hidden_act"] = config["text_config"]["hidden_act"] = act
    torch.manual_seed(5)
    theirs = transformers.CLIPModel(transformers.CLIPConfig(**config)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size=shard)
    assert (tmp_path / "theirs" / "model.safetensors.index.json").exists() == (shard == "100KB")
    clip = load_clip(backbone, str(tmp_path / "theirs"))
    images, texts = torch.randn(3, 3, 32, 32), ["a hat", "a person who wears a hat", "red"]
    tokens = clip.tokenizer(texts)
    with torch.no_grad():
        vision = theirs.vision_model(pixel_values=images).pooler_output
        pictures = theirs.visual_projection(vision)
        words = theirs.text_projection(theirs.text_model(input_ids=tokens).pooler_output)
        _, embedding = tower_of(clip)(images, [4], embed=True)
    assert embedding is not None
    assert pictures.std() > 0.1
    assert (embedding - pictures).abs().max() < 1e-4
    assert (clip.encode_texts(texts) - words).abs().max() < 1e-4
