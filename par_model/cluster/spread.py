"""Tasks of a job beside the inference graph: one function over many items, wherever there is a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import ray
import ray.exceptions

from par_model import storage
from par_model.cluster.ray_errors import par_error
from par_model.cluster.versions import Versions, refuse_other_node, versions_here
from par_model.errors import ClusterError
from par_model.runs.spread import Item, Result

_MOST_WAITING = 256  # tasks that Ray holds at a time: their arguments lie in this process's memory
_STOP_SECONDS, _AGAIN_SECONDS = 10.0, 0.2
_PATIENCE_SECONDS = 1800.0  # a task takes minutes at most
MOST_RETRIES = 3  # of a task whose worker died


def spread(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What ``work`` makes of each item, as it comes, in no order. Both travel by pickle.

    A task whose worker dies is done again, so that ``work`` may have been done, or begun, more than once. Raises what
    ``work`` raised on purpose, or ClusterError.
    """
    task: Any = ray.remote(num_cpus=1, max_retries=MOST_RETRIES, scheduling_strategy="SPREAD")(_done)
    versions: Any = ray.put(versions_here())
    left = iter(items)
    waiting = [task.remote(work, item, versions) for item in islice(left, _MOST_WAITING)]
    try:
        while waiting:
            ready, waiting = ray.wait(waiting, timeout=_PATIENCE_SECONDS)
            if not ready:
                raise ClusterError(
                    f"no worker answered for {_PATIENCE_SECONDS:g} s: what is left of the cluster may have no CPU; the "
                    f"same command again goes on from here"
                )
            waiting += [task.remote(work, item, versions) for item in islice(left, len(ready))]
            yield from ray.get(ready)
    except ray.exceptions.RayError as error:
        raise par_error(error) from error
    finally:
        _stop(waiting)


def shares(uri: str, *, may_grow: bool) -> bool:
    """Whether every worker of the connected cluster sees a place as this process does, those of nodes too that join
    later. may_grow: whether some may."""
    if not storage.is_local(uri):
        return True
    return not may_grow and sum(node["Alive"] for node in ray.nodes()) <= 1  # type: ignore[no-untyped-call]


def _stop(tasks: list[Any]) -> None:
    """End tasks, and return once none of them writes any more: what they have written may be removed next."""
    deadline = time.monotonic() + _STOP_SECONDS
    while tasks and time.monotonic() < deadline:
        for task in tasks:
            ray.cancel(task, force=True)
        # Ray passes over a task that is just being given to its worker, so it is told again.
        _, tasks = ray.wait(tasks, num_returns=len(tasks), timeout=_AGAIN_SECONDS)


def _done(work: Callable[[Any], Any], item: Any, versions: Versions) -> Any:
    refuse_other_node(versions)
    return work(item)
