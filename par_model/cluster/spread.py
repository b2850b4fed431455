"""Tasks of a job beside the inference graph: one function over many items, wherever there is a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import ray
import ray.exceptions

from par_model import storage
from par_model.cluster.ray_errors import par_error
from par_model.cluster.versions import Versions, refuse_other_node, versions_here
from par_model.inference.spread import Item, Result

_MOST_WAITING = 256  # tasks that Ray holds at a time: their arguments lie in this process's memory
_MOST_RETRIES = 3  # of a task whose worker died


def spread(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What ``work`` makes of each item, as it comes, in no order. Both travel by pickle.

    A task whose worker dies is done again, so that ``work`` may have been done, or begun, more than once. Raises what
    ``work`` raised on purpose, or ClusterError.
    """
    task: Any = ray.remote(num_cpus=1, max_retries=_MOST_RETRIES, scheduling_strategy="SPREAD")(_done)
    versions: Any = ray.put(versions_here())
    left = iter(items)
    waiting = [task.remote(work, item, versions) for item in islice(left, _MOST_WAITING)]
    try:
        while waiting:
            ready, waiting = ray.wait(waiting)
            waiting += [task.remote(work, item, versions) for item in islice(left, len(ready))]
            yield from ray.get(ready)
    except ray.exceptions.RayError as error:
        raise par_error(error) from error
    finally:
        for task_left in waiting:
            ray.cancel(task_left, force=True)


def shares(uri: str) -> bool:
    """Whether every worker of the connected cluster sees a place as this process does."""
    return not storage.is_local(uri) or sum(node["Alive"] for node in ray.nodes()) <= 1  # type: ignore[no-untyped-call]


def _done(work: Callable[[Any], Any], item: Any, versions: Versions) -> Any:
    refuse_other_node(versions)
    return work(item)
