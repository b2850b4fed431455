"""Noticing that a graph stands still since it has fewer CPUs than it wants: nodes went, or have not come yet.

Ray starts actors wherever there is room, those of a lost node too. On a cluster that starts no other node, those of
one stage may take all that there is, and those of the other wait for ever. A graph that begins anew shares it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.data import DataContext

from par_model.errors import NodesLostError

_LOOK_SECONDS = 2.0
_QUIET_SECONDS = 30.0
_BEGIN_SECONDS = 90.0  # workers start within half a minute, on a busy machine in one


def live_cpus() -> int:
    """CPUs of all nodes that live."""
    return int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]


class Losses:
    """Ray Data asks it at each step of a graph, in a thread of its own. Call ``heard`` whenever something came out."""

    def __init__(
        self, wanted: int, cpus: Callable[[], int] = live_cpus, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """wanted: CPUs that the graph begins with, where it has them."""
        self._wanted, self._cpus, self._clock = wanted, cpus, clock
        self._most = 0
        self._began = False
        self._looked = self._heard = self._whole = self._grew = clock()

    def heard(self) -> None:
        self._began = True
        self._heard = self._clock()

    def look(self) -> None:
        """Raise NodesLostError where there are fewer CPUs than there were, and nothing has come out for 30 s since;
        or fewer than the graph wants to begin with, and nothing has come out for 90 s since the last one joined.

        With fewer than the two that both stages need, a new graph would be no better: there it waits.
        """
        now = self._clock()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked, cpus = now, self._cpus()
        if cpus > self._most or cpus < 2:
            self._grew = now
        if cpus < 2 or cpus >= self._most:
            self._most = max(self._most, cpus)
            self._whole = now  # the quiet counts from the loss on
        elif now - max(self._heard, self._whole) >= _QUIET_SECONDS:
            raise NodesLostError(
                f"{self._most - cpus} of {self._most} CPUs went, and nothing came out for {_QUIET_SECONDS:g} s"
            )
        if self._most == cpus < self._wanted and not self._began and now - self._grew >= _BEGIN_SECONDS:
            raise NodesLostError(
                f"the workers asked for take {self._wanted} CPUs, {cpus} are there, and nothing came out for "
                f"{_BEGIN_SECONDS:g} s"
            )


class _AtEachStep:
    """What Ray Data calls."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses

    def before_execution_starts(self, executor: Any) -> None: ...

    def on_execution_step(self, executor: Any) -> None:
        self._losses.look()

    def after_execution_succeeds(self, executor: Any) -> None: ...

    def after_execution_fails(self, executor: Any, error: Exception) -> None: ...


@contextmanager
def noticed(wanted: int = 0) -> Iterator[Losses]:
    """Within, graphs that want to begin with so many CPUs end with NodesLostError."""
    losses = Losses(wanted)
    callbacks = DataContext.get_current().custom_execution_callback_classes
    make: Any = lambda: _AtEachStep(losses)  # noqa: E731  # Ray Data calls it as it would a class
    callbacks.append(make)
    try:
        yield losses
    finally:
        callbacks.remove(make)
