"""CLIP by name, tag and file: the tower computes what open_clip's does; what does not fit is refused in one line."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import nn

from par_model.errors import StorageError, WeightsError
from par_model.model import backbone
from par_model.model.backbone import load_clip, load_openai_clip
from par_model.model.clip_file import read_clip_file
from par_model.model.tower import ImageTower

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
VISION = {"image_size": 64, "layers": 3, "width": 64, "head_width": 64, "patch_size": 16}


def write_config(path: Path, vision: dict[str, Any] | None = None, **more: Any) -> str:
    path.write_text(json.dumps({"embed_dim": 48, "vision_cfg": VISION | (vision or {}), "text_cfg": TEXT, **more}))
    return str(path)


@pytest.fixture
def config(tmp_path: Path) -> str:
    return write_config(tmp_path / "small.json")


def make_clip(quick_gelu: bool = False, seed: int = 3) -> Any:
    torch.manual_seed(seed)
    return open_clip.CLIP(48, VISION, TEXT, quick_gelu=quick_gelu).eval()


def tower_of(clip: backbone.Clip) -> ImageTower:
    tower = ImageTower(clip.config)
    tower.load_state_dict(clip.tower, strict=True)
    return tower.eval()


@pytest.mark.parametrize(
    ("vision", "more"),
    [
        ({}, {}),
        ({}, {"quick_gelu": True}),
        ({"act_kwargs": {"approximate": "tanh"}}, {}),
        ({"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}, {}),
        ({"ls_init_value": 0.3}, {}),
        ({"image_size": [64, 32], "mlp_ratio": 2.5, "head_width": 16, "norm_kwargs": {"eps": 1e-3}}, {}),
    ],
)
def test_the_tower_is_open_clips(tmp_path: Path, vision: dict[str, Any], more: dict[str, Any]) -> None:
    clip = load_clip(write_config(tmp_path / "c.json", vision, **more), seed=1)
    images = torch.randn(2, 3, clip.config.image_height, clip.config.image_width)
    with torch.no_grad():
        expected = clip.model.visual.forward_intermediates(images, output_fmt="NLC")  # type: ignore[operator,union-attr]
        maps, embedding = tower_of(clip)(images, range(4), embed=True)
    assert embedding is not None
    for k, tokens in enumerate(expected["image_intermediates"], start=1):
        assert (maps[k] - tokens).abs().max() < 2e-5, k
    assert (embedding - expected["image_features"]).abs().max() < 1e-5


def test_a_tower_by_open_clip_name() -> None:
    clip = load_clip("ViT-B-32-quickgelu")
    assert clip.pretrained is None
    assert (clip.config.width, clip.config.layers, clip.config.heads, clip.config.embed_dim) == (768, 12, 12, 512)
    assert clip.config.activation == "quickgelu"
    assert clip.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        _, embedding = tower_of(clip)(images, [12], embed=True)
        assert (embedding - clip.model.encode_image(images)).abs().max() < 1e-5  # type: ignore[operator]


def test_the_tower_stops_at_the_highest_map_that_is_read(config: str) -> None:
    tower, run = tower_of(load_clip(config)), []
    for k, block in enumerate(tower.blocks, start=1):
        block.register_forward_hook(lambda *_, k=k: run.append(k))
    tower(torch.randn(1, 3, 64, 64), [0, 2])
    assert run == [1, 2]


def test_text_features_are_encode_texts_without_normalisation(config: str) -> None:
    clip = load_clip(config)
    tokens = open_clip.SimpleTokenizer()(["a hat", "a person who wears a hat"])
    with torch.no_grad():
        assert torch.equal(clip.encode_texts(["a hat", "a person who wears a hat"]), clip.model.encode_text(tokens))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("preprocess", "mean", "std"),
    [
        ({"mean": [0.5, 0.4, 0], "std": [0.1, 0.2, 1], "resize_mode": "squash"}, (0.5, 0.4, 0), (0.1, 0.2, 1)),
        ({"mean": [0.5, 0.4, 0.3], "std": None}, (0.5, 0.4, 0.3), open_clip.OPENAI_DATASET_STD),
        ({}, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD),
        (None, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD),
    ],
)
def test_pixel_statistics_beside_a_configuration(
    tmp_path: Path, config: str, preprocess: Any, mean: Any, std: Any
) -> None:
    both = {"model_cfg": json.loads(Path(config).read_text()), "preprocess_cfg": preprocess}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(both))
    clip = load_clip(str(tmp_path / "open_clip_config.json"), image_size=(32, 32))
    assert (clip.mean, clip.std) == (tuple(mean), tuple(std))
    assert clip.config.width == 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "needs embed_dim, vision_cfg and text_cfg"),
        ({"model_cfg": [1]}, "needs embed_dim, vision_cfg and text_cfg"),
        ({"embed_dim": 48, "vision_cfg": [1], "text_cfg": TEXT}, r"vision_cfg must be an object, got \[1\]"),
        ({"embed_dim": 48, "vision_cfg": VISION, "text_cfg": 5}, "text_cfg must be an object, got 5"),
        ({"embed_dim": None, "vision_cfg": VISION, "text_cfg": TEXT}, "open_clip cannot build it"),
        ({"preprocess_cfg": [0.5]}, r"preprocess_cfg must be an object, got \[0.5\]"),
        ({"preprocess_cfg": {"mean": 0.5}}, "mean must be three numbers, got 0.5"),
        ({"preprocess_cfg": {"mean": ["a", "b", "c"]}}, "mean must be three numbers, got"),
        ({"preprocess_cfg": {"std": [1, 1]}}, "std must be three numbers, all above 0, got"),
        ({"preprocess_cfg": {"std": [1, 1, 0]}}, "std must be three numbers, all above 0, got"),
    ],
)
def test_configurations_that_make_no_sense(tmp_path: Path, config: str, content: Any, message: str) -> None:
    if isinstance(content, dict) and "preprocess_cfg" in content:
        content = {"model_cfg": json.loads(Path(config).read_text()), **content}
    (tmp_path / "odd.json").write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=rf"backbone .*odd\.json: {message}") as caught:
        load_clip(str(tmp_path / "odd.json"))
    assert "\n" not in str(caught.value)


def test_the_seed_makes_the_weights(config: str) -> None:
    one, same, other = (load_clip(config, seed=seed).tower["proj"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_positions_are_resized_to_a_rectangle_as_open_clip_does(config: str) -> None:
    small = load_clip(config, seed=4)
    tall = load_clip(config, seed=4, image_size=(96, 32))
    assert (tall.config.image_height, tall.config.image_width, tall.config.grid) == (96, 32, (6, 2))
    model = open_clip.CLIP(48, VISION | {"image_size": (96, 32)}, TEXT)
    state = dict(small.model.state_dict())
    open_clip.model.resize_pos_embed(state, model)
    assert torch.allclose(tall.tower["positional_embedding"], state["visual.positional_embedding"], atol=1e-6)
    with torch.no_grad():
        tower_of(tall)(torch.randn(1, 3, 96, 32), [3])


class TestFiles:
    """A file of each kind gives the same tensors; OpenAI's kinds force QuickGELU."""

    @pytest.mark.parametrize("kind", ["state", "nested", "module", "safetensors"])
    def test_open_clip_checkpoints_keep_the_backbones_activation(self, tmp_path: Path, config: str, kind: str) -> None:
        model, path = make_clip(), tmp_path / "clip.pt"
        state = model.state_dict()
        if kind == "safetensors":
            from safetensors.torch import save_file

            path = path.with_suffix(".safetensors")
            save_file(state, path)
        elif kind == "nested":
            torch.save({"epoch": 3, "state_dict": {f"module.{name}": t for name, t in state.items()}}, path)
        else:
            torch.save({f"module.{name}" if kind == "module" else name: t for name, t in state.items()}, path)
        clip = load_clip(config, str(path))
        assert clip.config.activation == "gelu"
        assert torch.equal(clip.tower["conv1.weight"], model.visual.conv1.weight)
        assert torch.equal(clip.encode_texts(["a hat"]), model.encode_text(clip.tokenizer(["a hat"])))

    @pytest.mark.parametrize("kind", ["torchscript", "state"])
    def test_openai_files_force_quickgelu(self, tmp_path: Path, config: str, kind: str) -> None:
        model, path = make_clip(quick_gelu=True), tmp_path / "openai.pt"
        if kind == "torchscript":
            save_torchscript(model, path)
        else:
            numbers = {name: torch.tensor(64) for name in ("input_resolution", "context_length", "vocab_size")}
            torch.save({name: t.half() for name, t in model.state_dict().items()} | numbers, path)
        clip = load_clip(config, str(path))
        assert clip.config.activation == "quickgelu"
        assert torch.equal(clip.tower["proj"], model.visual.proj.half().float())
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            _, embedding = tower_of(clip)(images, [3], embed=True)
            assert (embedding - model.encode_image(images)).abs().max() < (2e-2 if kind == "state" else 2e-3)

    def test_the_architecture_is_read_off_an_openai_file(self, tmp_path: Path) -> None:
        model, path = make_clip(quick_gelu=True), tmp_path / "openai.pt"
        save_torchscript(model, path)
        clip = load_openai_clip(str(path))
        config = clip.config
        assert (config.image_height, config.patch, config.width, config.layers, config.heads) == (64, 16, 64, 3, 1)
        assert (config.activation, config.embed_dim) == ("quickgelu", 48)

    def test_a_file_that_does_not_fit_names_the_first_difference(self, tmp_path: Path, config: str) -> None:
        state = make_clip().state_dict()
        path = tmp_path / "clip.pt"
        torch.save({name: t for name, t in state.items() if name != "visual.proj"}, path)
        with pytest.raises(WeightsError, match=r"1 tensors missing, 0 unknown, first missing visual\.proj"):
            load_clip(config, str(path))
        torch.save(state | {"visual.proj": torch.zeros(3)}, path)
        with pytest.raises(WeightsError, match=r"first visual\.proj: \[3\] in the file, \[64, 48\] in the backbone"):
            load_clip(config, str(path))

    def test_what_is_no_clip_file_is_refused(self, tmp_path: Path, config: str) -> None:
        path = tmp_path / "clip.pt"
        path.write_bytes(b"not a checkpoint")
        with pytest.raises(WeightsError, match="cannot be read as CLIP weights"):
            load_clip(config, str(path))
        torch.save([1, 2], path)
        with pytest.raises(WeightsError, match="no state dict"):
            load_clip(config, str(path))
        with pytest.raises(StorageError, match="no such file"):
            read_clip_file(str(tmp_path / "nothing.pt"))

    def test_code_in_a_pickle_does_not_run(self, tmp_path: Path, config: str) -> None:
        path = tmp_path / "clip.pt"
        torch.save({"state_dict": Bomb(tmp_path / "ran")}, path)
        with pytest.raises(WeightsError, match="cannot be read"):
            load_clip(config, str(path))
        assert not (tmp_path / "ran").exists()


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


