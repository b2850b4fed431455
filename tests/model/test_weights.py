"""One file holds all; what is no such file is refused in one line; nothing heavy is imported to read a header."""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from par_model.attributes import load_schema
from par_model.errors import StorageError, WeightsError
from par_model.model.weights import load_weights, read_header, save_weights
from par_model.types import Preprocess
from tests.tiny import tiny_config, tiny_recogniser, write_tiny_weights


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    schema = load_schema("duke")
    recogniser = tiny_recogniser(tiny_config(36))
    uri = str(tmp_path / "folder" / "w.safetensors")
    save_weights(
        uri,
        recogniser,
        schema=schema,
        preprocess=Preprocess(height=64, width=32, fit="pad"),
        thresholds=[i / 36 for i in range(36)],
        trained=[i != 3 for i in range(36)],
        training={"epochs": 30},
        unused={"w_temporal": torch.ones(1)},
    )
    loaded, header = load_weights(uri)
    assert header == read_header(uri)
    assert header.config == recogniser.config
    assert header.schema == schema
    assert header.thresholds[9] == 0.25
    assert [i for i, t in enumerate(header.trained) if not t] == [3]
    assert header.preprocess == Preprocess(height=64, width=32, fit="pad")
    assert header.training == {"epochs": 30}
    assert header.shapes["unused.w_temporal"] == (1,)
    data = Path(uri).read_bytes()
    assert header.sha256 == hashlib.sha256(data).hexdigest()
    assert (header.model_id, header.num_bytes) == (header.sha256[:12], len(data))
    frames = torch.randn(2, 3, 3, 64, 32)
    with torch.no_grad():
        assert torch.equal(loaded(frames), recogniser(frames))
    assert not loaded.training
    assert [p.name for p in Path(uri).parent.iterdir()] == ["w.safetensors"]


def test_the_metadata_is_one_json_text_beside_the_whole_tower(tiny_weights: Path) -> None:
    with safe_open(str(tiny_weights), "pt") as file:
        metadata = file.metadata()
        names = set(file.keys())
    assert metadata.keys() == {"par"}
    par = json.loads(metadata["par"])
    assert par.keys() == {"config", "schema", "thresholds", "trained", "preprocess", "training"}
    assert "text_features" in names
    assert {"backbone.blocks.3.mlp.fc2.weight", "backbone.ln_post.weight", "backbone.proj"} <= names


def test_the_same_recogniser_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (Path(write_tiny_weights(tmp_path / name)).read_bytes() for name in ("a", "b"))
    assert one == two
    assert one != Path(write_tiny_weights(tmp_path / "c", seed=1)).read_bytes()


def test_memory_uris_work_like_paths(tmp_path: Path) -> None:
    uri = write_tiny_weights("memory://weights/w.safetensors")
    local = read_header(write_tiny_weights(tmp_path / "w"))
    assert read_header(uri).sha256 == local.sha256
    assert load_weights(uri)[1].shapes == local.shapes


def spoil_header(data: bytes, **changes: Any) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    par = json.loads(header["__metadata__"]["par"]) | changes
    header["__metadata__"]["par"] = json.dumps(par)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def par_of(data: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<Q", data[:8])
    par: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["par"])
    return par


def spoil_config(data: bytes, **changes: Any) -> bytes:
    return spoil_header(data, config=par_of(data)["config"] | changes)


def spoil_preprocess(data: bytes, **changes: Any) -> bytes:
    return spoil_header(data, preprocess=par_of(data)["preprocess"] | changes)


