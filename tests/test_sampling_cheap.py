"""Frames that are spread over a tracklet and cheap to decode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from par_model.sampling import SPARING, cheap_positions, positions

Arrays = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]


def stream(weights: list[float], starts: set[int], order: list[int] | None = None) -> Arrays:
    """groups, costs and keys of frames whose packets weigh so much, decoded in this order (default: as shown)."""
    rank = np.arange(len(weights)) if order is None else np.asarray(order)
    total = np.append(0.0, np.cumsum(np.asarray(weights)[np.argsort(rank)]))
    keys = np.asarray([k in starts or k == 0 for k in range(len(weights))])
    groups = np.cumsum(keys) - 1
    costs = total[rank + 1] - total[rank[np.flatnonzero(keys)]][groups]
    return groups, costs, keys


def cost(groups: NDArray[np.int64], costs: NDArray[np.float64], chosen: NDArray[np.int64]) -> float:
    return sum(max(costs[p] for p in chosen if groups[p] == group) for group in set(groups[chosen].tolist()))


def least(groups: NDArray[np.int64], costs: NDArray[np.float64], keys: NDArray[np.bool_], k: int) -> float:
    """What all key frames cost, and then the shallowest frames until there are k."""
    start = {int(g): float(c) for g, c in zip(groups[keys], costs[keys], strict=True)}
    depth = [c - start.get(int(g), 0.0) for g, c in zip(groups, costs, strict=True)]
    shallow = np.asarray(sorted(range(len(groups)), key=lambda p: (depth[p], p))[: max(k, int(keys.sum()))])
    return cost(groups, costs, shallow)


@st.composite
def tracklets(draw: st.DrawFn) -> Arrays:
    """A part of a stream, with gaps, that may begin in the middle of a group; frames of a group in any order."""
    n = draw(st.integers(2, 90))
    weights = draw(st.lists(st.floats(0.5, 100), min_size=n, max_size=n))
    starts = sorted({0, *draw(st.sets(st.integers(0, n - 1), max_size=n))})
    order: list[int] = []
    for begin, end in zip(starts, [*starts[1:], n], strict=True):
        order += [begin, *draw(st.permutations(range(begin + 1, end)))]
    part = sorted(draw(st.sets(st.integers(0, n - 1), min_size=1)))
    groups, costs, keys = stream(weights, set(starts), order)
    return groups[part], costs[part], keys[part]


KS = st.integers(1, 12)
BUDGETS = st.floats(0.01, 1)


@given(tracklets(), KS, BUDGETS)
def test_as_many_frames_as_there_are_in_order(tracklet: Arrays, k: int, budget: float) -> None:
    groups, costs, keys = tracklet
    chosen = cheap_positions(groups, costs, keys, k, budget)
    assert chosen.dtype == np.int64
    assert len(chosen) == k
    if len(groups) > k:
        assert (np.diff(chosen) > 0).all()
        assert chosen[0] >= 0
        assert chosen[-1] < len(groups)
    else:
        assert chosen.tolist() == positions(len(groups), k, "uniform").tolist()


@given(tracklets(), KS, BUDGETS)
def test_never_dearer_than_uniform_and_within_the_budget_where_key_frames_are(
    tracklet: Arrays, k: int, budget: float
) -> None:
    groups, costs, keys = tracklet
    chosen = cheap_positions(groups, costs, keys, k, budget)
    whole = cost(groups, costs, positions(len(groups), k, "uniform"))
    spent = cost(groups, costs, chosen)
    assert spent <= whole * (1 + 1e-9)
    if keys.sum() <= k < len(groups):
        unavoidable = 0.0 if keys.any() else min(whole, costs.min())
        limit = unavoidable + budget * (whole - unavoidable)
        assert spent <= max(limit, least(groups, costs, keys, k)) * (1 + 1e-6)


@given(tracklets(), KS, BUDGETS)
def test_what_weighs_is_a_share_so_units_do_not_matter(tracklet: Arrays, k: int, budget: float) -> None:
    groups, costs, keys = tracklet
    chosen = cheap_positions(groups, costs, keys, k, budget)
    assert chosen.tolist() == cheap_positions(groups, 4 * costs, keys, k, budget).tolist()


@given(st.integers(1, 200), KS, BUDGETS)
def test_uniform_where_every_frame_is_a_key_frame(n: int, k: int, budget: float) -> None:
    draw = np.random.default_rng(n)
    groups, costs, keys = stream(draw.uniform(1, 9, n).tolist(), set(range(n)))
    assert cheap_positions(groups, costs, keys, k, budget).tolist() == positions(n, k, "uniform").tolist()


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (0.01, [70, 71, 72, 73, 74, 75]),  # of the groups 1, 2 and 3 one may be decoded: 2 is the roundest number
        (0.03, [20, 21, 22, 70, 71, 72]),  # two may be
        (SPARING, [20, 21, 70, 71, 120, 121]),  # all key frames, and what comes next, for six have to be there
        (0.25, [20, 25, 70, 75, 120, 125]),  # five deep, and as far apart as that allows
        (1.0, [12, 37, 62, 87, 112, 137]),
    ],
)
def test_a_budget_goes_into_all_groups_alike(budget: float, expected: list[int]) -> None:
    groups, costs, keys = stream([10.0 if k % 50 == 0 else 1.0 for k in range(200)], {0, 50, 100, 150})
    part = slice(30, 180)  # key frames at positions 20, 70 and 120
    chosen = cheap_positions(groups[part], costs[part], keys[part], 6, budget)
    assert chosen.tolist() == expected


def test_overlapping_tracklets_spare_the_same_groups() -> None:
    groups, costs, keys = stream([10.0 if k % 50 == 0 else 1.0 for k in range(600)], set(range(0, 600, 50)))
    decoded = set()
    for start in range(0, 300, 7):  # each with five or six key frames, of which two stay
        part = slice(start, start + 280)
        decoded |= set(groups[part][cheap_positions(groups[part], costs[part], keys[part], 6, 0.02)].tolist())
    assert decoded == {0, 4, 8, 2, 6, 10}


def test_of_many_key_frames_those_nearest_to_uniform_are_taken() -> None:
    groups, costs, keys = stream([10.0 if k % 10 == 0 else 1.0 for k in range(300)], set(range(0, 300, 10)))
    assert cheap_positions(groups, costs, keys, 6, 0.05).tolist() == [20, 70, 120, 170, 220, 270]


def test_a_tracklet_without_key_frames_takes_its_earliest() -> None:
    groups, costs, keys = stream([10.0] + [1.0] * 99, set())
    part = slice(40, 90)
    assert cheap_positions(groups[part], costs[part], keys[part], 4, 0.01).tolist() == [0, 1, 2, 3]
    # Up to three quarters of the way from frame 40, which has to be decoded in any case, to 83, uniform's last.
    deep = cheap_positions(groups[part], costs[part], keys[part], 4, 0.75)
    assert deep[-1] == int(0.75 * (83 - 40))


def test_frames_that_are_decoded_early_are_reached_early() -> None:
    # I, then P four on, then the three between: 0 4 2 1 3, and so on.
    rank = [0] + [4 * ((k - 1) // 4) + {4: 1, 2: 2, 1: 3, 3: 4}[(k - 1) % 4 + 1] for k in range(1, 41)]
    groups, costs, keys = stream([10.0] + [1.0] * 40, set(), rank)
    assert cheap_positions(groups, costs, keys, 2, 0.01).tolist() == [0, 4]
