"""The same stages in one process: a for loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from par_model.inference.options import StageSettings
from par_model.inference.planned import Units
from par_model.inference.stages import DecodeTables, RecogniseTables
from par_model.model.device import Device, RealDevice, local_device
from par_model.runs.spread import Item, Result, one_by_one


class LocalRunner:
    """Runs units one after the other in this process. Device ``auto`` is CUDA where there is a GPU."""

    decode_workers = 1

    def __init__(self, device: Device) -> None:
        self._wanted = device

    def device(self) -> RealDevice:
        """Where the model will run. Raises UsageError for CUDA where torch sees no GPU."""
        return local_device(self._wanted)

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[pa.Table]:
        """Outcomes (OUTCOME_WIRE_SCHEMA) as they come."""
        recognise = RecogniseTables(settings)
        decode = DecodeTables(settings)
        try:
            for unit in units:
                for crops in decode(unit):
                    yield recognise(crops)
        finally:
            decode.close()

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What ``work`` makes of each item."""
        return one_by_one(work, items)

    def workshop(self) -> None:
        """Nobody else writes parts."""

    def shares(self, uri: str) -> bool:
        """Whether what does the work sees a place as this process does."""
        return True
