"""Work units on their way from planning to the decode workers.

Ray Data holds the input of a graph in the object store from its start. Units of a million tracklets would take a
gigabyte of it, and of the memory of the process that plans; so they wait in one Arrow file on that process's disk, an
actor beside the file hands them out, and only their numbers travel through the graph. Even these cost that process
45 kB and 1.5 ms for each block of the graph's input, so that a block has several numbers where there are many units.

The same actor keeps count of work that was begun and never ended. Ray gives the work of a worker that died to another,
for ever; work that ends whoever takes it is found out here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from par_model.errors import ClusterError
from par_model.scratch import scratch_folder

_NUMBER = "unit"
_MOST_BLOCKS = 4096  # which many hundreds of workers still share out evenly
_MOST_TRIES = 2
_MOST_DEATHS = 20


@dataclass(frozen=True)
class Units:
    """Planned units by number, 0 to ``count - 1``, fetched from any machine of the cluster."""

    count: int
    _server: Any
    _most_deaths: int

    def numbers(self) -> list[pa.Table]:
        """Tables of a row a unit: what travels through the graph in its place. Each is the work of one task."""
        numbers = pa.array(range(self.count), pa.int64())
        each = max(1, -(-self.count // _MOST_BLOCKS))
        return [pa.table({_NUMBER: numbers[start : start + each]}) for start in range(0, self.count, each)]

    def fetch(self, numbers: pa.Table) -> Iterator[pa.Table]:
        """The units that ``numbers`` stand for, one after the other."""
        for number in numbers[_NUMBER].to_pylist():
            yield ray.get(self._server.unit.remote(number))

    def begin(self, work: str) -> bool:
        """Say that ``work`` begins; False if it should not, since it ended two workers that had begun it.

        Raises ClusterError where workers do nothing but die.
        """
        begun, deaths_on_end = ray.get(self._server.begin.remote(work))
        if deaths_on_end > self._most_deaths:
            raise ClusterError(
                f"{deaths_on_end} workers died one after the other, and none of them got anything done: see what "
                f"ended them (memory? a broken driver or library?); the same command again goes on from here"
            )
        return bool(begun <= _MOST_TRIES)

    def end(self, work: str) -> None:
        """Say that ``work`` is done."""
        self._server.end.remote(work)


@contextmanager
def served(units: Iterator[pa.Table]) -> Iterator[Units]:
    """Write all units to this machine's disk and serve them until exit."""
    with scratch_folder("units") as folder:
        path = Path(folder) / "units.arrow"
        count = _write(units, path)
        if count == 0:
            yield Units(0, None, _MOST_DEATHS)
            return
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # The file outlives the actor: one that dies is started again and goes on.
        actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)(_UnitServer)  # type: ignore[call-overload]
        server = actor.remote(str(path))
        try:
            yield Units(count, server, _MOST_DEATHS)
        finally:
            ray.kill(server)


def _write(units: Iterator[pa.Table], path: Path) -> int:
    first = next(units, None)
    if first is None:
        return 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, first.schema) as file:
        count = 0
        for unit in chain([first], units):
            [batch] = unit.combine_chunks().to_batches()
            file.write_batch(batch)
            count += 1
    return count


class _UnitServer:
    def __init__(self, path: str) -> None:
        self._file = pa.ipc.open_file(pa.memory_map(path))
        self._begun: Counter[str] = Counter()
        self._deaths_on_end = 0

    def unit(self, number: int) -> pa.Table:
        return pa.Table.from_batches([self._file.get_batch(number)])

    def begin(self, work: str) -> tuple[int, int]:
        self._begun[work] += 1
        self._deaths_on_end += self._begun[work] > 1
        return self._begun[work], self._deaths_on_end

    def end(self, work: str) -> None:
        del self._begun[work]
        self._deaths_on_end = 0
