"""Runs actors side by side, one step of one of them at a time, in every order that there is."""

from __future__ import annotations

import threading
from collections.abc import Callable

Body = Callable[[], None]


class _Actor(threading.Thread):
    def __init__(self, body: Body, back: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self.body, self.back, self.go = body, back, threading.Semaphore(0)
        self.over, self.waits = False, False
        self.error: BaseException | None = None

    def run(self) -> None:
        self.go.acquire()
        try:
            self.body()
        except BaseException as error:  # noqa: BLE001  # raised again by the test
            self.error = error
        self.over = True
        self.back.release()

    def stop_here(self, *, waits: bool) -> None:
        self.waits = waits
        self.back.release()
        self.go.acquire()


def step(*, waits: bool = False) -> None:
    """Called by an actor before each step that others may come before; by anything else, it does nothing.

    waits: it can do nothing until another actor has done something.
    """
    actor = threading.current_thread()
    if isinstance(actor, _Actor):
        actor.stop_here(waits=waits)


def in_every_order(begin: Callable[[], list[Body]], end: Callable[[], None]) -> int:
    """Run all that ``begin`` gives anew for each order of their steps, then ``end``. How many orders there were."""
    orders, left = 0, [[]]  # type: ignore[var-annotated]
    while left:
        asked: list[int] = left.pop()
        order, possible = _run(begin(), asked)
        end()
        orders += 1
        for at in range(len(asked), len(order)):
            left += [[*order[:at], other] for other in possible[at] if other != order[at]]
    return orders


def _run(bodies: list[Body], asked: list[int]) -> tuple[list[int], list[list[int]]]:
    """One order, which begins as asked: who made each step, and who could have."""
    back = threading.Semaphore(0)
    actors = [_Actor(body, back) for body in bodies]
    for actor in actors:
        actor.start()
    order: list[int] = []
    possible: list[list[int]] = []
    while not all(actor.over for actor in actors):
        able = [i for i, actor in enumerate(actors) if not actor.over and not actor.waits]
        assert able, f"all wait for each other after {order}"
        chosen = asked[len(order)] if len(order) < len(asked) else able[0]
        order.append(chosen)
        possible.append(able)
        actors[chosen].go.release()
        back.acquire()
        for i, actor in enumerate(actors):
            if i != chosen:
                actor.waits = False
    for actor in actors:
        actor.join()
        if actor.error is not None:
            raise AssertionError(f"in the order {order}") from actor.error
    return order, possible