class Holder(nn.Module):
    """Tensors under CLIP's names, scriptable."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def save_torchscript(model: nn.Module, path: Path) -> None:
    """As OpenAI publishes its models: an archive whose state dict has CLIP's names, and three numbers beside them."""
    root = Holder()
    for name, tensor in model.state_dict().items():
        *folders, leaf = name.split(".")
        module: nn.Module = root
        for folder in folders:
            if not hasattr(module, folder):
                module.add_module(folder, Holder())
            module = getattr(module, folder)
        half = tensor.half() if tensor.ndim > 1 else tensor
        module.register_parameter(leaf, nn.Parameter(half, requires_grad=False))
    for name in ("input_resolution", "context_length", "vocab_size"):
        root.register_buffer(name, torch.tensor(64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still what OpenAI's files are
        torch.jit.save(torch.jit.script(root), path)


class TestNamesAndTags:
    def test_unknown_names_get_a_hint(self) -> None:
        with pytest.raises(WeightsError, match="ViT-B-16"):
            load_clip("ViT-B16")
        with pytest.raises(WeightsError, match="plain ViT"):
            load_clip("RN50")
        with pytest.raises(WeightsError, match="timm_model_name"):
            load_clip("ViT-B-16-SigLIP")
        with pytest.raises(WeightsError, match="attentional_pool"):
            load_clip("coca_ViT-B-32")

    def test_a_tag_with_another_activation_is_refused(self) -> None:
        with pytest.raises(WeightsError, match=r"QuickGELU.*use ViT-B-16-quickgelu"):
            load_clip("ViT-B-16", "dfn2b")

    def test_unknown_tags_list_the_known_ones(self) -> None:
        with pytest.raises(WeightsError, match="openai, laion400m_e31"):
            load_clip("ViT-B-16", "laion9b")

    def test_the_openai_tag_forces_quickgelu(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "downloaded.pt"
        settings = open_clip.get_model_config("ViT-S-32")
        torch.save(open_clip.CLIP(**settings).state_dict(), path)
        tags = {"url": "", "hf_hub": "x", "quick_gelu": True, "mean": (0.1, 0.2, 0.3), "std": (1, 2, 3)}
        monkeypatch.setattr(backbone, "get_pretrained_cfg", lambda name, tag: tags)
        monkeypatch.setattr(backbone, "download_pretrained", lambda settings: str(path))
        clip = load_clip("ViT-S-32", "openai")
        assert (clip.config.activation, clip.pretrained) == ("quickgelu", "openai")
        assert (clip.mean, clip.std) == ((0.1, 0.2, 0.3), (1, 2, 3))

    def test_no_network_says_to_give_a_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def offline(settings: Any) -> str:
            raise OSError("no route to host")

        monkeypatch.setattr(backbone, "download_pretrained", offline)
        with pytest.raises(WeightsError, match="--pretrained FILE"):
            load_clip("ViT-B-16", "openai")
