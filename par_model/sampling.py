"""Which of a tracklet's frames the network sees. Pure functions of numbers.

Positions are 0-based indices into the tracklet's list of frames, not frame indices. A tracklet with fewer frames than
wanted repeats some, in order.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from par_model.choices import DECODE_BUDGET, POLICIES, Policy

SPARING = 0.05  # the budget below which key frames are left out too


def positions(n: int, k: int, policy: Policy, *, seed: int = 0, key: str = "") -> NDArray[np.int64]:
    """Choose ``k`` of ``n`` frames: int64 [k], never decreasing, each in 0..n-1 (``all``: int64 [n], k is ignored).

    uniform: the centres of k equal parts, floor((i + 0.5) n / k).
    first: min(i, n - 1).
    random: sorted; without replacement if n >= k, else with. It depends on (n, k, seed, key) alone, so neither the
        order of the tracklets nor the process that asks matters.
    all: every frame.
    cheap: as uniform, which is what it means where nothing is known of the frames' cost; else see ``cheap_positions``.

    Raises ValueError if n or k is below 1, or the policy is unknown.
    """
    if n < 1 or k < 1:
        raise ValueError(f"cannot choose {k} of {n} frames: both must be at least 1")
    match policy:
        case "uniform" | "cheap":
            return (2 * np.arange(k, dtype=np.int64) + 1) * n // (2 * k)
        case "first":
            return np.minimum(np.arange(k, dtype=np.int64), n - 1)
        case "random":
            return _random(n, k, seed, key)
        case "all":
            return np.arange(n, dtype=np.int64)
    raise ValueError(f"sampling {policy!r} is not one of {', '.join(POLICIES)}")


def cheap_positions(
    groups: NDArray[np.int64], costs: NDArray[np.float64], keys: NDArray[np.bool_], k: int, budget: float
) -> NDArray[np.int64]:
    """Choose ``k`` of a tracklet's n frames that are spread over it and for which little has to be decoded: int64 [k].

    groups: int64 [n], the group of pictures with whose start decoding begins for each frame, by its number among the
    video's, from 0; never decreasing.
    costs: float64 [n], what it costs to decode from that start through the frame, above 0; so several frames of a group
    cost as much as the dearest of them. keys: bool [n], the frames that are such starts themselves.
    budget: the share of what uniform would cost that may be spent, above 0.

    Down to a budget of ``SPARING`` key frames are always taken, or of more than ``k`` those nearest to uniform's.
    Below it some are left out, in proportion: those of groups whose number is divisible by a higher power of two stay,
    so that tracklets that know nothing of each other agree on the groups that are decoded. What is left of the budget
    goes into all groups to the same depth, as far as it suffices, and at least so deep that there are ``k`` frames; of
    all frames that are reached, those are taken that lie nearest to uniform's, one for each. Distinct and ascending if
    n >= k. Without a key frame, all up to the tracklet has to be decoded in any case: the budget is then a share of the
    rest. Never dearer than uniform, which is what comes out where n <= k, the budget is 1, or all frames are keys.
    """
    n = len(groups)
    uniform = positions(n, k, "uniform")
    if n <= k or budget >= 1 or keys.all():
        return uniform
    whole = _cost(groups, costs, uniform)
    unavoidable = 0.0 if keys.any() else min(whole, float(costs.min()))
    limit = (unavoidable + budget * (whole - unavoidable)) * (1 + 1e-9)
    starts = _spared(np.flatnonzero(keys), groups, budget)
    if len(starts) > k:
        starts = starts[_nearest(starts, uniform)]
    within = np.arange(n)
    if len(starts) == k:
        within = np.flatnonzero(np.isin(groups, groups[starts]))
    start_costs = dict(zip(groups[starts].tolist(), costs[starts].tolist(), strict=True))
    depths = costs[within] - np.asarray([start_costs.get(group, 0.0) for group in groups[within].tolist()])
    dearer = np.lexsort((within, depths))
    reached = within[dearer]
    spent = np.cumsum(_increases(groups[reached], costs[reached]))
    count = max(k, len(starts), int(np.searchsorted(spent, limit, "right")))
    affordable = np.sort(reached[:count])
    chosen = affordable[_nearest(affordable, uniform)]
    return chosen if _cost(groups, costs, chosen) <= whole else uniform


def _spared(starts: NDArray[np.int64], groups: NDArray[np.int64], budget: float) -> NDArray[np.int64]:
    """The key frames that so small a budget leaves, those of the roundest numbers: one at least, if there is one."""
    count = math.ceil(len(starts) * budget / SPARING)
    if count >= len(starts):
        return starts
    numbers = groups[starts]
    roundness = np.where(numbers == 0, np.iinfo(np.int64).max, numbers & -numbers)
    return np.sort(starts[np.lexsort((starts, -roundness))[:count]])


def _increases(groups: NDArray[np.int64], costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each frame, one after the other, adds to the cost; those of a group never get cheaper."""
    order = np.argsort(groups, kind="stable")
    grouped = costs[order]
    added = grouped.copy()
    follows = groups[order][1:] == groups[order][:-1]
    added[1:] -= np.where(follows, grouped[:-1], 0.0)
    increases = np.empty_like(added)
    increases[order] = added
    return increases


