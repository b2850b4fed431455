"""Files of tensors that other programs wrote: what is in them, and that nothing of them runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from par_model.errors import UsageError, WeightsError
from par_model.model.foreign import read_foreign, state_dict

A, B = torch.ones(2), torch.zeros(3)


def read(path: Path) -> Any:
    return read_foreign(str(path), f"{path}", "a CLIP model")[0]


def names(found: Any, key: str | None = None) -> list[str]:
    return sorted(state_dict(found, "w.pt", key))


@pytest.mark.parametrize("write", [torch.save, safetensors.torch.save_file], ids=["torch", "safetensors"])
def test_a_file_is_read_by_what_is_in_it_whatever_its_name(write: Callable[[Any, Path], None], tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    write({"a": A}, path)
    assert torch.equal(read(path)["a"], A)


def test_shards_are_one_by_their_index_or_by_any_of_them(tmp_path: Path) -> None:
    for number, tensors in enumerate(({"a": A}, {"b": B}), start=1):
        safetensors.torch.save_file(tensors, tmp_path / f"m-0000{number}-of-00002.safetensors")
    shard = tmp_path / "m-00001-of-00002.safetensors"
    with pytest.raises(WeightsError, match=r"is one of several shards, and m\.safetensors\.index\.json is not beside"):
        read(shard)
    index = tmp_path / "m.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shard.name, "b": shard.name.replace("1-", "2-")}}))
    assert sorted(read(index)) == sorted(read(shard)) == ["a", "b"]
    index.write_text(json.dumps({"weight_map": {"a": "../m.safetensors"}}))
    with pytest.raises(WeightsError, match=r"names the shard '\.\./m\.safetensors', which is not beside it"):
        read(index)
    index.write_text("[]")
    with pytest.raises(WeightsError, match="is no index of shards: it has no weight_map"):
        read(index)


def test_what_is_neither_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(b"hello")
    with pytest.raises(
        WeightsError, match=r"w\.pt: cannot be read as a CLIP model: neither safetensors nor what torch"
    ):
        read(path)
    torch.save({"model": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"holds beside its tensors, a Python object \(torch\.nn\S+Linear\)"):
        read(path)


def test_a_state_dict_is_found_at_any_depth_without_what_wrappers_put_into_names() -> None:
    assert names({"epoch": 3, "model": {"state_dict": {"module.a": A, "_orig_mod.b.c": B}}}) == ["a", "b.c"]
    half: dict[str, Tensor] = state_dict({"a": A.half(), "n": torch.ones(1, dtype=torch.int64)}, "w.pt")
    assert (half["a"].dtype, half["n"].dtype) == (torch.float32, torch.int64)


def test_of_several_parts_one_has_to_be_named() -> None:
    both = {"model": {"a": A}, "model_ema": {"b": B}}
    with pytest.raises(
        WeightsError, match="holds model and model_ema: say which is meant, as --checkpoint-key model_ema"
    ):
        names(both)
    assert names(both, "model_ema") == ["b"]
    assert names({"teacher.a": A, "student.a": B}, "student") == ["a"]
    with pytest.raises(UsageError, match=r"--checkpoint-key other: w\.pt has no such part .*; it has model, model_ema"):
        names(both, "other")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([A], "holds no state dict, but a list"),
        ({"epoch": 3}, "holds no state dict, but a dict"),
        ({"a": A, "module.a": B}, "has one tensor twice: module.a and another are both a"),
        ({3: A}, "has a tensor named 3, which is no text"),
    ],
)
def test_what_is_no_state_dict_is_named(found: Any, said: str) -> None:
    with pytest.raises(WeightsError, match=f"^w.pt: {said}"):
        names(found)


def test_a_mapping_that_holds_itself_ends() -> None:
    ring: dict[str, Any] = {}
    ring["model"] = ring
    with pytest.raises(WeightsError, match="holds no state dict"):
        names(ring)
