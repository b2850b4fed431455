"""Ray around the training loop: tasks that decode crops, and Ray Train's workers, each of which runs the loop.

Ray Train starts the workers, connects them (gloo or NCCL), and replaces those that are lost. What a run goes on from is
the loop's own checkpoint, so that a replaced worker, a restarted driver and a run without Ray go on in the same way.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import ray
import ray.train
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from par_model import storage
from par_model.cluster.ray_errors import causes_of_failed_training
from par_model.cluster.session import ray_session
from par_model.cluster.sizing import Resources
from par_model.errors import ClusterError, ParError, TrainingError
from par_model.model.device import choose_device
from par_model.training.cache import Shard
from par_model.training.inputs import TrainPlan
from par_model.training.loop import train
from par_model.training.options import TrainOptions
from par_model.training.pace import Say, Step
from par_model.training.workers import Worker
from par_model.wording import typed_line

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Seat:
    """What each worker reserves of the machines, and how workers are connected."""

    cpus: float
    gpus: float
    backend: Literal["gloo", "nccl"]


def choose_seat(workers: int, device: Literal["cpu", "cuda"], resources: Resources) -> Seat:
    """One CPU, or an equal part of what there is where workers outnumber CPUs; with GPUs the same of these.

    More is not reserved, since it might fit on no node; a worker takes its part of its node's cores all the same.
    NCCL refuses two workers on one GPU, so such share by gloo. What a cluster may still start of its own is not known
    where it grows: with nothing there yet, each worker asks for a CPU and a GPU of its own.

    Raises ClusterError if there is no GPU for ``cuda``.
    """
    cpus = min(1.0, max(0.01, math.floor(100 * resources.most_cpus / workers) / 100))
    if resources.grows and resources.live_cpus == 0:
        cpus = 1.0
    if device == "cpu":
        return Seat(cpus, 0, "gloo")
    if resources.grows and resources.live_gpus == 0:
        return Seat(cpus, 1, "nccl")
    if resources.most_gpus < 1:
        raise ClusterError("--device cuda, but the cluster has no GPU: use --device cpu or auto")
    each = math.ceil(workers / resources.most_gpus)
    return Seat(cpus, 1 if each == 1 else math.floor(100 / each) / 100, "nccl" if each == 1 else "gloo")


@dataclass(frozen=True)
class RayTrainer:
    """Trains on the cluster that this process is connected to."""

    options: TrainOptions
    seat: Seat

    def write_shards(self, shards: Sequence[Shard]) -> Iterator[int]:
        """Write them all, as many at a time as there are CPUs; yields the tracklets of each. Raises StorageError."""
        waiting = [_write_shard.remote(shard) for shard in shards]
        while waiting:
            done, waiting = ray.wait(waiting)
            for reference in done:
                yield _own_error(lambda found=reference: ray.get(found))

    def train(self, plan: TrainPlan, say: Say) -> None:
        """All epochs that are missing. Raises TrainingError, StorageError, ClusterError."""
        lines = _Lines.remote()  # type: ignore[attr-defined]
        filesystem, path = storage.arrow_filesystem(plan.output.place("_ray"))
        trainer = TorchTrainer(
            _loop,
            train_loop_config={"plan": plan, "seat": self.seat, "lines": lines},
            torch_config=TorchConfig(backend=self.seat.backend),
            scaling_config=ScalingConfig(
                num_workers=self.options.workers,
                use_gpu=self.seat.gpus > 0,
                resources_per_worker={"CPU": self.seat.cpus} | ({"GPU": self.seat.gpus} if self.seat.gpus else {}),
            ),
            run_config=RunConfig(
                name=plan.run_id,
                storage_path=path,
                storage_filesystem=filesystem,
                failure_config=FailureConfig(max_failures=self.options.max_failures),
            ),
        )
        try:
            _own_error(lambda: _fit(trainer, lines, say))
        finally:
            with contextlib.suppress(ParError):
                if plan.before is not None:
                    plan.before()
                storage.remove(plan.output.place("_ray"))
        if (stopped := ray.get(lines.stopped.remote())) is not None:
            raise TrainingError(stopped)


@contextmanager
def ray_trainer(
    address: str | None, device: Literal["auto", "cpu", "cuda"], options: TrainOptions
) -> Iterator[RayTrainer]:
    """A RayTrainer on a local Ray, or on the one at ``address`` or RAY_ADDRESS. Raises ClusterError."""
    with ray_session(address) as joined:
        resources = Resources.of_cluster(joined=joined)
        chosen = choose_device(device, has_gpu=resources.has_gpu)
        seat = choose_seat(options.workers, chosen, resources)
        where = f"{seat.gpus:g} GPU and {seat.cpus:g} CPU" if seat.gpus else f"{seat.cpus:g} CPU"
        _log.info(f"{options.workers} workers with {where} each, joined by {seat.backend}")
        yield RayTrainer(options, seat)


def _loop(config: dict[str, Any]) -> None:
    """One worker of Ray Train."""
    plan, seat, lines = config["plan"], config["seat"], config["lines"]
    context = ray.train.get_context()
    torch.set_num_threads(max(1, _cores() // context.get_local_world_size()))
    worker = Worker(
        rank=context.get_world_rank(),
        count=context.get_world_size(),
        local_rank=context.get_local_rank(),
        device=get_device() if seat.gpus else torch.device("cpu"),
    )
    try:
        train(plan, worker, lines.say.remote, ray.train.report)
    except TrainingError as error:
        # Every worker is here at once, and none would fare better again: an end, not a failure to recover from.
        if worker.rank == 0:
            ray.get(lines.stop.remote(str(error)))


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@ray.remote(num_cpus=1, max_retries=1)
def _write_shard(shard: Shard) -> int:
    return shard.write()


@ray.remote(num_cpus=0)
class _Lines:
    """Carries progress lines from the first worker to the process that the user started."""

    def __init__(self) -> None:
        self._waiting: list[str | Step] = []
        self._stopped: str | None = None

    def say(self, said: str | Step) -> None:
        self._waiting.append(said)

    def take(self) -> list[str | Step]:
        taken, self._waiting = self._waiting, []
        return taken

    def stop(self, why: str) -> None:
        self._stopped = why

    def stopped(self) -> str | None:
        return self._stopped


def _fit(trainer: TorchTrainer, lines: Any, say: Say) -> None:
    """Train to the end, and say what workers say.

    In a thread of its own, since in the main one Ray Train takes Ctrl-C for itself and ends the process with 0.
    """
    raised: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # noqa: BLE001  # raised again below
            raised.append(error)

    thread = threading.Thread(target=fit, name="ray-train", daemon=True)
    thread.start()
    running = True
    while running:
        thread.join(_POLL_SECONDS)
        running = thread.is_alive()
        for said in ray.get(lines.take.remote()):
            say(said)
    if raised:
        raise raised[0]


def _own_error(call: Any) -> Any:
    """What ``call`` returns; what a worker raised is raised here as it was, or as a ClusterError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray warns of its own settings
            return call()
    except ray.train.TrainingFailedError as error:
        causes = causes_of_failed_training(error)
        raise next((c for c in causes if isinstance(c, ParError)), _lost(causes[0])) from error
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, ParError) else _lost(cause)) from error
    except ray.exceptions.RayError as error:
        raise _lost(error) from error


def _lost(cause: BaseException) -> ClusterError:
    return ClusterError(
        f"a worker was lost: {typed_line(cause, 300)}; the same command goes on after the last whole epoch, and "
        "--max-failures N replaces lost workers"
    )
