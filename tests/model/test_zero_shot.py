"""Answers without training: by hand, and against open_clip's own model from weights to table."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import torch

from par_model.attributes import AttributeSchema
from par_model.manifest.read import Manifest
from par_model.manifest.tracklets import tracklets
from par_model.model.weights import load_weights, read_header
from par_model.model.zero_shot import ZeroShot
from par_model.sampling import Sampling
from par_model.types import Crops, Preprocess, Tracklet
from par_model.video.stage import DecodeStage
from tests.archive import write_archive
from tests.cli.run import parjob
from tests.small_clip import small_clip, write_small_clip
from tests.tiny import TINY_BACKBONE, tiny_config, tiny_recogniser

OWN = """
name = "own"

[[groups]]
name = "umbrella"
kind = "binary"
text = "a person with an umbrella"
negative_text = "a person without an umbrella"

[[groups]]
name = "shoes"
kind = "exclusive"
classes = [
    { value = "boots", text = "a person in boots" },
    { value = "sandals", text = "a person in sandals" },
    { value = "bare", text = "a person with bare feet" },
]
"""


def test_by_hand() -> None:
    """An embedding at 0 degrees, texts at 60, 90, 0 and 180, of any length, a negative text at 90, a scale of 2: logits
    of 1 against 0, and 0, 2, -2."""
    schema = AttributeSchema.parse(OWN, "own")
    recogniser = tiny_recogniser(tiny_config(schema.num_classes, zero_shot=True))
    width = TINY_BACKBONE.embed_dim
    recogniser.text_features.zero_()
    recogniser.text_features[:, :2] = torch.tensor([[1.5, 1.5 * 3**0.5], [0.0, 7.0], [2.0, 0.0], [-0.1, 0.0]])
    recogniser.negative_features[0, 1] = 5.0
    recogniser.logit_scale.fill_(math.log(2))
    embedding = torch.zeros(1, width)
    embedding[0, 0] = 1.0
    total = 1 + math.exp(2) + math.exp(-2)
    expected = [math.e / (math.e + 1), 1 / total, math.exp(2) / total, math.exp(-2) / total]
    scores = ZeroShot(recogniser, schema)(embedding)
    np.testing.assert_allclose(scores[0], expected, rtol=1e-6)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("zero-shot")
    schema = folder / "own.toml"
    schema.write_text(OWN)
    backbone, clip = write_small_clip(folder)
    weights = folder / "w.safetensors"
    command = ("weights", "init", "--backbone", backbone, "--schema", schema, "--output", weights, "--frames", 2)
    assert parjob(*command, "--pretrained", clip) == 0
    found = {"schema": schema, "backbone": backbone, "clip": clip, "weights": weights}
    return {name: str(path) for name, path in found.items()} | {"manifest": write_archive(folder / "archive")}


def infer(made: dict[str, str], output: Path, *more: object, weights: object = None) -> int:
    command = ("infer", "--manifest", made["manifest"], "--weights", weights or made["weights"], "--output", output)
    return parjob(*command, "--no-ray", *more)


def crops_of(made: dict[str, str], preprocess: Preprocess, frames: int) -> dict[str, Any]:
    stage = DecodeStage(preprocess, Sampling(frames=frames))
    rows = [t for batch in Manifest.open(made["manifest"]).iter_batches() for t in tracklets(batch)]
    found = stage([t for t in rows if isinstance(t, Tracklet)])
    pixels = {c.tracklet_id: torch.from_numpy(c.pixels.copy()) for c in found if isinstance(c, Crops)}
    stage.close()
    return pixels


def test_the_table_says_what_open_clips_own_model_does(made: dict[str, str], tmp_path: Path) -> None:
    """10 frames are more than the trained network takes; the image tower takes any number."""
    assert infer(made, tmp_path / "out", "--zero-shot", "--embedding", "--frames", 10) == 0
    clip, header = small_clip(), read_header(made["weights"])
    groups = AttributeSchema.parse(OWN, "own").groups
    tokens = open_clip.SimpleTokenizer()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (header.preprocess.mean, header.preprocess.std))
    pixels = crops_of(made, header.preprocess, 10)
    table = pq.read_table(tmp_path / "out" / "attributes")
    assert set(pixels) == set(table["tracklet_id"].to_pylist())
    answers: set[tuple[bool, str]] = set()
    for row in table.to_pylist():
        with torch.no_grad():
            frames = (pixels[row["tracklet_id"]].permute(0, 3, 1, 2) / 255 - mean) / std
            image = torch.nn.functional.normalize(clip.encode_image(frames, normalize=True).mean(0), dim=0)
            np.testing.assert_allclose(row["embedding"], image, atol=1e-5)
            texts = [groups[0].classes[0].text, groups[0].classes[0].negative_text]
            sides = clip.logit_scale.exp() * clip.encode_text(tokens(texts), normalize=True) @ image
            shoes = clip.encode_text(tokens([c.text for c in groups[1].classes]), normalize=True) @ image
            umbrella = float(sides.softmax(0)[0])
            shares = (clip.logit_scale.exp() * shoes).softmax(0).numpy()
        assert row["scores"]["umbrella"] == row["umbrella_score"] == pytest.approx(umbrella, abs=1e-5)
        scores = [row["scores"][f"shoes_{value}"] for value in ("boots", "sandals", "bare")]
        np.testing.assert_allclose(scores, shares, atol=1e-5)
        assert row["umbrella"] == (umbrella > 0.5)
        assert row["shoes"] == ("boots", "sandals", "bare")[int(np.argmax(shares))]
        assert row["shoes_score"] == max(scores)
        answers.add((row["umbrella"], row["shoes"]))
    assert len({round(value, 3) for value in table["umbrella_score"].to_pylist()}) > 3, "answers must differ"


def test_it_is_another_job_than_the_trained_networks(
    made: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert infer(made, tmp_path / "out", "--zero-shot") == 0
    summary = json.loads((tmp_path / "out" / "run.json").read_text())
    assert summary["options"]["zero_shot"] is True
    assert infer(made, tmp_path / "out") == 1
    assert "differs in zero_shot (True there, False now)" in capsys.readouterr().err


def test_thresholds_and_what_was_trained_do_not_count(made: dict[str, str], tmp_path: Path) -> None:
    """Those belong to the trained network."""
    from par_model.model.weights import save_weights

    recogniser, header = load_weights(made["weights"])
    other = tmp_path / "trained.safetensors"
    save_weights(
        str(other),
        recogniser,
        schema=header.schema,
        preprocess=header.preprocess,
        thresholds=[1.0, 0.5, 0.5, 0.5],
        trained=[True, False, True, True],
    )
    for name, weights in (("a", made["weights"]), ("b", other)):
        assert infer(made, tmp_path / name, "--zero-shot", weights=weights) == 0
    a, b = (pq.read_table(tmp_path / name / "attributes").drop(["run_id", "model_id"]) for name in "ab")
    assert a.equals(b)
    assert True in a["umbrella"].to_pylist()
    told = json.loads((tmp_path / "b" / "run.json").read_text())["schema"]
    assert told["untrained"] == []
    assert set(told["thresholds"].values()) == {0.5}


@pytest.mark.parametrize("kind", ["random", "demo", "one-sided"])
def test_refused_where_texts_say_nothing(
    kind: str, made: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, schema = tmp_path / "w.safetensors", Path(made["schema"])
    pretrained = [] if kind == "random" else ["--pretrained", made["clip"]]
    if kind == "one-sided":
        schema = tmp_path / "one-sided.toml"
        schema.write_text(OWN.replace('negative_text = "a person without an umbrella"\n', ""))
    command = ("weights", "init", "--backbone", made["backbone"], "--schema", schema, "--output", weights, *pretrained)
    assert parjob(*command) == 0
    capsys.readouterr()
    given = "demo" if kind == "demo" else weights
    assert infer(made, tmp_path / "out", "--zero-shot", weights=given) == 2
    said = capsys.readouterr().err
    why = "no negative_text to compare with: umbrella" if kind == "one-sided" else "not known to be a contrastively"
    assert why in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
