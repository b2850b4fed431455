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
from par_model.inference.wire import CROPS_SCHEMA, OUTCOME_WIRE_SCHEMA
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


class TablesAtOnce(DecodeTables):
    """Crops without pixels, a table for each unit, and nothing done row by row."""

    def __init__(self, settings: StageSettings) -> None: ...

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        yield _filled(unit, CROPS_SCHEMA, {})


class AnswersAtOnce(RecogniseTables):
    """The same scores for every tracklet, a table at a time."""

    def __init__(self, settings: StageSettings) -> None:
        self._classes = load_schema("street").num_classes

    def __call__(self, table: pa.Table) -> pa.Table:
        return answers(table, self._classes)


def answers(rows: pa.Table, classes: int) -> pa.Table:
    """Outcomes (OUTCOME_WIRE_SCHEMA) of rows that have ``_row`` and ``tracklet_id``."""
    scores = pa.array(np.full(len(rows) * classes, 0.25, np.float32))
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * classes)
    found = {
        "num_frames": pa.repeat(pa.scalar(40, pa.int32()), len(rows)),
        "sampled_frames": pa.repeat(pa.scalar([1, 2, 3], pa.list_(pa.int32())), len(rows)),
        "scores": pa.ListArray.from_arrays(offsets, scores),
    }
    return _filled(rows, OUTCOME_WIRE_SCHEMA, found)


def _filled(rows: pa.Table, schema: pa.Schema, found: dict[str, pa.Array]) -> pa.Table:
    """A table of a schema: ``_row`` and ``tracklet_id`` of some rows, what was found, else nought or null."""
    found = {"_row": rows["_row"], "tracklet_id": rows["tracklet_id"]} | found
    return pa.table([found[f.name] if f.name in found else _nothing(f.type, len(rows)) for f in schema], schema=schema)


def _nothing(kind: pa.DataType, rows: int) -> pa.Array:
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return pa.repeat(pa.scalar(0, kind), rows) if numeric else pa.nulls(rows, kind)
