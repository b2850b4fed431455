"""What training goes on from: ``OUT/_checkpoint.safetensors``, written after each epoch, whole or not at all.

One file, so that weights, optimisers and history can never be of different epochs: ``model.*`` are the tensors that
training changes, ``adam.*`` and ``muon.*`` the optimisers'; its metadata is one JSON text with the history. Nothing is
unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch

from par_model import storage
from par_model.errors import OutputError
from par_model.model.recogniser import Recogniser
from par_model.video.options import BEFORE_RECORDED

NAME = "_checkpoint.safetensors"
_STATE = {"adam": ("step", "exp_avg", "exp_avg_sq"), "muon": ("momentum",)}  # by optimiser, of each parameter


@dataclass
class History:
    """One row an epoch, in order, and the epoch with the best weights so far. run: whom it belongs to."""

    run: dict[str, Any]
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    thresholds: list[float] = field(default_factory=list)
    last_thresholds: list[float] = field(default_factory=list)

    @property
    def next_epoch(self) -> int:
        return len(self.epochs) + 1


def learned_names(recogniser: Recogniser) -> list[str]:
    """Names of the tensors that training changes: what requires a gradient, and BatchNorm's statistics."""
    names = [name for name, parameter in recogniser.named_parameters() if parameter.requires_grad]
    return names + [name for name, _ in recogniser.named_buffers() if name.startswith("bn.")]


def save_checkpoint(
    uri: str, recogniser: Recogniser, optimisers: Sequence[torch.optim.Optimizer], history: History
) -> None:
    """Raises StorageError if the place cannot be written."""
    state = recogniser.state_dict()
    tensors = {f"model.{name}": state[name] for name in learned_names(recogniser)}
    for name, parameter in recogniser.named_parameters():
        for optimiser in optimisers:
            for key, value in optimiser.state.get(parameter, {}).items():
                tensors[f"{_kind(optimiser)}.{key}.{name}"] = value
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    storage.write_bytes(uri, safetensors.torch.save(ready, metadata={"history": json.dumps(vars(history))}))


def load_history(uri: str, run: dict[str, Any]) -> History:
    """The history of the run so far; an empty one where there is no checkpoint. Raises OutputError, StorageError."""
    data = _read(uri)
    return History(run) if data is None else _history(uri, data, run)


def load_checkpoint(
    uri: str, recogniser: Recogniser, optimisers: Sequence[torch.optim.Optimizer], run: dict[str, Any]
) -> History:
    """Put recogniser and optimisers back to the last whole epoch. Raises OutputError, StorageError."""
    data = _read(uri)
    if data is None:
        return History(run)
    history = _history(uri, data, run)
    tensors = safetensors.torch.load(data)
    model = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    if set(model) != set(learned_names(recogniser)):
        raise OutputError(f"{uri}: its tensors are not those that this run trains: give another --output")
    recogniser.load_state_dict(model, strict=False)
    for name, parameter in recogniser.named_parameters():
        for optimiser in optimisers:
            found = {key: tensors.get(f"{_kind(optimiser)}.{key}.{name}") for key in _STATE[_kind(optimiser)]}
            state = {key: tensor.to(parameter.device) for key, tensor in found.items() if tensor is not None}
            if state:
                optimiser.state[parameter] = state
    return history


def _kind(optimiser: torch.optim.Optimizer) -> str:
    return type(optimiser).__name__.lower()


def _read(uri: str) -> bytes | None:
    try:
        return storage.read_bytes(uri)
    except storage.PlaceError as error:
        if error.reason is storage.Reason.NOT_FOUND:
            return None
        raise


def _history(uri: str, data: bytes, run: dict[str, Any]) -> History:
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        history = History(**json.loads(header["__metadata__"]["history"]))
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{uri}: is not a checkpoint of this program ({error}): give another --output") from error
    if BEFORE_RECORDED | history.run != run:
        raise OutputError(f"{uri}: belongs to another run: give another --output")
    return history
