"""`parjob weights init`: what it makes of CLIP's weights, or of other weights for another schema."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from par_model.model.weights import load_weights, read_header
from tests.cli.run import parjob
from tests.model.test_hugging_face import write_folder
from tests.small_clip import SETTINGS, small_clip, write_small_clip
from tests.tiny import write_tiny_weights


@pytest.fixture
def backbone(tmp_path: Path) -> str:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SETTINGS))
    return str(path)


def init(backbone: str, output: Path, *more: object, schema: str = "street") -> int:
    return parjob("weights", "init", "--backbone", backbone, "--schema", schema, "--output", output, *more)


def test_init_says_that_the_weights_are_untrained(
    backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "w.safetensors"
    assert init(backbone, output) == 0
    said = capsys.readouterr()
    assert "UNTRAINED" in said.err
    assert said.out == ""
    header = read_header(str(output))
    assert header.schema.name == "street"
    assert (header.config.frames, header.config.max_frames, header.config.sides) == (6, 8, "both")
    assert header.preprocess.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    assert (header.preprocess.height, header.preprocess.width, header.preprocess.fit) == (32, 32, "stretch")
    assert all(header.trained)
    assert set(header.thresholds) == {0.5}
    assert header.training == {"state": "initialised", "pretrained": None, "seed": 0}


def test_init_takes_every_model_option(backbone: str, tmp_path: Path) -> None:
    output = tmp_path / "w.safetensors"
    options = {
        "--frames": 9,
        "--beyond-depth": "last",
        "--sides": "both",
        "--spatial-map": "0:0,2:3",
        "--temporal-map": "0",
        "--spatial-aggregation": "gru",
        "--temporal-aggregation": "mlp",
        "--spatial-width": 16,
        "--temporal-width": 24,
        "--fusion-width": 32,
        "--image-size": "64x32",
        "--fit": "pad",
        "--seed": 3,
    }
    assert init(backbone, output, *(part for pair in options.items() for part in pair)) == 0
    header = read_header(str(output))
    config = header.config
    assert (config.frames, config.max_frames, config.temporal_depth) == (9, None, 8)
    assert config.spatial_map == ((0, 0), (2, 3))
    assert config.temporal_map == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4))
    assert (config.spatial_aggregation, config.temporal_aggregation) == ("gru", "mlp")
    assert (config.spatial_width, config.temporal_width, config.fusion_width) == (16, 24, 32)
    assert (header.preprocess.height, header.preprocess.width, header.preprocess.fit) == (64, 32, "pad")
    recogniser, _ = load_weights(str(output))
    with torch.no_grad():
        assert recogniser(torch.randn(1, 9, 3, 64, 32)).shape == (1, header.schema.num_classes)


def test_the_same_seed_makes_the_same_file(backbone: str, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert init(backbone, tmp_path / name, "--seed", seed, "--spatial-width", 16) == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_pretrained_from_a_file(backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import open_clip

    torch.save(open_clip.CLIP(**SETTINGS).state_dict(), tmp_path / "clip.pt")
    assert init(backbone, tmp_path / "w", "--pretrained", tmp_path / "clip.pt") == 0
    assert "UNTRAINED" not in capsys.readouterr().err
    assert read_header(str(tmp_path / "w")).training["pretrained"] == str(tmp_path / "clip.pt")


def test_a_checkpoint_of_model_and_ema_wants_a_key(
    backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = small_clip().state_dict()
    averaged = {f"module.{name}": tensor * 2 for name, tensor in state.items()}
    torch.save({"model": state, "ema": averaged, "best": np.float64(0.9)}, tmp_path / "clip.pt")
    asked = ("--pretrained", tmp_path / "clip.pt")
    assert init(backbone, tmp_path / "w", *asked) == 1
    said = capsys.readouterr().err
    assert said.endswith("holds model and ema: say which is meant, as --checkpoint-key ema\n")
    assert init(backbone, tmp_path / "w", *asked, "--checkpoint-key", "ema") == 0
    recogniser, header = load_weights(str(tmp_path / "w"))
    assert torch.equal(recogniser.backbone.state_dict()["proj"], averaged["module.visual.proj"])
    assert header.training["checkpoint_key"] == "ema"


def test_a_hugging_face_folder(backbone: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hf", shards=2)
    assert init(backbone, tmp_path / "w", "--pretrained", folder, "--image-size", "64x32") == 0
    config = read_header(str(tmp_path / "w")).config.backbone
    assert (config.activation, config.image_height, config.image_width, config.patch) == ("gelu", 64, 32, 8)


def test_pretrained_from_the_environment(backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARJOB_WEIGHTS_INIT_SIDES", "none")
    assert init(backbone, tmp_path / "w") == 0
    assert read_header(str(tmp_path / "w")).config.sides == "none"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--image-size", "30"], 2, "image height 30 is not a multiple of the backbone's patch size 8: try 32"),
        (["--image-size", "big"], 2, "SIZE or HEIGHTxWIDTH"),
        (["--spatial-map", "2"], 2, "reads feature map 6, but backbone small has feature maps 0 to 4"),
        (["--spatial-map", "9"], 2, "numbered 0 to 7"),
        (["--temporal-map", "a:b"], 2, "pairs such as 0:0,3:1"),
        (["--frames", "9"], 2, "9 frames a tracklet, but these weights take at most 8"),
        (["--frames", "0"], 2, "--frames"),
        (["--sides", "left"], 2, "--sides"),
        (["--spatial-width", "100"], 2, "try 96"),
        (["--pretrained", "nothing.pt"], 1, "neither a file nor a tag"),
        (["--checkpoint-key", "ema"], 2, "names a part of a file, so give --pretrained FILE"),
        (["--backbone", "ViT-Z-99"], 1, "not a model of open_clip"),
        (["--schema", "nothing"], 1, "not a shipped one"),
        (["--output", "/dev/null/w"], 1, "cannot write"),
    ],
)
def test_what_init_cannot_do(
    backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    assert init(backbone, tmp_path / "w", *options) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "w").exists()


def test_what_a_terminal_would_obey_is_shown_not_sent(
    backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"\x1b[31mred\x07\x9b": torch.ones(1)}, tmp_path / "c.pt")
    assert init(backbone, tmp_path / "w.safetensors", "--pretrained", tmp_path / "c.pt") == 1
    said = capsys.readouterr().err
    assert r"such as \x1b[31mred\x07\x9b;" in said
    assert not set(said) & {"\x1b", "\x07", "\x9b"}


OWN = """
name = "own"
[[groups]]
name = "umbrella"
kind = "binary"
text = "a person with an umbrella"
[[groups]]
name = "Hat"
kind = "binary"
text = "a person with something on their head"
[[groups]]
name = "gait"
kind = "exclusive"
classes = [{ value = "standing", text = "s" }, { value = "riding", text = "r" }, { value = "walking", text = "w" }]
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return str(path)


