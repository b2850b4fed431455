"""The same stages in one process: a for loop."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from par_model.inference.options import StageSettings
from par_model.inference.stages import DecodeTables, RecogniseTables
from par_model.model.device import Device, RealDevice, local_device


class LocalRunner:
    """Runs units one after the other in this process. Device ``auto`` is CUDA where there is a GPU."""

    decode_workers = 1

    def __init__(self, device: Device) -> None:
        self._wanted = device

    def device(self) -> RealDevice:
        """Where the model will run. Raises UsageError for CUDA where torch sees no GPU."""
        return local_device(self._wanted)

    def outcomes(self, units: Iterator[pa.Table], settings: StageSettings) -> Iterator[pa.Table]:
        """Outcomes (OUTCOME_WIRE_SCHEMA) as they come."""
        recognise = RecogniseTables(settings)
        decode = DecodeTables(settings)
        try:
            for unit in units:
                for crops in decode(unit):
                    yield recognise(crops)
        finally:
            decode.close()
