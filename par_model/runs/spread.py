"""One function over many items, as ``Runner.spread`` does it where there are workers, and where there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Spread(Protocol):
    """What ``work`` makes of each item, in no order, maybe in other processes."""

    def __call__(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]: ...


def one_by_one(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The same in this process."""
    return map(work, items)
