"""Stages that wait rather than compute, so that many of them fit on few cores.

A module of its own, since Ray's workers import it by name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pyarrow as pa

from benchmarks.stand_ins import NoDecoding, NoNetwork

DECODE_SECONDS = 8.0  # a unit
MODEL_SECONDS = 0.5  # a table of crops


class WaitingDecode(NoDecoding):
    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        time.sleep(DECODE_SECONDS)
        yield from super().__call__(unit)


class WaitingNetwork(NoNetwork):
    def __call__(self, table: pa.Table) -> pa.Table:
        time.sleep(MODEL_SECONDS)
        return super().__call__(table)
