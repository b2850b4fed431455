"""What the outputs of a network file mean: the two ways in which detectors in OpenVINO IR and ONNX answer.

SSD: one output [1, 1, n, 7], a row an image number, class, score, and the corners as shares of the picture; the first
row with a negative image number ends it, and what follows is filling ("DetectionOutput" of OpenVINO's operation sets).

Boxes: one output [n, 4], or [n, 5] with the score as the fifth, in pixels of the network's own input; beside it scores
[n] as floats and classes [n] as whole numbers, each with or without a leading dimension of 1. So answer what
torchvision exports, the newer detectors of the Open Model Zoo, and RT-DETR and D-FINE as their authors export them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from par_model.errors import WeightsError

_ACCEPTED = "expected one of [1, 1, n, 7], or boxes [n, 4] or [n, 5] with scores [n] and whole-numbered classes [n]"
_RELATIVE = 2.0  # pixels; boxes of a picture's pixels that all end before that are shares of it


class NetworkOutput(NamedTuple):
    """One output as the file declares it. shape: None where a side is not fixed. is_whole: whether of whole numbers."""

    name: str
    shape: tuple[int | None, ...]
    is_whole: bool


class RawAnswer(NamedTuple):
    """boxes [n, 4] as shares of the picture, scores [n], classes [n]; None if there is one class only."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64] | None


@dataclass(frozen=True)
class NetworkAnswer:
    """Which output is what, by position. is_ssd: the one output is SSD's; then nothing else is set."""

    is_ssd: bool
    boxes: int = 0
    scores: int | None = None
    classes: int | None = None

    @property
    def has_classes(self) -> bool:
        return self.is_ssd or self.classes is not None

    def read(self, outputs: Sequence[NDArray[np.generic]], *, height: int, width: int) -> RawAnswer:
        """From the outputs of one picture; height and width are those of the network's input.

        Raises ValueError if they are not what the file declared, or boxes are shares where pixels are meant.
        """
        if self.is_ssd:
            return _ssd(np.asarray(outputs[0], np.float64).reshape(-1, 7))
        boxes = np.asarray(outputs[self.boxes], np.float64)
        boxes = boxes.reshape(-1, boxes.shape[-1])
        scores = boxes[:, 4] if self.scores is None else np.asarray(outputs[self.scores], np.float64).reshape(-1)
        classes = None if self.classes is None else np.asarray(outputs[self.classes]).astype(np.int64).reshape(-1)
        if len(scores) != len(boxes) or (classes is not None and len(classes) != len(boxes)):
            raise ValueError(f"the detector gave {len(boxes)} boxes, but not as many scores and classes")
        corners = boxes[:, :4]
        if len(corners) and np.abs(corners).max() <= _RELATIVE:
            raise ValueError(
                f"the detector gave boxes up to {np.abs(corners).max():.2f}: shares of the picture, where pixels of "
                f"the network's input, {height} x {width}, are meant; export it with boxes in pixels"
            )
        return RawAnswer(corners / (width, height, width, height), scores, classes)


def answer_of(outputs: Sequence[NetworkOutput], what: str) -> NetworkAnswer:
    """How a network answers, by the names, types and shapes of its outputs. Raises WeightsError if in neither way."""
    if len(outputs) == 1 and len(outputs[0].shape) == 4 and outputs[0].shape[-1] == 7:
        return NetworkAnswer(is_ssd=True)
    boxes = [at for at, out in enumerate(outputs) if not out.is_whole and _rank(out) == 2 and out.shape[-1] in (4, 5)]
    classes = [at for at, out in enumerate(outputs) if out.is_whole and _rank(out) == 1]
    scores = [at for at, out in enumerate(outputs) if not out.is_whole and _rank(out) == 1]
    has_fifth = len(boxes) == 1 and outputs[boxes[0]].shape[-1] == 5
    if (
        len(boxes) != 1
        or len(scores) != (0 if has_fifth else 1)
        or len(classes) > 1
        or len(outputs) != 1 + len(scores) + len(classes)
    ):
        found = ", ".join(f"{out.name or 'an unnamed one'} {_shape(out)}" for out in outputs)
        raise WeightsError(f"{what}: its outputs are {found}: {_ACCEPTED}")
    return NetworkAnswer(False, boxes[0], scores[0] if scores else None, classes[0] if classes else None)


def _ssd(rows: NDArray[np.float64]) -> RawAnswer:
    ends = np.flatnonzero(rows[:, 0] < 0)
    rows = rows[: ends[0]] if len(ends) else rows
    return RawAnswer(rows[:, 3:], rows[:, 2], rows[:, 1].astype(np.int64))


def _rank(output: NetworkOutput) -> int:
    """Without leading dimensions of 1. That of a batch may be open; a list's own length often is."""
    shape = list(output.shape)
    wanted = 2 if shape and shape[-1] in (4, 5) and not output.is_whole else 1
    while len(shape) > wanted and shape[0] in (1, None):
        shape.pop(0)
    return len(shape)


def _shape(output: NetworkOutput) -> str:
    return f"[{', '.join('?' if side is None else str(side) for side in output.shape)}]"
