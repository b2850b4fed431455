"""The inference graph on Ray Data: units -> decode on CPU actors -> recognise on GPU (or CPU) actors -> the driver."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import ray
import ray.data
import ray.exceptions
from ray.data import ActorPoolStrategy, DataContext
from ray.data.exceptions import ExecutionTimeoutError

from par_model.cluster.hand_out import Served, blocks, served
from par_model.cluster.losses import live_cpus, noticed
from par_model.cluster.ray_errors import par_error
from par_model.cluster.ray_internals import blocks_of
from par_model.cluster.session import ray_session
from par_model.cluster.sizing import Pools, Resources, choose_pools
from par_model.cluster.spread import shares, spread
from par_model.cluster.versions import Versions, refuse_other_node, versions_here
from par_model.cluster.workshop import OutcomeBlock, RayWorkshop
from par_model.errors import ClusterError, NodesLostError
from par_model.heap import keep_freed_memory
from par_model.inference.options import StageSettings
from par_model.inference.planned import Units
from par_model.inference.stages import DecodeTables, RecogniseTables
from par_model.model.device import Device, RealDevice, choose_device
from par_model.runs.spread import Item, Result

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 1800.0
# Small blocks: the model starts on a unit's first tracklets while the unit is still being decoded, and the crops in
# flight stay a small part of the object store.
BLOCK_BYTES = 32 * 2**20


@dataclass
class RayRunner:
    """Runs units on the cluster that this process is connected to.

    pools: made smaller when nodes are lost. decode, recognise: the stages; a stand-in shows what the rest costs.
    may_grow: whether nodes may join.
    """

    pools: Pools
    decode: type[DecodeTables] = DecodeTables
    recognise: type[RecogniseTables] = RecogniseTables
    may_grow: bool = False

    @property
    def decode_workers(self) -> int:
        return self.pools.decode[1]

    def device(self) -> RealDevice:
        """Where the model will run."""
        return self.pools.device

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[OutcomeBlock]:
        """References to outcomes (OUTCOME_WIRE_SCHEMA) as they come, in no order.

        Raises NodesLostError where what is left of a cluster stands still; call it again with what is missing.
        """
        patience = configure(self.pools.device, settings.decode.video_timeout)
        # A GPU's actors take no CPU of their own, so that decoding begins without them.
        wanted = self.pools.begins_with if self.pools.device == "cpu" else 0
        try:
            if not len(units):
                return
            with served(units, shared=self.shares(units.folder)) as within_reach, noticed(wanted) as losses:
                graph = self._graph(within_reach, units, settings)
                for block in blocks_of(graph):
                    losses.heard()
                    yield OutcomeBlock(*block)
        except NodesLostError:
            if self.pools.device == "cpu":
                self.pools = self.pools.within(max(2, live_cpus()))
            raise
        except ray.exceptions.RayError as error:
            raise par_error(error) from error
        except ExecutionTimeoutError as error:
            raise ClusterError(
                f"nothing came out of any worker for {patience:g} s: what is left of the cluster may have too few CPUs "
                f"for both decoding and the model; the same command again goes on with what is there"
            ) from error

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What ``work`` makes of each item, by Ray tasks. Raises what ``work`` raised on purpose, or ClusterError."""
        return spread(work, items)

    def workshop(self) -> RayWorkshop:
        """Workers that write parts."""
        return RayWorkshop()

    def shares(self, uri: str) -> bool:
        """Whether every worker sees a place as this process does."""
        return shares(uri, may_grow=self.may_grow)

    def _graph(self, served_units: Served, units: Units, settings: StageSettings) -> ray.data.Dataset:
        on_gpu = self.pools.device == "cuda"
        versions = versions_here()
        return (
            ray.data.from_arrow_refs([ray.put(some) for some in blocks(units.numbers, self.pools.decode[1])])  # type: ignore[misc]
            .map_batches(
                DecodeUnits,
                fn_constructor_args=(served_units, self.decode, settings, versions),
                compute=pool(self.pools.decode),
                num_cpus=1,
                batch_size=None,
                batch_format="pyarrow",
            )
            .map_batches(
                RecogniseCrops,
                fn_constructor_args=(served_units, self.recognise, settings, versions),
                compute=pool(self.pools.model),
                num_cpus=0 if on_gpu else 1,
                num_gpus=1 if on_gpu else 0,
                # Ray Data wants a size where there are GPUs, and waits until it has that many; on CPUs a block is
                # taken as soon as it is there.
                batch_size=settings.batch_size if on_gpu else None,
                batch_format="pyarrow",
            )
        )


