"""The tracking graph on Ray Data: videos -> pictures on decode workers -> people on GPU (or CPU) actors -> the driver.

A batch of pictures is one row, so that whatever Ray Data makes of blocks, a detector sees together what it always does.
On CPUs the detector takes nearly all of the time, so those who decode reserve no CPU beside it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import ray
import ray.data
import ray.exceptions
from ray.data.exceptions import ExecutionTimeoutError

from par_model.cluster.hand_out import Served, served
from par_model.cluster.inference import announce, configure, pool
from par_model.cluster.losses import live_cpus, noticed
from par_model.cluster.ray_errors import par_error
from par_model.cluster.ray_internals import blocks_of
from par_model.cluster.session import ray_session
from par_model.cluster.sizing import Pools, Resources, choose_tracking_pools
from par_model.cluster.spread import shares, spread
from par_model.cluster.versions import Versions, refuse_other_node, versions_here
from par_model.errors import ClusterError, FailureCode, NodesLostError
from par_model.heap import keep_freed_memory
from par_model.model.device import Device, RealDevice, choose_device
from par_model.runs.spread import Item, Result
from par_model.tracking.batches import (
    FoundBatch,
    PictureBatch,
    VideoEnd,
    found_to_table,
    pictures_to_table,
    table_to_pictures,
)
from par_model.tracking.stages import FindPeople, PassVideos, TrackSettings, VideoUnit

_MOST_BLOCKS = 4096
# Some fifty pictures of 320x180: a detector has half a second of work with them, and at the end no more to wait for.
_BLOCK_BYTES = 8 * 2**20
_FED = 8  # detectors that one who decodes keeps busy, on CPUs
# A call of the detector that takes longer, on any device, will never end.
_HANG_SECONDS = 900.0


@dataclass
class RayTracking:
    """Runs a tracking job's stages on the cluster that this process is connected to. may_grow: whether nodes may
    join."""

    pools: Pools
    may_grow: bool = False

    @property
    def workers(self) -> tuple[int, int]:
        """Of each stage, at most."""
        return self.pools.decode[1], self.pools.model[1]

    def device(self) -> RealDevice:
        """Where the detector runs."""
        return self.pools.device

    def found(self, units: Sequence[VideoUnit], settings: TrackSettings) -> Iterator[pa.Table]:
        """Tables of FOUND_SCHEMA as they come, in no order. Ends early where nodes were lost."""
        patience = configure(self.pools.device, settings.decode.video_timeout, _BLOCK_BYTES)
        try:
            with served(None, shared=True) as counted, noticed() as losses:
                for reference, _, _ in blocks_of(self._graph(units, counted, settings)):
                    losses.heard()
                    yield ray.get(reference)
        except NodesLostError:
            return  # the job sees what is missing
        except ray.exceptions.RayError as error:
            raise par_error(error) from error
        except ExecutionTimeoutError as error:
            raise ClusterError(
                f"nothing came out of any worker for {patience:g} s; the same command again goes on from here"
            ) from error

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What ``work`` makes of each item, by Ray tasks."""
        return spread(work, items)

    def shares(self, uri: str) -> bool:
        """Whether every worker sees a place as this process does."""
        return shares(uri, may_grow=self.may_grow)

    def detectors(self, videos: int) -> tuple[int, int]:
        """How many detectors there are from the start, and at most."""
        least, most = self.pools.model
        if self.pools.device == "cpu":
            # Those that are added later, one by one, would each load their libraries beside those that work.
            least = max(least, min(live_cpus(), most, _FED * videos))
        return least, most

    def _graph(self, units: Sequence[VideoUnit], counted: Served, settings: TrackSettings) -> ray.data.Dataset:
        on_gpu = self.pools.device == "cuda"
        versions = versions_here()
        return (
            ray.data.from_arrow_refs([ray.put(some) for some in _blocks(units)])  # type: ignore[misc]
            .map_batches(
                ReadVideos,
                fn_constructor_args=(counted, settings, versions),
                compute=pool(self.pools.decode),
                num_cpus=1 if on_gpu else 0,
                batch_size=None,
                batch_format="pyarrow",
            )
            .map_batches(
                FindInPictures,
                fn_constructor_args=(counted, settings, self.pools.device, versions),
                compute=pool(self.detectors(len(units))),
                num_cpus=0 if on_gpu else 1,
                num_gpus=1 if on_gpu else 0,
                batch_size=1 if on_gpu else None,
                batch_format="pyarrow",
            )
        )


