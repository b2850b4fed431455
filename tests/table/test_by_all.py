"""Files of the table, by whoever may write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from par_model.errors import StorageError
from par_model.storage import Before, PlaceError, Reason
from par_model.table.by_all import done_by_all


@dataclass(frozen=True)
class File:
    number: int
    before: Before | None = None


class Holder:
    """Stands for who holds the lock."""

    def verify(self) -> None: ...


HELD: Any = Holder()


def made(file: Any) -> tuple[int, bool]:
    """Which file, and whether this process asked the lock itself."""
    return file.number, file.before == HELD.verify


def two(count: int = 2) -> list[Any]:
    return [File(number) for number in range(count)]


def refusing(reason: Reason) -> Any:
    def spread(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        yield work(next(iter(items)))
        raise PlaceError("s3://b/part: access denied", reason)

    return spread


def test_several_files_are_spread_and_one_is_not() -> None:
    assert done_by_all(made, two(), HELD, map) == [(0, False), (1, False)]
    assert done_by_all(made, two(1), HELD, map) == [(0, True)]
    assert done_by_all(made, two(), HELD, None) == [(0, True), (1, True)]


def test_where_workers_may_not_write_this_process_does_all_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert done_by_all(made, two(), HELD, refusing(Reason.ACCESS_DENIED)) == [(0, True), (1, True)]
    assert "workers cannot write the table, so this process does: s3://b/part: access denied" in capsys.readouterr().err


def test_other_errors_of_storage_are_errors() -> None:
    with pytest.raises(StorageError, match="access denied"):
        done_by_all(made, two(), HELD, refusing(Reason.NOT_FOUND))
