"""Orders, steps and shares are functions of numbers, and lose nothing."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.training.batches import epoch_order, micro_steps, share, steps


def test_an_epoch_has_every_tracklet_once_in_an_order_of_its_own() -> None:
    first, again, second = epoch_order(50, 0, 1), epoch_order(50, 0, 1), epoch_order(50, 0, 2)
    assert sorted(first.tolist()) == list(range(50))
    assert first.tolist() == again.tolist()
    assert first.tolist() != second.tolist()
    assert epoch_order(50, 1, 1).tolist() != first.tolist()


@pytest.mark.parametrize(
    ("tracklets", "sizes"), [(48, [16, 16, 16]), (50, [16, 16, 16, 2]), (49, [16, 16, 17]), (9, [9]), (1, [1])]
)
def test_a_last_batch_of_one_is_merged_into_the_one_before(tracklets: int, sizes: list[int]) -> None:
    order = np.arange(tracklets)
    cut = steps(order, 16)
    assert [len(batch) for batch in cut] == sizes
    assert np.concatenate(cut).tolist() == order.tolist()


@pytest.mark.parametrize(
    ("batch", "workers", "micro", "sizes"),
    [
        (16, 2, None, [16]),
        (16, 2, 4, [8, 8]),
        (16, 2, 3, [6, 6, 4]),
        (17, 1, 4, [4, 4, 4, 5]),
        (3, 1, 2, [3]),
        (5, 1, 1, [2, 3]),
        (16, 3, 8, [16]),
    ],
)
def test_micro_steps_hold_the_batch_and_none_is_of_one(
    batch: int, workers: int, micro: int | None, sizes: list[int]
) -> None:
    cut = micro_steps(np.arange(batch), workers, micro)
    assert [len(part) for part in cut] == sizes
    assert np.concatenate(cut).tolist() == list(range(batch))


@pytest.mark.parametrize(("size", "workers"), [(16, 3), (2, 8), (7, 2)])
def test_shares_are_even_and_lose_nothing(size: int, workers: int) -> None:
    shares = [share(np.arange(size), rank, workers) for rank in range(workers)]
    assert np.concatenate(shares).tolist() == list(range(size))
    lengths = [len(part) for part in shares]
    assert max(lengths) - min(lengths) <= 1