def _blocks(units: Sequence[VideoUnit]) -> list[pa.Table]:
    """Tables of a row a video: each is the work of one task."""
    rows = [{"video": u.video, "uri": u.uri, "first": u.first, "done": sorted(u.done)} for u in units]
    schema = pa.schema(
        [("video", pa.int64()), ("uri", pa.string()), ("first", pa.int64()), ("done", pa.list_(pa.int64()))]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    parts = np.array_split(np.arange(len(rows)), min(len(rows), _MOST_BLOCKS))
    return [table.slice(int(part[0]), len(part)) for part in parts]


class ReadVideos:
    """The decode stage: rows of videos in, tables of one batch of pictures out."""

    def __init__(self, counted: Served, settings: TrackSettings, versions: Versions) -> None:
        refuse_other_node(versions)
        if settings.scale is not None:
            import torch

            torch.set_num_threads(1)  # Ray sees to that only where a CPU is reserved
        self._counted, self._passing = counted, PassVideos(settings)

    def __call__(self, videos: pa.Table) -> Iterator[pa.Table]:
        for row in videos.to_pylist():
            unit = VideoUnit(row["video"], row["uri"], row["first"], frozenset(row["done"]))
            name = f"read {unit.video}"
            if not self._counted.begin(name):
                message = f"cannot read {unit.uri}: the worker that read it ended, and so did another"
                end = VideoEnd(0, None, FailureCode.VIDEO_CRASHED, message)
                yield pictures_to_table(PictureBatch(unit.video, unit.first, end=end))
                continue
            for batch in self._passing(unit):
                yield pictures_to_table(batch)
            self._counted.end(name)


class FindInPictures:
    """The detector: batches of pictures in, batches of people out."""

    def __init__(self, counted: Served, settings: TrackSettings, device: RealDevice, versions: Versions) -> None:
        refuse_other_node(versions)
        keep_freed_memory()
        self._counted = counted
        self._find = FindPeople(settings, device, threads=1)

    def __call__(self, pictures: pa.Table) -> pa.Table:
        return found_to_table(self._tried(list(table_to_pictures(pictures))))

    def _tried(self, batches: Sequence[PictureBatch]) -> list[FoundBatch]:
        """What is found in batches. Where they ended two workers, one after the other is tried."""
        first = batches[0]
        name = f"find {first.video} {first.number} {len(batches)}"
        if self._counted.begin(name):
            found = [self._watched(batch) for batch in batches]
            self._counted.end(name)
            return found
        if len(batches) == 1:
            message = "the worker that runs the detector ended while it had a picture of this, and so did another"
            return [FoundBatch(first.video, first.number, end=VideoEnd(0, None, FailureCode.MODEL_ERROR, message))]
        each: list[FoundBatch] = []
        for batch in batches:
            # A video that failed needs nothing more, and whatever ended two workers would end others.
            if not any(one.video == batch.video and one.end and one.end.error for one in each):
                each += self._tried([batch])
        return each

    def _watched(self, batch: PictureBatch) -> FoundBatch:
        # A driver that hangs answers nobody: the process ends, and another takes the work.
        alarm = threading.Timer(_HANG_SECONDS, os._exit, (1,))
        alarm.daemon = True
        alarm.start()
        try:
            return self._find(batch)
        finally:
            alarm.cancel()


@contextmanager
def tracking_runner(
    address: str | None, device: Device, decode_workers: int | None, model_actors: tuple[int, int] | None
) -> Iterator[RayTracking]:
    """A RayTracking on a local Ray, or on the one at ``address`` or RAY_ADDRESS. Raises ClusterError."""
    with ray_session(address) as joined:
        resources = Resources.of_cluster(joined=joined)
        chosen = choose_device(device, has_gpu=resources.has_gpu)
        pools = choose_tracking_pools(chosen, resources, decode_workers, model_actors)
        announce(pools, resources)
        yield RayTracking(pools, may_grow=resources.may_grow)
