"""CLIP files as people have them: whatever a training program put before their names or around them is taken off."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from par_model.errors import UsageError, WeightsError
from par_model.model.backbone import load_clip
from par_model.model.clip_file import read_clip_file
from tests.model.test_backbone import Bomb
from tests.small_clip import SETTINGS, small_clip

State = dict[str, Any]
PREFIXES = ["module.", "_orig_mod.", "model.", "visual."]


@pytest.fixture(scope="module")
def state() -> State:
    found: State = small_clip().state_dict()
    return {name: tensor for name, tensor in found.items() if "resblocks" not in name or ".0." in name}


def saved(folder: Path, found: Any) -> str:
    torch.save(found, folder / "clip.pt")
    return str(folder / "clip.pt")


def assert_same(found: dict[str, Tensor], expected: State) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def before_all(prefix: str) -> Callable[[str], str]:
    return lambda name: prefix + name


ORDERS = ["".join(order) for count in (1, 2, 4) for order in itertools.permutations(PREFIXES, count)]


def test_prefixes_in_any_order_are_taken_off(state: State, tmp_path: Path) -> None:
    assert len(ORDERS) == 4 + 12 + 24
    for prefix in ORDERS:
        path = saved(tmp_path, {prefix + name: tensor for name, tensor in state.items()})
        assert_same(read_clip_file(path).tensors, state)


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace("visual.", "visual._orig_mod.module."),
        lambda name: name.replace("visual.", "visual.model.visual."),
        lambda name: name.replace("resblocks.0.", "resblocks.0._checkpoint_wrapped_module."),
        lambda name: name if name.startswith(("visual.", "logit_scale")) else f"text.{name}",
        lambda name: f"clip.{name}",
    ],
    ids=["compiled tower", "tower of another class", "checkpointed blocks", "text tower of its own", "member"],
)
def test_parts_that_were_wrapped_by_themselves_are_found(
    rename: Callable[[str], str], state: State, tmp_path: Path
) -> None:
    assert_same(read_clip_file(saved(tmp_path, {rename(n): t for n, t in state.items()})).tensors, state)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"state_dict": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
        lambda state: {"ema": state},
        lambda state: {"model": {"state_dict": state}, "loss": torch.tensor(0.5)},
        lambda state: {"ema": {"decay": 0.99, "module": {f"module.{name}": t for name, t in state.items()}}},
        lambda state: {
            "model": state,
            "best": np.float64(0.9),
            "rng": np.arange(3),
            "ids": [np.int64(3), np.str_("a")],
        },
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1, output=Path("runs"), seed=np.int32(1))},
        lambda state: {"n_averaged": torch.tensor(7)} | {f"module.{name}": t for name, t in state.items()},
    ],
    ids=["model", "state_dict", "ema", "nested", "ema in module", "numpy", "namespace", "averaged"],
)
def test_what_is_around_the_state_dict_is_taken_off(wrap: Callable[[State], Any], state: State, tmp_path: Path) -> None:
    assert_same(read_clip_file(saved(tmp_path, wrap(state))).tensors, state)


@pytest.mark.parametrize("nested", [False, True])
def test_of_model_and_ema_one_must_be_named(nested: bool, state: State, tmp_path: Path) -> None:
    averaged = {name: tensor + 1 for name, tensor in state.items()}
    both: State = {"model": state, "ema": {"module": averaged}, "epoch": 3}
    path = saved(tmp_path, {"state_dict": both} if nested else both)
    with pytest.raises(WeightsError, match=r"holds model and ema: say which is meant, as --checkpoint-key ema$"):
        read_clip_file(path)
    assert_same(read_clip_file(path, "ema").tensors, averaged)
    assert_same(read_clip_file(path, "model").tensors, state)
    with pytest.raises(
        UsageError, match=r"--checkpoint-key EMA: CLIP file .* no such part.*; it has model, ema, which"
    ):
        read_clip_file(saved(tmp_path, both), "EMA")


def test_two_networks_in_one_state_dict_are_told_apart_by_the_key(state: State, tmp_path: Path) -> None:
    averaged = {name: tensor + 1 for name, tensor in state.items()}
    both = {f"student.{n}": t for n, t in state.items()} | {f"teacher.{n}": t for n, t in averaged.items()}
    path = saved(tmp_path, both)
    with pytest.raises(WeightsError, match=r"2 image towers, at student\..* as --checkpoint-key teacher$"):
        read_clip_file(path)
    assert_same(read_clip_file(path, "teacher").tensors, averaged)


def test_the_key_that_is_advised_is_the_one_to_give(state: State, tmp_path: Path) -> None:
    both = {f"net.{part}.{name}": tensor for part in ("student", "teacher") for name, tensor in state.items()}
    path = saved(tmp_path, both)
    with pytest.raises(WeightsError, match=r"2 image towers.* as --checkpoint-key net\.teacher$"):
        read_clip_file(path)
    assert_same(read_clip_file(path, "net.teacher").tensors, state)


def test_a_file_is_what_it_holds_whatever_its_name(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "clip.ckpt")
    shutil.move(saved(tmp_path, state), tmp_path / "clip.safetensors")
    for name in ("clip.ckpt", "clip.safetensors"):
        assert_same(read_clip_file(str(tmp_path / name)).tensors, state)


def test_containers_that_hold_themselves_come_to_an_end(state: State, tmp_path: Path) -> None:
    inner: State = {"visual.x": torch.ones(1)}
    inner["model"] = inner
    with pytest.raises(WeightsError, match="of a layout that is not known"):
        read_clip_file(saved(tmp_path, inner))
    shared: State = {}
    for _ in range(60):  # 2 to the power of 60 ways lead to the innermost
        shared = {"one": shared, "other": shared}
    assert_same(read_clip_file(saved(tmp_path, {"model": state, "ema": shared})).tensors, state)


def test_a_part_of_any_other_name_can_be_named(state: State, tmp_path: Path) -> None:
    path = saved(tmp_path, {"swa": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}})
    with pytest.raises(
        WeightsError, match=r"holds no state dict, but a dict; it has swa, optimizer, which --checkpoint"
    ):
        read_clip_file(path)
    assert_same(read_clip_file(path, "swa").tensors, state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensor: tensor.to(torch.int8), "is int8: give the weights in a floating type"),
        (lambda tensor: tensor.to(torch.complex64), "is complex64: give"),
        (lambda tensor: tensor.to_sparse(), "is sparse, or without values"),
        (lambda tensor: tensor.to("meta"), "is sparse, or without values"),
        (lambda tensor: tensor * float("nan"), "has values that are infinite or no numbers"),
        (lambda tensor: tensor.double() * 1e300, "has values that are infinite or no numbers"),
    ],
    ids=["quantised", "complex", "sparse", "meta", "nan", "beyond float32"],
)
def test_tensors_that_are_no_weights_are_refused(change: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(json.dumps(SETTINGS))
    weights = small_clip().state_dict()
    name = "visual.conv1.weight"
    path = saved(tmp_path, weights | {name: change(weights[name])})
    with pytest.raises(WeightsError, match=rf"into backbone .*: tensor visual\.conv1\.weight {said}"):
        load_clip(str(tmp_path / "small.json"), path)


def test_a_scale_of_several_numbers_has_another_shape(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(json.dumps(SETTINGS))
    path = saved(tmp_path, small_clip().state_dict() | {"logit_scale": torch.ones(2)})
    with pytest.raises(
        WeightsError, match=r"another shape, first logit_scale: \[2\] in the file, \[\] in the backbone"
    ):
        load_clip(str(tmp_path / "small.json"), path)


def test_an_unknown_layout_shows_names_and_what_was_looked_for(tmp_path: Path) -> None:
    path = saved(tmp_path, {f"backbone.stage{i}.weight": torch.ones(1) for i in range(5)})
    with pytest.raises(WeightsError) as caught:
        read_clip_file(path)
    assert str(caught.value) == (
        f"CLIP file {path}: is of a layout that is not known here: 5 tensors, such as backbone.stage0.weight, "
        "backbone.stage1.weight, backbone.stage2.weight; looked for visual.conv1.weight beside visual.class_embedding "
        "(OpenAI, open_clip; a ViT) and for vision_model.embeddings.patch_embedding.weight (Hugging Face)"
    )


@pytest.mark.parametrize("prefix", ["visual.", "", "model.visual."])
def test_an_image_tower_alone_is_not_enough(prefix: str, state: State, tmp_path: Path) -> None:
    tower = {prefix + n.removeprefix("visual."): t for n, t in state.items() if n.startswith("visual.")}
    with pytest.raises(WeightsError, match=r"holds an image tower alone \(\d+ tensors\), and the texts .* whole CLIP"):
        read_clip_file(saved(tmp_path, tower))


def test_names_that_are_no_text_are_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a tensor named None, which is no text"):
        read_clip_file(saved(tmp_path, {None: torch.ones(1)}))


def test_one_tensor_under_two_names_is_refused(state: State, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has one tensor twice: .*logit_scale"):
        read_clip_file(saved(tmp_path, state | {"module.logit_scale": torch.ones(())}))


class Own:
    """Code of somebody's own."""


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"model": {"visual.conv1.weight": torch.ones(1)}, "tracker": Own()}, "tests.model.test_clip_file.Own"),
    ],
    ids=["module", "object"],
)
def test_python_objects_are_refused_in_one_line_without_terminal_codes(found: Any, named: str, tmp_path: Path) -> None:
    path = saved(tmp_path, found)
    with pytest.raises(WeightsError) as caught:
        read_clip_file(path)
    assert str(caught.value) == (
        f"CLIP file {path}: cannot be read as CLIP weights: it is, or holds beside its tensors, a Python object "
        f"({named}), and nothing but tensors is unpickled; where it was made, write "
        "torch.save(model.state_dict(), FILE)"
    )