def spoil_first(data: bytes, name: str, value: Any) -> bytes:
    return spoil_header(data, **{name: [value, *par_of(data)[name][1:]]})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:-1], r"truncated: \d+ of \d+ bytes"),
        (lambda data: data[:200], "truncated: 200 bytes, but its header alone"),
        (lambda data: data + b"\0", "1 bytes too long"),
        (lambda data: b"", "0 bytes, too few"),
        (lambda data: b"%PDF-1.7 a document, not weights", "not a safetensors file"),
        (lambda data: data[:8] + b"}" + data[9:], "not a safetensors file"),
        (lambda data: data[:9] + b"\xff" * 50 + data[59:], "not a safetensors file"),
        (lambda data: pickle.dumps({"a": 1}), "a pickle.*import-openpar"),
        (lambda data: spoil_header(data, thresholds=[0.5]), "disagree"),
        (lambda data: spoil_header(data, config={"num_classes": 3}), "damaged metadata"),
        (lambda data: spoil_header(data, schema="name = 3"), "damaged metadata"),
        (lambda data: spoil_header(data, preprocess={"height": 3}), "damaged metadata"),
        (
            lambda data: spoil_header(data, trained=None),
            "damaged metadata: trained must be a list, got None",
        ),
        (lambda data: spoil_header(data, config=[1]), "config must be an object of names and values"),
        (lambda data: spoil_config(data, backbone=[1]), "backbone must be an object of names and values"),
        (
            lambda data: spoil_config(data, backbone=par_of(data)["config"]["backbone"] | {"width": "32"}),
            "backbone, width must be a whole number, got '32'",
        ),
        (lambda data: spoil_config(data, temporal_depth=2.5), "temporal_depth must be a whole number, got 2.5"),
        (lambda data: spoil_config(data, frames=True), "frames must be a whole number, got True"),
        (lambda data: spoil_config(data, drop_path=1), "drop path 1\\.0 is not a chance"),
        (
            lambda data: spoil_config(data, sides=["both"]),
            r"sides must be 'both', 'spatial', 'temporal' or 'none', got \['both'\]",
        ),
        (lambda data: spoil_config(data, spatial_map=3), "spatial_map must be a list, got 3"),
        (lambda data: spoil_header(data, schema=3), "schema must be a text, got 3"),
        (lambda data: spoil_header(data, thresholds="0.5"), "thresholds must be a list"),
        (lambda data: spoil_first(data, "thresholds", math.nan), "thresholds must be numbers from 0 to 1, got nan"),
        (lambda data: spoil_first(data, "thresholds", 1.5), "thresholds must be numbers from 0 to 1, got 1.5"),
        (lambda data: spoil_first(data, "thresholds", "0.5"), r"thresholds\[0\] must be a number, got '0.5'"),
        (lambda data: spoil_first(data, "trained", "no"), r"trained\[0\] must be true or false, got 'no'"),
        (lambda data: spoil_first(data, "trained", 1), r"trained\[0\] must be true or false, got 1"),
        (lambda data: spoil_header(data, training=[]), "training must be an object of names and values"),
        (lambda data: spoil_header(data, preprocess=[64, 32]), "preprocess must be an object of names and values"),
        (lambda data: spoil_preprocess(data, width=64), "preprocess gives 64x64 pixels, but the backbone takes 64x32"),
        (lambda data: spoil_preprocess(data, height="64"), "preprocess, height must be a whole number, got '64'"),
        (lambda data: spoil_preprocess(data, std=[1, 1, math.nan]), "must be finite"),
        (lambda data: spoil_preprocess(data, mean=0.5), "damaged metadata"),
    ],
)
def test_files_that_are_no_weights(tiny_weights: Path, tmp_path: Path, spoil: Any, message: str) -> None:
    path = tmp_path / "spoilt.safetensors"
    path.write_bytes(spoil(tiny_weights.read_bytes()))
    for read in (read_header, load_weights):
        with pytest.raises(WeightsError, match=message) as caught:
            read(str(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_other_files_and_places(tmp_path: Path, tiny_weights: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "checkpoint.pth")
    save_file({"a": torch.ones(2)}, tmp_path / "plain.safetensors")
    for name, message in (
        ("checkpoint.pth", "a pickle"),
        ("plain.safetensors", "without 'par' metadata"),
        ("nothing.safetensors", "no such file.*weights init"),
        (".", "is a folder"),
    ):
        with pytest.raises(WeightsError, match=message):
            read_header(str(tmp_path / name))
    with pytest.raises(StorageError, match="nowhere://x/y"):
        read_header("nowhere://x/y")


def test_tensors_must_fit_the_configuration(tiny_weights: Path, tmp_path: Path) -> None:
    with safe_open(str(tiny_weights), "pt") as file:
        metadata = file.metadata()
    tensors = load_file(str(tiny_weights))
    path = str(tmp_path / "w.safetensors")
    del tensors["heads.bias"]
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match=r"heads\.bias"):
        load_weights(path)


def test_a_schema_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="36 classes, the recogniser 5"):
        save_weights(str(tmp_path / "w"), tiny_recogniser(), schema=load_schema("duke"), preprocess=Preprocess())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": [0.5, 0.5, math.nan, 0.5]}, "thresholds must be numbers from 0 to 1, got nan"),
        ({"thresholds": [0.5]}, "disagree"),
        ({"preprocess": Preprocess()}, "preprocess gives 224x224 pixels, but the backbone takes 64x32"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    schema = load_schema("street")
    arguments: dict[str, Any] = {"schema": schema, "preprocess": Preprocess(height=64, width=32)} | options
    with pytest.raises(WeightsError, match=f"not written.*{message}"):
        save_weights(str(tmp_path / "w"), tiny_recogniser(tiny_config(schema.num_classes)), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        write_tiny_weights(tmp_path / "file" / "w.safetensors")


def test_reading_a_header_imports_no_torch(tiny_weights: Path) -> None:
    code = (
        "import sys\n"
        "from par_model.model.weights import read_header\n"
        "from par_model.model.cost import count_parameters\n"
        f"header = read_header({str(tiny_weights)!r})\n"
        "count_parameters(header.config, header.shapes)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'open_clip')))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_weights_loads_no_compiler(tiny_weights: Path) -> None:
    """Each start of a job and of each of its workers would wait for it."""
    code = (
        "import sys\n"
        "from par_model.model.stage import RecogniseStage\n"
        f"RecogniseStage({str(tiny_weights)!r}, device='cpu')\n"
        "sys.exit(any(name in sys.modules for name in ('torch._dynamo', 'open_clip')))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
