"""Work units on their way from the plan to the decode workers.

Ray Data holds the input of a graph in the object store from its start. Units of a million tracklets would take a
gigabyte of it, and of the memory of the process that plans; so they wait in one Arrow file on that process's disk, an
actor beside the file hands them out, and only their numbers travel through the graph.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_NUMBER = "unit"


@dataclass(frozen=True)
class Units:
    """Planned units by number, 0 to ``count - 1``, fetched from any machine of the cluster."""

    count: int
    _server: Any

    def numbers(self) -> list[pa.Table]:
        """One table of one row a unit: what travels through the graph in its place."""
        return [pa.table({_NUMBER: [number]}) for number in range(self.count)]

    def fetch(self, numbers: pa.Table) -> pa.Table:
        """The unit that one of ``numbers`` stands for."""
        [number] = numbers[_NUMBER].to_pylist()
        unit: pa.Table = ray.get(self._server.unit.remote(number))
        return unit


@contextmanager
def served(units: Iterator[pa.Table]) -> Iterator[Units]:
    """Write all units to this machine's disk and serve them until exit."""
    with tempfile.TemporaryDirectory(prefix="parjob-units-") as folder:
        path = Path(folder) / "units.arrow"
        count = _write(units, path)
        if count == 0:
            yield Units(0, None)
            return
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # The file outlives the actor: one that dies is started again and goes on.
        actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)(_UnitServer)  # type: ignore[call-overload]
        server = actor.remote(str(path))
        try:
            yield Units(count, server)
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

    def unit(self, number: int) -> pa.Table:
        return pa.Table.from_batches([self._file.get_batch(number)])
