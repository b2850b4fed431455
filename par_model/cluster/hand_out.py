"""Work units on their way from where they were planned to the decode workers.

Ray Data holds the input of a graph in the object store from its start, and each block of it costs the process that the
user starts some kB and a millisecond. So units stay in their files, only their numbers travel through the graph, a
block has several of them, and a worker reads its units itself. Where workers do not see the files, an actor beside the
files reads for them.

An actor also keeps count of work that was begun and never ended. Ray gives the work of a worker that died to another,
for ever; work that ends whoever takes it is found out here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from par_model.errors import ClusterError
from par_model.inference.planned import Units

_NUMBER = "unit"
_BLOCKS_A_WORKER = 8  # so that they end at about the same time
_BLOCKS = (64, 4096)
_MOST_TRIES = 2
_MOST_DEATHS = 20


@dataclass(frozen=True)
class Served:
    """Units within reach of every worker. server: keeps count. by_server: whether it reads for workers. units: None
    where work is only counted."""

    units: Units | None
    server: Any
    by_server: bool
    most_deaths: int

    def fetch(self, numbers: pa.Table) -> Iterator[pa.Table]:
        """What is to be done of the units that ``numbers`` stand for, one after the other."""
        for number in numbers[_NUMBER].to_pylist():
            assert self.units is not None
            unit = ray.get(self.server.read.remote(number)) if self.by_server else self.units.read(number)
            if len(unit):
                yield unit

    def begin(self, work: str) -> bool:
        """Say that ``work`` begins; False if it should not, since it ended two workers that had begun it.

        Raises ClusterError where workers do nothing but die.
        """
        begun, deaths_on_end = ray.get(self.server.begin.remote(work))
        if deaths_on_end > self.most_deaths:
            raise ClusterError(
                f"{deaths_on_end} workers died one after the other, and none of them got anything done: see what "
                f"ended them (memory? a broken driver or library?); the same command again goes on from here"
            )
        return bool(begun <= _MOST_TRIES)

    def end(self, work: str) -> None:
        """Say that ``work`` is done."""
        self.server.end.remote(work)


def blocks(numbers: NDArray[np.int64], workers: int) -> list[pa.Table]:
    """Tables of a row a unit: what travels through the graph in its place. Each is the work of one task, of which each
    worker gets several."""
    least, most = _BLOCKS
    count = min(most, max(least, _BLOCKS_A_WORKER * workers), len(numbers))
    return [pa.table({_NUMBER: some}) for some in np.array_split(numbers, count)] if count else []


@contextmanager
def served(units: Units | None, *, shared: bool) -> Iterator[Served]:
    """Units that workers fetch until exit. shared: whether workers see the files as this process does. Without units,
    an actor that keeps count alone."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # The files outlive the actor: one that dies is started again and goes on.
    actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)(_Server)  # type: ignore[call-overload]
    server = actor.remote(None if shared else units)
    try:
        yield Served(units, server, not shared, _MOST_DEATHS)
    finally:
        ray.kill(server)


class _Server:
    def __init__(self, units: Units | None) -> None:
        self._units = units
        self._begun: Counter[str] = Counter()
        self._deaths_on_end = 0

    def read(self, number: int) -> pa.Table:
        assert self._units is not None
        return self._units.read(number)

    def begin(self, work: str) -> tuple[int, int]:
        self._begun[work] += 1
        self._deaths_on_end += self._begun[work] > 1
        return self._begun[work], self._deaths_on_end

    def end(self, work: str) -> None:
        del self._begun[work]
        self._deaths_on_end = 0