class DecodeUnits:
    """The decode stage on numbers of units."""

    def __init__(self, units: Served, stage: type[DecodeTables], settings: StageSettings, versions: Versions) -> None:
        refuse_other_node(versions)
        self._units = units
        self._stage = stage(settings)

    def __call__(self, numbers: pa.Table) -> Iterator[pa.Table]:
        for unit in self._units.fetch(numbers):
            yield from tried(self._units, "decode", unit, self._stage, self._stage.failed)


class RecogniseCrops:
    """The recognise stage."""

    def __init__(
        self, units: Served, stage: type[RecogniseTables], settings: StageSettings, versions: Versions
    ) -> None:
        refuse_other_node(versions)
        keep_freed_memory()
        self._units = units
        self._stage = stage(settings)

    def __call__(self, crops: pa.Table) -> pa.Table:
        return pa.concat_tables(tried(self._units, "recognise", crops, self._recognise, self._stage.failed))

    def _recognise(self, crops: pa.Table) -> Iterator[pa.Table]:
        # A driver that hangs answers nobody: the process ends, and another takes the work.
        alarm = threading.Timer(self._stage.most_seconds(len(crops)), os._exit, (1,))
        alarm.daemon = True
        alarm.start()
        try:
            yield self._stage(crops)
        finally:
            alarm.cancel()


def tried(
    units: Served,
    stage: str,
    rows: pa.Table,
    work: Callable[[pa.Table], Iterator[pa.Table]],
    failed: Callable[[pa.Table], pa.Table],
) -> Iterator[pa.Table]:
    """What ``work`` makes of rows. Where they ended two workers, one tracklet after the other is tried, and for one
    that ends two more by itself, what ``failed`` makes of it."""
    name = f"{stage} {rows['_row'][0]} {len(rows)}"
    if units.begin(name):
        yield from work(rows)
        units.end(name)
    elif len(rows) == 1:
        yield failed(rows)
    else:
        for row in range(len(rows)):
            yield from tried(units, stage, rows.slice(row, 1), work, failed)


@contextmanager
def ray_runner(
    address: str | None,
    device: Device,
    decode_workers: int | None,
    model_actors: tuple[int, int] | None,
) -> Iterator[RayRunner]:
    """A RayRunner on a local Ray, or on the one at ``address`` or RAY_ADDRESS. Raises ClusterError."""
    with ray_session(address) as joined:
        resources = Resources.of_cluster(joined=joined)
        chosen = choose_device(device, has_gpu=resources.has_gpu)
        pools = choose_pools(chosen, resources, decode_workers, model_actors)
        announce(pools, resources)
        yield RayRunner(pools, may_grow=resources.may_grow)


def pool(sizes: tuple[int, int]) -> ActorPoolStrategy:
    """Actors, from so many to so many."""
    return ActorPoolStrategy(min_size=sizes[0], max_size=sizes[1])


def configure(device: RealDevice, video_timeout: float, block_bytes: int = BLOCK_BYTES) -> float:
    """Set up Ray Data for a graph of this job, and say after how many seconds without anything it is given up; -1 is
    never, for a GPU that has to be started may take any time. video_timeout: seconds that a video may take.
    block_bytes: of what one stage hands to the next at a time."""
    patience = -1.0 if device == "cuda" else max(_PATIENCE_SECONDS, 3 * video_timeout)
    context = DataContext.get_current()
    context.execution_no_progress_timeout_s = patience
    context.target_max_block_size = block_bytes
    context.enable_progress_bars = False
    return patience


def announce(pools: Pools, resources: Resources) -> None:
    """Say on what the job runs."""
    where = "GPU" if pools.device == "cuda" else "CPU"
    if resources.grows:
        sizes = f"decode workers and model actors on {where}, as many as the cluster has room for"
    else:
        sizes = f"up to {pools.decode[1]} decode workers, up to {pools.model[1]} model actors on {where}"
    _log.info(sizes)
    if pools.device == "cuda" and resources.live_gpus == 0:
        _log.info("no live node has a GPU: waiting for the cluster to start one")
    elif resources.live_cpus == 0:
        _log.info("no live node has a CPU: waiting for the cluster to start one")
