"""The model stage: crops of tracklets in, one outcome for each out, in order. A plain callable."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from par_model.errors import FailureCode, UsageError
from par_model.model.device import Device, Precision, choose_precision, local_device
from par_model.model.shipped import weights_uri
from par_model.model.weights import load_weights
from par_model.model.zero_shot import ZeroShot
from par_model.types import Crops, Failure, Prediction
from par_model.wording import lines_of, one_line, typed_line

Scores = list[tuple[NDArray[np.float32], NDArray[np.float32] | None]]

_MOST_PINNED = 256 << 20  # bytes of crops: pinned memory cannot be swapped out, and this is kept as long as the stage
_DEVICE_LOST = (torch.cuda.CudaError, *filter(None, [getattr(torch, "AcceleratorError", None)]))


class RecogniseStage:
    """Recognises batches of crops with one weights file on one device.

    weights: URI of a weights file, or ``demo``; loaded here, so build the stage where it will run.
    device: ``auto`` is the GPU if torch sees one. precision: ``auto`` is bf16 on a GPU, fp32 on a CPU; with
        bf16, what follows the side networks stays float32.
    batch_size: tracklets in one forward pass. Outcomes do not depend on it, beyond rounding.
    embedding: also give each tracklet's embedding; the whole image tower runs then.
    zero_shot: the image tower's embedding against the schema's texts (``ZeroShot``) instead of the trained network.
    compile: let ``torch.compile`` make the network's kernels: minutes at the start, less time for each batch.

    Raises WeightsError if the weights cannot be loaded, UsageError if there is no GPU for ``cuda``, ``torch.compile``
    cannot work here, or the weights are not for ``zero_shot``.
    """

    def __init__(
        self,
        weights: str,
        *,
        device: Device = "auto",
        precision: Precision = "auto",
        batch_size: int = 16,
        embedding: bool = False,
        zero_shot: bool = False,
        compile: bool = False,
    ) -> None:
        if batch_size < 1:
            raise UsageError(f"batch size {batch_size}: give at least 1")
        chosen = local_device(device)
        self.device = torch.device(chosen)
        self.precision = choose_precision(precision, chosen)
        self.batch_size = batch_size
        self.embedding = embedding
        recogniser, self.header = load_weights(weights_uri(weights))
        self._dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self.recogniser = recogniser.to(self.device).for_inference(self._dtype)
        self._zero_shot: ZeroShot | None = None
        if zero_shot:
            self.header.check_zero_shot()
            self._zero_shot = ZeroShot(self.recogniser, self.header.schema)
        self._network: Any = self.recogniser.embed if zero_shot else self.recogniser.recognise
        preprocess = self.header.preprocess
        self._size = (preprocess.height, preprocess.width)
        mean, std = (torch.tensor(v, device=self.device).view(3, 1, 1) for v in (preprocess.mean, preprocess.std))
        self._scale, self._shift = 1 / (255 * std), -mean / std
        self._pinned = torch.empty(0, dtype=torch.uint8)
        if compile:
            self._compile()

    def _compile(self) -> None:
        """Compiles on a blank batch, since a compiler that is missing must stop the job and not fail each tracklet."""
        self._network = torch.compile(self._network)
        frames = torch.zeros(2, self.header.config.frames, 3, *self._size, device=self.device, dtype=self._dtype)
        try:
            self._scores(frames)
        except Exception as error:
            reason = lines_of(error)[0]
            raise UsageError(
                f"--compile: torch.compile made no kernels here ({reason}): it needs a C++ compiler such as g++ for "
                "CPUs, and Triton for GPUs; or leave --compile out"
            ) from error

    def __call__(self, batch: Sequence[Crops | Failure]) -> list[Prediction | Failure]:
        """One outcome for each tracklet, in the order given; failures of what came before pass through. Nothing that
        one tracklet does fails another."""
        outcomes: list[Prediction | Failure | None] = [item if isinstance(item, Failure) else None for item in batch]
        for indices in self._passes(batch):
            chosen = [item for index in indices if not isinstance(item := batch[index], Failure)]
            for index, outcome in zip(indices, self._recognise_all(chosen), strict=True):
                outcomes[index] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _passes(self, batch: Sequence[Crops | Failure]) -> list[list[int]]:
        """Positions of the tracklets of each forward pass: as many frames each, at most batch_size."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, item in enumerate(batch):
            if not isinstance(item, Failure):
                by_shape.setdefault(item.pixels.shape, []).append(index)
        size = self.batch_size
        return [indices[at : at + size] for indices in by_shape.values() for at in range(0, len(indices), size)]

    def _recognise_all(self, batch: Sequence[Crops]) -> list[Prediction | Failure]:
        try:
            results = self._run(batch)
        except _DEVICE_LOST:
            raise  # the GPU itself is unusable now: the process must end, or every later tracklet fails with it
        except Exception as error:  # noqa: BLE001  # whatever the model does becomes one tracklet's failed row
            if len(batch) > 1:
                return [outcome for crops in batch for outcome in self._recognise_all([crops])]
            return [_failure(batch[0], typed_line(error))]
        return [_outcome(crops, *result) for crops, result in zip(batch, results, strict=True)]

    def _run(self, batch: Sequence[Crops]) -> Scores:
        _, *found, _ = batch[0].pixels.shape
        if tuple(found) != self._size:
            (height, width), (high, wide) = self._size, found
            raise ValueError(f"crops are {high}x{wide} pixels, the weights want {height}x{width}")
        scores, embeddings = self._scores(self._normalised(self._uploaded(batch)))
        given = [None] * len(batch) if embeddings is None else _numpy(embeddings)
        return list(zip(_numpy(scores), given, strict=True))

    def _uploaded(self, batch: Sequence[Crops]) -> Tensor:
        """The crops on the device, uint8 [B, T, H, W, 3]. To a GPU through memory that is pinned once and used again:
        fresh pages and an upload from pageable memory would take some ten milliseconds of each batch."""
        shape = (len(batch), *batch[0].pixels.shape)
        size = prod(shape)
        if self.device.type == "cpu" or size > _MOST_PINNED:
            return torch.from_numpy(np.stack([crops.pixels for crops in batch])).to(self.device)
        if self._pinned.numel() < size:
            self._pinned = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        pinned = self._pinned[:size].view(shape)
        np.stack([crops.pixels for crops in batch], out=pinned.numpy())
        return pinned.to(self.device)

    def _normalised(self, pixels: Tensor) -> Tensor:
        """[B, T, 3, H, W] in the network's type, rounded once."""
        return (pixels.permute(0, 1, 4, 2, 3) * self._scale + self._shift).to(self._dtype)

    @torch.inference_mode()
    def _scores(self, frames: Tensor) -> tuple[Tensor, Tensor | None]:
        """float32 [B, C], and if wanted the embeddings [B, D]."""
        if self._zero_shot is not None:
            embeddings = self._network(frames)
            return self._zero_shot(embeddings), embeddings if self.embedding else None
        logits, embeddings = self._network(frames, embed=self.embedding)
        return torch.sigmoid(logits.float()), embeddings


def _outcome(crops: Crops, scores: NDArray[np.float32], embedding: NDArray[np.float32] | None) -> Prediction | Failure:
    if not np.isfinite(scores).all() or (embedding is not None and not np.isfinite(embedding).all()):
        return _failure(crops, "the model's scores are not finite")
    return Prediction(
        row=crops.row,
        tracklet_id=crops.tracklet_id,
        num_frames=crops.num_frames,
        sampled_frames=crops.sampled_frames,
        scores=scores,
        embedding=embedding,
    )


def _failure(crops: Crops, message: str) -> Failure:
    return Failure(
        row=crops.row,
        tracklet_id=crops.tracklet_id,
        num_frames=crops.num_frames,
        code=FailureCode.MODEL_ERROR,
        message=one_line(message),
    )


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array
