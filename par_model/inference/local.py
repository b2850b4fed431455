"""The same stages in one process: a for loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa

from par_model.errors import UsageError
from par_model.inference.options import StageSettings
from par_model.inference.stages import DecodeTables, RecogniseTables


class LocalRunner:
    """Runs units one after the other in this process. Device ``auto`` is CUDA where there is a GPU."""

    decode_workers = 1

    def __init__(self, device: Literal["auto", "cpu", "cuda"]) -> None:
        self._wanted = device

    def device(self) -> Literal["cpu", "cuda"]:
        """Where the model will run. Raises UsageError for CUDA where torch sees no GPU."""
        if self._wanted == "cpu":
            return "cpu"
        import torch

        if torch.cuda.is_available():
            return "cuda"
        if self._wanted == "cuda":
            raise UsageError("--device cuda, but torch sees no GPU here: use --device cpu or auto")
        return "cpu"

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