def test_nothing_that_a_file_names_is_called(state: State, tmp_path: Path) -> None:
    """Neither what a file calls, nor, under NumPy's name for it, NumPy."""
    for call in (Bomb(tmp_path / "ran"), Shell(f"touch {tmp_path}/ran")):
        with pytest.raises(WeightsError, match="nothing but tensors is unpickled"):
            read_clip_file(saved(tmp_path, {"model": state, "more": call}))
    assert_same(read_clip_file(saved(tmp_path, {"model": state, "bad": BadNumber()})).tensors, state)
    assert not (tmp_path / "ran").exists()


class OpensItself(nn.Module):
    """TorchScript that writes a file when it is opened."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.weight, self.path = nn.Parameter(torch.ones(2)), path

    def forward(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, str, bool]:
        return self.weight, self.path, self.training

    @torch.jit.export
    def __setstate__(self, kept: tuple[Tensor, str, bool]) -> None:
        self.weight, self.path, self.training = kept
        torch.save(self.weight, self.path)


def test_torchscript_runs_nothing_when_it_is_opened(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still what OpenAI's files are
        torch.jit.save(torch.jit.script(OpensItself(str(tmp_path / "ran"))), tmp_path / "clip.pt")
    with pytest.raises(WeightsError, match="TorchScript archive whose __setstate__ would run when it is opened"):
        read_clip_file(str(tmp_path / "clip.pt"))
    assert not (tmp_path / "ran").exists()


class Shell:
    """Unpickled, it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.system, (self.command,)


class BadNumber:
    """Unpickled by NumPy, it raises: no type is called so."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return np.dtype, ("no such type",)


@pytest.mark.parametrize("name", ["clip.pt", "clip.safetensors"])
@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x01."])
def test_what_is_no_file_of_tensors_is_said_in_one_line(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(
        WeightsError, match=rf"{name}: (cannot be read as CLIP weights: neither|holds no state dict)"
    ) as e:
        read_clip_file(str(tmp_path / name))
    assert "\n" not in str(e.value)
    assert "\x1b" not in str(e.value)
