"""Where the stages of a tracking job run: what the loop in this process and Ray's runner have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from par_model.model.device import Device, RealDevice, local_device
from par_model.runs.spread import Item, Result, one_by_one
from par_model.tracking.batches import found_to_table
from par_model.tracking.stages import FindPeople, PassVideos, TrackSettings, VideoUnit


class TrackRunner(Protocol):
    """Where the stages run. ``found`` yields tables of FOUND_SCHEMA, each batch of each unit once or more, in no
    order; ``spread`` gives what ``work`` makes of each item; ``shares`` says whether what does so sees a place as this
    process does. workers: how many there are of each stage."""

    @property
    def workers(self) -> tuple[int, int]: ...

    def device(self) -> RealDevice: ...

    def found(self, units: Sequence[VideoUnit], settings: TrackSettings) -> Iterator[pa.Table]: ...

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]: ...

    def shares(self, uri: str) -> bool: ...


class LocalTracking:
    """One video after the other, in this process and the one that decodes for it.

    threads: of the detector; as many as there are CPUs, but for one, unless said.
    """

    workers = (1, 1)

    def __init__(self, device: Device, threads: int | None = None) -> None:
        self._wanted = device
        # One core is left to the process that decodes: threads that have none wait for it busily.
        self.threads = max(1, (os.cpu_count() or 1) - 1) if threads is None else threads

    def device(self) -> RealDevice:
        """Where the detector will run. Raises UsageError for CUDA where torch sees no GPU."""
        return local_device(self._wanted)

    def found(self, units: Sequence[VideoUnit], settings: TrackSettings) -> Iterator[pa.Table]:
        """Tables of FOUND_SCHEMA as they come."""
        find = FindPeople(settings, self.device(), self.threads)
        passing = PassVideos(settings)
        try:
            for unit in units:
                for batch in passing(unit):
                    yield found_to_table([find(batch)])
        finally:
            passing.close()

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What ``work`` makes of each item."""
        return one_by_one(work, items)

    def shares(self, uri: str) -> bool:
        """Whether what does the work sees a place as this process does."""
        return True
