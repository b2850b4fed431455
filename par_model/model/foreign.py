"""Files of tensors that other programs wrote: safetensors, pickles, TorchScript archives, whole or in shards.

Nothing in them runs: TorchScript with code of its own for opening is refused. Pickles are read by torch's
``weights_only`` reader, which makes tensors and plain containers; for the few other objects that training scripts keep
beside their tensors, such as a loss that is a NumPy number, an empty stand-in is made instead of the object.
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from par_model import storage
from par_model.errors import UsageError, WeightsError
from par_model.wording import lines_of, without_colours

# Under these names checkpoints keep what a network is made of, beside optimisers, options and counters.
_WRAPPERS = {
    *("model", "module", "net", "network", "clip", "weights", "params", "state_dict", "model_state_dict"),
    *("ema", "ema_model", "model_ema", "ema_state_dict", "state_dict_ema"),
}
_STOOD_IN_FOR = (
    *("numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct"),
    *("numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct", "argparse.Namespace"),
    *("pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib.PureWindowsPath"),
    *("pathlib._local.PosixPath", "pathlib._local.PurePosixPath"),
)
_SHARD = re.compile(r"(.*)-\d{5}-of-\d{5}(\.\w+)")
_INDEX = ".index.json"
# What DataParallel, torch.compile, FSDP and activation checkpointing put into names, anywhere in them.
_WRAPPED = re.compile(
    r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)


class _StandIn:
    """Takes whatever an object would be made of, and keeps nothing."""

    def __new__(cls, *_: object) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        return None

    def __setstate__(self, _: object) -> None:
        return None


def _stand_in(name: str) -> Any:
    module, _, short = name.rpartition(".")
    return type(short, (_StandIn,), {"__module__": module, "__qualname__": short})


_STAND_INS = [_stand_in(name) for name in _STOOD_IN_FOR]


def read_foreign(uri: str, what: str, kind: str) -> tuple[Any, bool]:
    """What a file holds, and whether it is a TorchScript archive, of which that is the state dict.

    An index of shards, or one of the shards beside its index, stands for all of them. what: begins the messages.
    kind: what it should be, for them.
    Raises WeightsError, or StorageError if there is no such file.
    """
    if shard := _SHARD.fullmatch(storage.name(uri)):
        index = storage.join(storage.parent(uri), f"{shard[1]}{shard[2]}{_INDEX}")
        if not storage.exists(index):
            raise WeightsError(f"{what}: is one of several shards, and {storage.name(index)} is not beside it")
        uri = index
    return (_read_shards(uri, what, kind), False) if uri.endswith(_INDEX) else _read_one(uri, what, kind)


def _read_one(uri: str, what: str, kind: str) -> tuple[Any, bool]:
    data = storage.read_bytes(uri)
    try:
        if data[8:9] == b"{":  # safetensors, whatever its name: a header's length, then the header, which is JSON
            return safetensors.torch.load(data), False
        # torch deprecates TorchScript, which OpenAI's files stay, and tells of pickles of another protocol.
        with warnings.catch_warnings(), torch.serialization.safe_globals(_STAND_INS):
            warnings.simplefilter("ignore")
            if _is_torchscript(data, what):
                archive = torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]
                return archive.state_dict(), True
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), False
    except WeightsError:
        raise
    except Exception as error:  # torch and its unpickler raise what they like on foreign bytes
        raise WeightsError(f"{what}: cannot be read as {kind}: {_reason(error)}") from error


def state_dict(found: Any, what: str, key: str | None = None) -> dict[str, Tensor]:
    """The one state dict in what a file holds, inside ``{"model": ...}`` and the like at any depth, in float32, its
    names without what wrappers such as DataParallel put into them.

    key: ``--checkpoint-key``, the part that is meant where there are several: a key, or what names begin with. Raises
    WeightsError where there is none or more than one, UsageError where ``key`` names none.
    """
    opened: list[Any] = []
    while isinstance(found, Mapping) and not any(found is one for one in opened):
        opened.append(found)
        if key is not None and _holds_tensors(found.get(key)):
            found, key = found[key], None
            continue
        parts = [str(name) for name, value in found.items() if name in _WRAPPERS and _holds_tensors(value)]
        if len(parts) > 1 and key is None:
            both = " and ".join(parts)
            raise WeightsError(f"{what}: holds {both}: say which is meant, as --checkpoint-key {parts[-1]}")
        if len(parts) != 1:
            break
        found = found[parts[0]]
    tensors = {name: t for name, t in found.items() if isinstance(t, Tensor)} if isinstance(found, Mapping) else {}
    for name in tensors:
        if not isinstance(name, str):
            raise WeightsError(f"{what}: has a tensor named {name!r}, which is no text")
    if not tensors and key is None:
        raise WeightsError(f"{what}: holds no state dict, but a {type(found).__name__}{_others(found)}")
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        bare = _WRAPPED.sub("", name)
        if key is not None and not bare.startswith(f"{key}."):
            continue
        bare = bare if key is None else bare.removeprefix(f"{key}.")
        if bare in named:
            raise WeightsError(f"{what}: has one tensor twice: {name} and another are both {bare}")
        named[bare] = tensor.float() if tensor.is_floating_point() else tensor
    if not named:
        raise UsageError(f"--checkpoint-key {key}: {what} has no such part with tensors in it{_others(found)}")
    return named


def _others(found: Any) -> str:
    names = [str(name) for name, v in found.items() if _holds_tensors(v)] if isinstance(found, Mapping) else []
    return f"; it has {', '.join(names[:5])}, which --checkpoint-key can name" if names else ""


def _holds_tensors(value: Any) -> bool:
    """Whether a mapping has a tensor at any depth. A pickle may hold one mapping many times, itself among them."""
    left, seen = [value], set()
    for part in left:
        if isinstance(part, Mapping) and id(part) not in seen:
            seen.add(id(part))
            if any(isinstance(inner, Tensor) for inner in part.values()):
                return True
            left += part.values()
    return False


def _read_shards(index: str, what: str, kind: str) -> dict[str, Any]:
    index = storage.absolute(index)
    folder = storage.parent(index)
    try:
        shards = sorted({str(name) for name in json.loads(storage.read_bytes(index))["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{what}: {storage.name(index)} is no index of shards: it has no weight_map") from error
    found: dict[str, Any] = {}
    for shard in shards:
        place = storage.join(folder, shard)
        if storage.parent(place) != folder or shard.endswith(_INDEX) or not storage.exists(place):
            raise WeightsError(f"{what}: {storage.name(index)} names the shard {shard!r:.80}, which is not beside it")
        part = _read_one(place, f"{what}: {shard}", kind)[0]
        found |= part if isinstance(part, Mapping) else {}
    return found


def _is_torchscript(data: bytes, what: str) -> bool:
    """Raises WeightsError where opening the archive would run what is in it."""
    file = io.BytesIO(data)
    if not zipfile.is_zipfile(file):
        return False
    archive = zipfile.ZipFile(file)
    code = [entry for entry in archive.infolist() if "/code/" in entry.filename]
    if any(b"__setstate__" in archive.read(entry) for entry in code):
        raise WeightsError(
            f"{what}: is a TorchScript archive whose __setstate__ would run when it is opened, and nothing that is in "
            "a file runs here; where it was made, write torch.save(model.state_dict(), FILE)"
        )
    return bool(code)


def _reason(error: Exception) -> str:
    """One line without the colours, and without the advice to run what is in the file, that torch's errors have."""
    text = without_colours(str(error)).strip()
    if found := re.search(r"\bGLOBAL ([\w.]+)", text):
        return (
            f"it is, or holds beside its tensors, a Python object ({found[1]}), and nothing but tensors is unpickled; "
            "where it was made, write torch.save(model.state_dict(), FILE)"
        )
    kind = type(error).__name__
    said = lines_of(text)[0] if text and "weights_only" not in text else kind
    return f"neither safetensors nor what torch.save writes ({said if len(said) > 3 else kind})"
