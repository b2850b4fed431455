"""The two stages as callables on Arrow tables: what Ray Data maps over blocks, and a for loop over units.

Nothing that one tracklet or one video does leaves a stage as an exception: the stages of video/ and model/ turn it into
a failed row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pyarrow as pa

from par_model.errors import FailureCode
from par_model.inference.options import StageSettings
from par_model.inference.wire import (
    Work,
    crops_to_table,
    outcomes_to_table,
    table_to_crops,
    video_number,
    worker_number,
)
from par_model.manifest.tracklets import tracklets
from par_model.types import Crops, Failure, Outcome
from par_model.video.stage import DecodeStage

_TABLE_BYTES = 32 * 2**20
_CRASHED, _MODEL_ERROR = FailureCode.VIDEO_CRASHED, FailureCode.MODEL_ERROR


class DecodeTables:
    """Manifest rows of a work unit in, tables of crops out (CROPS_SCHEMA), each small enough to travel."""

    def __init__(self, settings: StageSettings) -> None:
        self._stage = DecodeStage(settings.preprocess, settings.sampling, settings.decode)
        self._rows = settings.batch_size

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        """Yields as soon as a batch of tracklets is complete; every row of the unit comes out once."""
        work = Work()
        waiting: list[Crops | Failure] = []
        waiting_bytes = 0
        before = self._stage.counters.copy()
        items = self._stage(t for batch in unit.to_batches() for t in tracklets(batch))
        while True:
            started = time.perf_counter()
            item = next(items, None)
            work.decode_seconds += time.perf_counter() - started
            if item is not None:
                waiting.append(item)
                waiting_bytes += item.pixels.nbytes if isinstance(item, Crops) else 0
                if len(waiting) < self._rows and waiting_bytes < _TABLE_BYTES:
                    continue
            if waiting:
                after = self._stage.counters.copy()
                did = after.since(before)
                work.counts = did.numbers()
                work.several_tracks = {video_number(uri) for uri in did.several_tracks}
                work.decode_worker = worker_number()
                yield crops_to_table(waiting, work)
                waiting, waiting_bytes, work, before = [], 0, Work(), after
            if item is None:
                return

    def failed(self, unit: pa.Table) -> pa.Table:
        """Failed rows for tracklets whose decoding ended the processes of the workers that tried it."""
        message = "the worker that decodes ended while it read this, and so did another"
        outcomes = [
            t if isinstance(t, Failure) else Failure(t.row, t.tracklet_id, t.num_frames, _CRASHED, message)
            for batch in unit.to_batches()
            for t in tracklets(batch)
        ]
        return crops_to_table(outcomes, Work())

    def close(self) -> None:
        """End the decoding process."""
        self._stage.close()


class RecogniseTables:
    """Tables of crops in, tables of outcomes out (OUTCOME_WIRE_SCHEMA), row for row.

    hang_seconds, hang_seconds_a_row: a call that takes longer, on any device, will never end.
    """

    hang_seconds, hang_seconds_a_row = 900.0, 60.0

    def __init__(self, settings: StageSettings) -> None:
        # Here, since it loads torch, for which workers that decode and the driver would wait.
        from par_model.model.stage import RecogniseStage

        self._preprocess = settings.preprocess
        self._stage = RecogniseStage(
            settings.weights,
            device=settings.device,
            precision=settings.precision,
            batch_size=settings.batch_size,
            compile=settings.compile,
            embedding=settings.embedding,
            zero_shot=settings.zero_shot,
        )

    def __call__(self, table: pa.Table) -> pa.Table:
        work = Work.of(table)
        work.model_worker = worker_number()
        started = time.perf_counter()
        outcomes = self._stage(table_to_crops(table, self._preprocess))
        work.model_seconds += time.perf_counter() - started
        return outcomes_to_table(outcomes, work)

    def most_seconds(self, rows: int) -> float:
        """How long a call with so many rows may take."""
        return self.hang_seconds + self.hang_seconds_a_row * rows

    def failed(self, table: pa.Table) -> pa.Table:
        """Failed rows for tracklets that ended the processes of the workers that tried to recognise them."""
        message = "the worker that runs the model ended while it had this tracklet, and so did another"
        outcomes: list[Outcome] = [
            i if isinstance(i, Failure) else Failure(i.row, i.tracklet_id, i.num_frames, _MODEL_ERROR, message)
            for i in table_to_crops(table, self._preprocess)
        ]
        return outcomes_to_table(outcomes, Work.of(table))
