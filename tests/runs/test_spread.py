"""One function over many items, in this process."""

from __future__ import annotations

from collections.abc import Iterator

from par_model.runs.spread import one_by_one


def test_items_are_taken_as_their_results_are_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(3):
            taken.append(item)
            yield item

    results = one_by_one(lambda item: item * 10, items())
    assert taken == []
    assert next(results) == 0
    assert taken == [0]
    assert list(results) == [10, 20]
