"""Which of a tracklet's frames the network sees. Pure functions of numbers.

Positions are 0-based indices into the tracklet's list of frames, not frame indices. A tracklet with fewer frames than
wanted repeats some, in order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Policy = Literal["uniform", "first", "random", "all"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def positions(n: int, k: int, policy: Policy, *, seed: int = 0, key: str = "") -> NDArray[np.int64]:
    """Choose ``k`` of ``n`` frames: int64 [k], never decreasing, each in 0..n-1 (``all``: int64 [n], k is ignored).

    uniform: the centres of k equal parts, floor((i + 0.5) n / k).
    first: min(i, n - 1).
    random: sorted; without replacement if n >= k, else with. It depends on (n, k, seed, key) alone, so neither the
        order of the tracklets nor the process that asks matters.
    all: every frame.

    Raises ValueError if n or k is below 1, or the policy is unknown.
    """
    if n < 1 or k < 1:
        raise ValueError(f"cannot choose {k} of {n} frames: both must be at least 1")
    match policy:
        case "uniform":
            return (2 * np.arange(k, dtype=np.int64) + 1) * n // (2 * k)
        case "first":
            return np.minimum(np.arange(k, dtype=np.int64), n - 1)
        case "random":
            return _random(n, k, seed, key)
        case "all":
            return np.arange(n, dtype=np.int64)
    raise ValueError(f"sampling {policy!r} is not one of {', '.join(POLICIES)}")


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
    """How a run samples: ``frames`` wanted from each tracklet, by ``policy``, with ``seed`` for ``random``."""

    policy: Policy = "uniform"
    frames: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(f"sampling {self.policy!r} is not one of {', '.join(POLICIES)}")
        if self.frames < 1:
            raise ValueError(f"frames {self.frames}: at least 1 must be sampled")

    def positions(self, n: int, key: str) -> NDArray[np.int64]:
        """Positions for a tracklet of ``n`` frames whose id is ``key``: int64 [frames], or [n] for ``all``."""
        return positions(n, self.frames, self.policy, seed=self.seed, key=key)
