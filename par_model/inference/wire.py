"""The domain types as Arrow tables, in which they travel between stages.

Every row is one tracklet on its way, failed or not, so that no row can get lost between two stages. Work that a stage
did rides along as numbers in the first row of each table: seconds busy, frames decoded, frames that had to be passed.
"""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from par_model.errors import FailureCode
from par_model.runs.outcome import OUTCOME_SCHEMA
from par_model.types import Crops, Failure, Outcome, Preprocess
from par_model.video.counters import NUMBERS

_SECONDS = ("decode_seconds", "model_seconds")
_WORKERS = ("decode_worker", "model_worker")
_SEVERAL = pa.field("several_tracks", pa.list_(pa.int64()))
_WORK_FIELDS = [
    *(pa.field(name, pa.float64()) for name in _SECONDS),
    *(pa.field(name, pa.int64()) for name in (*NUMBERS, *_WORKERS)),
    _SEVERAL,
]
WORK_NAMES = tuple(f.name for f in _WORK_FIELDS)

CROPS_SCHEMA = pa.schema(
    [
        *(OUTCOME_SCHEMA.field(n) for n in ("_row", "tracklet_id", "num_frames", "error", "message", "sampled_frames")),
        pa.field("pixels", pa.large_binary()),  # uint8 [T, H, W, 3], row-major
        *_WORK_FIELDS,
    ]
)
OUTCOME_WIRE_SCHEMA = pa.schema([*OUTCOME_SCHEMA, *_WORK_FIELDS])


@dataclass
class Work:
    """What stages did since they last said so. The worker is a number of its own for each process, 0 for none.

    counts: those of the decode stage's counters that are numbers, by name; what is not named is 0.
    several_tracks: the numbers (``video_number``) of the videos met that have several moving tracks.
    """

    decode_seconds: float = 0.0
    model_seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    decode_worker: int = 0
    model_worker: int = 0
    several_tracks: set[int] = field(default_factory=set)

    def columns(self, rows: int) -> dict[str, object]:
        """Columns of ``rows`` rows that carry these numbers in the first."""
        columns: dict[str, object] = {_SEVERAL.name: [sorted(self.several_tracks), *[None] * (rows - 1)]}
        for number in _WORK_FIELDS[:-1]:
            values = np.zeros(rows, number.type.to_pandas_dtype())
            values[0] = self.counts.get(number.name, 0) if number.name in NUMBERS else getattr(self, number.name)
            columns[number.name] = values
        return columns

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """The numbers that ride in a table, which may have been put together from several."""
        seconds = {name: table[name].to_numpy().sum().item() for name in _SECONDS}
        workers = {name: table[name].to_numpy().max().item() for name in _WORKERS}
        counts = {name: table[name].to_numpy().sum().item() for name in NUMBERS}
        several = set(pc.list_flatten(table[_SEVERAL.name]).to_pylist())
        return cls(**seconds, **workers, counts=counts, several_tracks=several)


def worker_number() -> int:
    """A number that tells this process from the others of the job."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{socket.gethostname()} {os.getpid()}").int >> 65


def video_number(uri: str) -> int:
    """A number that tells a video from the others of the job."""
    return int.from_bytes(hashlib.blake2b(uri.encode(), digest_size=8).digest(), signed=True)


def crops_to_table(items: Sequence[Crops | Failure], work: Work) -> pa.Table:
    """CROPS_SCHEMA, row for row. ``items`` must not be empty."""
    columns = _common_columns(items)
    columns["pixels"] = [i.pixels.tobytes() if isinstance(i, Crops) else None for i in items]
    return pa.table(columns | work.columns(len(items)), schema=CROPS_SCHEMA)


def table_to_crops(table: pa.Table, preprocess: Preprocess) -> list[Crops | Failure]:
    """The inverse of ``crops_to_table``; pixels are views of the table's memory."""
    items: list[Crops | Failure] = []
    columns = [table[name].to_pylist() for name in ("_row", "tracklet_id", "num_frames", "error", "message")]
    for index, (row, tracklet_id, num_frames, error, message) in enumerate(zip(*columns, strict=True)):
        if error is not None:
            items.append(Failure(row, tracklet_id, num_frames, FailureCode(error), message))
            continue
        pixels = np.frombuffer(table["pixels"][index].as_buffer(), np.uint8)
        items.append(
            Crops(
                row=row,
                tracklet_id=tracklet_id,
                num_frames=num_frames,
                sampled_frames=table["sampled_frames"][index].values.to_numpy(),
                pixels=pixels.reshape(-1, preprocess.height, preprocess.width, 3),
            )
        )
    return items


def outcomes_to_table(items: Sequence[Outcome], work: Work) -> pa.Table:
    """OUTCOME_WIRE_SCHEMA, row for row. ``items`` must not be empty."""
    columns = _common_columns(items)
    columns["scores"] = [None if isinstance(i, Failure) else i.scores for i in items]
    columns["embedding"] = [None if isinstance(i, Failure) else i.embedding for i in items]
    return pa.table(columns | work.columns(len(items)), schema=OUTCOME_WIRE_SCHEMA)


def _common_columns(items: Sequence[Crops | Outcome]) -> dict[str, object]:
    return {
        "_row": [i.row for i in items],
        "tracklet_id": [i.tracklet_id for i in items],
        "num_frames": [i.num_frames for i in items],
        "error": [i.code.value if isinstance(i, Failure) else None for i in items],
        "message": [i.message if isinstance(i, Failure) else None for i in items],
        "sampled_frames": [None if isinstance(i, Failure) else i.sampled_frames for i in items],
    }