def test_from_other_weights(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "own.safetensors"
    assert parjob("weights", "init", "--from", "demo", "--schema", own, "--output", output) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"parjob: {output}: 3 of 5 classes as demo knows them"
    assert lines[1].endswith("whose features stay: hat, gait_standing, gait_walking")
    assert lines[2].startswith("parjob: left out, for the schema does not have them: top_color_black, ")
    assert lines[3].endswith("until `parjob train` has seen their labels: umbrella, gait_riding")
    assert lines[4].startswith("parjob: no --backbone, so their texts are not encoded")
    assert len(lines) == 5
    assert read_header(str(output)).untrained == ("umbrella", "gait_riding")


def test_from_other_weights_with_texts(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, clip = write_small_clip(tmp_path)
    known = ("--backbone", config, "--pretrained", clip)
    assert parjob("weights", "init", *known, "--schema", "street", "--output", tmp_path / "w") == 0
    capsys.readouterr()
    asked = ("weights", "init", "--from", tmp_path / "w", "--schema", own, "--output", tmp_path / "own")
    assert parjob(*asked, *known) == 0
    assert "no --backbone" not in capsys.readouterr().err
    assert parjob(*asked) == 0
    assert "no zero-shot answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--frames", "3"], 2, "--frames and --from: the network is that of"),
        (["--image-size", "64"], 2, "--image-size and --from"),
        (["--pretrained", "openai"], 2, "are about a --backbone: give it too"),
        (["--from", "nothing"], 1, "weights nothing: no such file"),
        (["--backbone", "SMALL"], 1, "its text features are 32 wide, but those of"),
        (["--schema", "nothing"], 1, "not a shipped one"),
    ],
)
def test_what_from_cannot_do(
    backbone: str,
    own: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    weights = write_tiny_weights(tmp_path / "tiny")
    options = [backbone if word == "SMALL" else word for word in options]
    asked = ("weights", "init", "--from", weights, "--schema", own, "--output", tmp_path / "own", *options)
    assert parjob(*asked) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "own").exists()


def test_without_backbone_and_from(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parjob("weights", "init", "--schema", own, "--output", tmp_path / "own") == 2
    assert "give --backbone, or --from" in capsys.readouterr().err


def test_the_output_is_none_of_the_files_that_it_is_made_of(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    schema = tmp_path / "given.toml"
    schema.write_text(Path(own).read_text())
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"old")
    before = {path: path.read_bytes() for path in (schema, weights)}
    for name, given in (("schema", schema), ("schema", "given.toml"), ("from", weights), ("from", f"file://{weights}")):
        asked = {"from": "demo", "schema": str(schema)} | {name: str(given)}
        output = str(weights) if name == "from" else str(schema)
        more = [word for key, value in asked.items() for word in (f"--{key}", value)]
        assert parjob("weights", "init", *more, "--output", output) == 2
        assert capsys.readouterr().err == f"parjob: --output {output} is the file of --{name}, which would be lost\n"
    assert {path: path.read_bytes() for path in before} == before
