"""How many decode workers and model actors a cluster gets.

Counted over the nodes that live and those that the cluster may still start: on a cluster whose GPU workers start from
zero, live nodes show no GPU, and a job that believed them would never ask for one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from par_model.errors import ClusterError, UsageError

# Where `ray up` leaves the head its own, resolved copy of cluster.yaml. Ray's autoscaler tells nobody else what it may
# start.
BOOTSTRAP = "~/ray_bootstrap_config.yaml"
_ANY = 1024  # as good as no limit


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of a cluster: now, and at most.

    grows: nodes may join of which nothing is known yet, so that ``most`` is no limit.
    """

    live_cpus: int
    live_gpus: int
    most_cpus: int
    most_gpus: int
    grows: bool = False

    @classmethod
    def of_cluster(cls, *, joined: bool) -> Resources:
        """Of the Ray cluster that this process is connected to. joined: it is not this process's own."""
        import ray

        from par_model.cluster.ray_internals import cluster_limits

        live = ray.cluster_resources()  # type: ignore[no-untyped-call]
        most = (cluster_limits() or _of_ray_up(live)) if joined else None
        return cls(
            live_cpus=int(live.get("CPU", 0)),
            live_gpus=int(live.get("GPU", 0)),
            most_cpus=_most(live.get("CPU", 0), (most or {}).get("CPU", 0)),
            most_gpus=_most(live.get("GPU", 0), (most or {}).get("GPU", 0)),
            grows=joined and not most,
        )

    @property
    def may_grow(self) -> bool:
        """Whether other nodes may join."""
        return self.grows or self.most_cpus > self.live_cpus or self.most_gpus > self.live_gpus

    @property
    def has_gpu(self) -> bool:
        """Whether there is a GPU, or may be one once the cluster has grown."""
        return self.most_gpus > 0


def most_of_node_types(config: Mapping[str, Any]) -> dict[str, float]:
    """CPUs and GPUs when every node type of a cluster.yaml has all its workers."""
    most: dict[str, float] = {}
    for name, kind in config.get("available_node_types", {}).items():
        count = 1 if name == config.get("head_node_type") else kind.get("max_workers", config.get("max_workers", 0))
        for resource in ("CPU", "GPU"):
            most[resource] = most.get(resource, 0) + count * kind.get("resources", {}).get(resource, 0)
    return most


def _of_ray_up(live: Mapping[str, float]) -> dict[str, float]:
    """What the cluster that this head belongs to may have at most; empty where `ray up` did not start it."""
    import ray
    import yaml

    here = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    path = os.path.expanduser(BOOTSTRAP)
    if not any(name == f"node:{here}" for name in live) or not os.path.exists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            most = most_of_node_types(yaml.safe_load(file))
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError):
        return {}  # not a file that `ray up` wrote
    return most if any(most.values()) else {}


@dataclass(frozen=True)
class Pools:
    """Sizes of the two actor pools, from and to, and what one model actor takes."""

    device: Literal["cpu", "cuda"]
    decode: tuple[int, int]
    model: tuple[int, int]

    @property
    def begins_with(self) -> int:
        """CPUs of the actors that there are from the start."""
        return self.decode[0] + (self.model[0] if self.device == "cpu" else 0)

    def within(self, cpus: int) -> Pools:
        """The same pools, on CPUs, beginning so small that both begin on ``cpus``, which are 2 or more."""
        decode = min(self.decode[0], max(1, cpus * self.decode[0] // max(cpus, self.begins_with)))
        model = min(self.model[0], cpus - decode)
        return Pools(self.device, (decode, self.decode[1]), (model, self.model[1]))


def choose_pools(
    device: Literal["cpu", "cuda"],
    resources: Resources,
    decode_workers: int | None,
    model_actors: tuple[int, int] | None,
) -> Pools:
    """Pools that fit. A GPU actor takes one GPU and no CPU of its own; a CPU actor takes one CPU, a decode worker too.

    Where the cluster grows, the upper ends are open: Ray Data shares out what there is, and what joins.

    Raises ClusterError when a set size can never fit.
    """
    cpus = _ANY if resources.grows else max(1, resources.most_cpus)
    if device == "cuda":
        model = model_actors or (1, _ANY if resources.grows else max(1, resources.most_gpus))
        decode = (1, decode_workers or cpus)
    elif model_actors is not None:
        model = model_actors
        decode = (1, decode_workers or max(1, cpus - model_actors[1]))
    else:
        # On CPUs the network is several times slower than decoding.
        decode = (1, decode_workers or max(1, cpus // 4))
        model = (1, max(1, cpus - decode[1]))
    if decode_workers is not None:
        decode = (decode_workers, decode_workers)
    pools = Pools(device, decode, model)
    if pools.begins_with > cpus:
        raise ClusterError(
            f"{decode[0]} decode workers and {model[0]} model actors need {pools.begins_with} CPUs, the cluster has at "
            f"most {cpus}: lower --decode-workers or --model-actors"
        )
    return pools


def choose_tracking_pools(
    device: Literal["cpu", "cuda"],
    resources: Resources,
    decode_workers: int | None,
    model_actors: tuple[int, int] | None,
) -> Pools:
    """Pools for tracking. As ``choose_pools`` on GPUs; on CPUs each has a detector, beside which those who decode,
    with little to do, take none of their own. Raises ClusterError when a set size can never fit."""
    if device == "cuda":
        return choose_pools(device, resources, decode_workers, model_actors)
    cpus = _ANY if resources.grows else max(1, resources.most_cpus)
    model = model_actors or (1, cpus)
    if model[0] > cpus:
        raise ClusterError(
            f"{model[0]} detectors need as many CPUs, the cluster has at most {cpus}: lower --model-actors"
        )
    return Pools(device, (decode_workers or 1, decode_workers or max(1, cpus // 4)), model)


def check_decode_workers(count: int | None) -> None:
    """Raises UsageError for a number that is none of workers."""
    if count is not None and count < 1:
        raise UsageError(f"--decode-workers is {count}: must be at least 1")


def parse_model_actors(text: str | None) -> tuple[int, int] | None:
    """``MIN[:MAX]``. Raises UsageError."""
    if text is None:
        return None
    low, _, high = text.partition(":")
    try:
        sizes = int(low), int(high or low)
    except ValueError:
        raise UsageError(f"--model-actors {text!r}: expected MIN or MIN:MAX, as in 1:8") from None
    if not 1 <= sizes[0] <= sizes[1]:
        raise UsageError(f"--model-actors {text!r}: MIN must be at least 1, and MAX at least MIN")
    return sizes


def _most(live: float, configured: float) -> int:
    # An autoscaler without a limit reports infinity, or a number as good as that.
    return int(max(live, configured if math.isfinite(configured) and configured < 1e6 else _ANY))