def _cost(groups: NDArray[np.int64], costs: NDArray[np.float64], chosen: NDArray[np.int64]) -> float:
    """What it costs to decode the chosen frames."""
    order = np.lexsort((costs[chosen], groups[chosen]))
    found, cost = groups[chosen][order], costs[chosen][order]
    return float(cost[np.append(found[1:] != found[:-1], True)].sum())


def _nearest(candidates: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which candidates (ascending, at least as many as targets) lie nearest to the targets, one for each, in order:
    the least sum of distances, the earlier ones where several have it."""
    count, wanted = len(candidates), len(targets)
    if count == wanted:
        return np.arange(count)
    distances = np.abs(candidates[None, :] - targets[:, None])
    slack = count - wanted + 1
    came_from = np.empty((wanted, slack), np.int64)  # by target and candidate, the latter less the target's number
    least = np.zeros(slack, distances.dtype)
    for i in range(wanted):
        best = least + distances[i, i : i + slack]
        least = np.minimum.accumulate(best)
        is_new = np.append(True, best[1:] < least[:-1])
        came_from[i] = np.maximum.accumulate(np.where(is_new, np.arange(slack), 0))
    found = np.empty(wanted, np.int64)
    last = slack - 1
    for i in range(wanted - 1, -1, -1):
        last = came_from[i, last]
        found[i] = last + i
    return found


def _random(n: int, k: int, seed: int, key: str) -> NDArray[np.int64]:
    if n >= k:
        chosen = np.argsort(keyed_uniform(n, seed, key), kind="stable")[:k]
    else:
        chosen = (keyed_uniform(k, seed, key) * n).astype(np.int64)
    return np.sort(chosen).astype(np.int64)


def keyed_uniform(count: int, *key: str | int) -> NDArray[np.float64]:
    """Uniform random numbers from 0 up to 1: float64 [count], the same for the same key on every machine.

    So what is drawn depends neither on the order of the draws nor on the process that makes them.
    """
    digest = hashlib.sha256("\0".join(map(str, key)).encode("utf-8", "surrogatepass")).digest()
    # Generator.random is the one method whose stream NumPy has kept from release to release; choice is not.
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big"))).random(count)


@dataclass(frozen=True)
class Sampling:
    """How a run samples: ``frames`` wanted from each tracklet, by ``policy``, with ``seed`` for ``random`` and
    ``decode_budget`` for ``cheap``."""

    policy: Policy = "uniform"
    frames: int = 6
    seed: int = 0
    decode_budget: float = DECODE_BUDGET

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(f"sampling {self.policy!r} is not one of {', '.join(POLICIES)}")
        if self.frames < 1:
            raise ValueError(f"frames {self.frames}: at least 1 must be sampled")
        if not 0 < self.decode_budget <= 1:
            raise ValueError(f"decode_budget {self.decode_budget}: must be above 0 and at most 1")

    def positions(self, n: int, key: str) -> NDArray[np.int64]:
        """Positions for a tracklet of ``n`` frames whose id is ``key``: int64 [frames], or [n] for ``all``."""
        return positions(n, self.frames, self.policy, seed=self.seed, key=key)
