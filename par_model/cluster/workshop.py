"""Parts of outcomes, written by workers beside the blocks that hold them: this process sees references alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray
import ray.exceptions

from par_model.cluster.ray_errors import par_error
from par_model.cluster.spread import MOST_RETRIES
from par_model.inference.keep import Elsewhere, Kept, write_kept
from par_model.runs.parts import PartToWrite


@dataclass(frozen=True)
class OutcomeBlock:
    """A table of outcomes in Ray's object store."""

    reference: Any
    num_rows: int
    nbytes: int

    def fetched(self, seconds: float) -> pa.Table:
        """The table. Raises ClusterError if it is lost, or takes longer."""
        try:
            return ray.get(self.reference, timeout=seconds)
        except ray.exceptions.RayError as error:
            raise par_error(error) from error


class PartTask:
    """A part that a task writes."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def kept(self, seconds: float) -> Kept | None:
        """What was written; None if it takes longer. Raises what the task raised on purpose, or ClusterError."""
        ready, _ = ray.wait([self._reference], timeout=seconds)
        if not ready:
            return None
        try:
            kept: Kept = ray.get(self._reference)
        except ray.exceptions.RayError as error:
            raise par_error(error) from error
        return kept


class RayWorkshop:
    """Tasks that write parts. They take no CPU from the stages, whose actors may have them all, and are spread over all
    machines: by itself Ray would start those that want no CPU beside the process that the user started."""

    def __init__(self) -> None:
        self._task: Any = ray.remote(num_cpus=0, max_retries=MOST_RETRIES, scheduling_strategy="SPREAD")(write_kept)

    def write(self, part: PartToWrite, outcomes: Sequence[pa.Table | Elsewhere]) -> PartTask:
        """Have a part written of outcomes."""
        blocks = [some.reference if isinstance(some, OutcomeBlock) else some for some in outcomes]
        return PartTask(self._task.remote(part, *blocks))
