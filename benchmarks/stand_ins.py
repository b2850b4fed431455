"""Stages that cost nothing, in the place of decoding and of the network: what is left is the travel between them.

A module of its own, since Ray's workers import it by name.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from par_model.attributes import load_schema
from par_model.inference.options import StageSettings
from par_model.inference.stages import DecodeTables, RecogniseTables
from par_model.types import Crops, Prediction, Tracklet
from par_model.video.counters import Counters

FRAMES = 6
SLOW_SECONDS = 0.004  # a tracklet


class BlankCrops:
    """In the place of DecodeStage."""

    def __init__(self, settings: StageSettings) -> None:
        self._shape = (FRAMES, settings.preprocess.height, settings.preprocess.width, 3)
        self.counters = Counters()

    def __call__(self, tracklets: Iterable[Tracklet]) -> Iterator[Crops]:
        for t in tracklets:
            frames = np.arange(FRAMES, dtype=np.int32)
            yield Crops(t.row, t.tracklet_id, t.num_frames, frames, np.zeros(self._shape, np.uint8))


class NoDecoding(DecodeTables):
    def __init__(self, settings: StageSettings) -> None:
        self._stage = BlankCrops(settings)  # type: ignore[assignment]
        self._rows = settings.batch_size


class SameAnswer:
    """In the place of RecogniseStage."""

    def __init__(self) -> None:
        self._scores = np.full(load_schema("street").num_classes, 0.25, np.float32)

    def __call__(self, batch: list[Crops]) -> list[Prediction]:
        return [
            Prediction(crops.row, crops.tracklet_id, crops.num_frames, crops.sampled_frames, self._scores)
            for crops in batch
        ]


class NoNetwork(RecogniseTables):
    def __init__(self, settings: StageSettings) -> None:
        self._preprocess = settings.preprocess
        self._stage = SameAnswer()  # type: ignore[assignment]


class SlowNetwork(NoNetwork):
    """As the network, a stage that decoding runs ahead of: crops pile up as far as they are allowed to."""

    def __call__(self, table: pa.Table) -> pa.Table:
        time.sleep(SLOW_SECONDS * len(table))
        return super().__call__(table)


class PassOn:
    """Gives what it gets."""

    def __call__(self, block: pa.Table) -> pa.Table:
        return block
