"""Which frames the network sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.sampling import POLICIES, Sampling, keyed_uniform, positions

COUNTS = st.integers(1, 400)
FRAMES = st.integers(1, 64)
SEEDS = st.integers(0, 2**40)


@pytest.mark.parametrize(
    ("n", "k", "expected"),
    [
        (3, 6, [0, 0, 1, 1, 2, 2]),
        (6, 6, [0, 1, 2, 3, 4, 5]),
        (12, 6, [1, 3, 5, 7, 9, 11]),
        (13, 6, [1, 3, 5, 7, 9, 11]),
        (113, 6, [9, 28, 47, 65, 84, 103]),
        (1, 4, [0, 0, 0, 0]),
        (100, 1, [50]),
    ],
)
def test_uniform_takes_the_centres_of_equal_parts(n: int, k: int, expected: list[int]) -> None:
    assert positions(n, k, "uniform").tolist() == expected


@given(COUNTS, FRAMES)
def test_uniform_is_its_formula_in_exact_arithmetic(n: int, k: int) -> None:
    assert positions(n, k, "uniform").tolist() == [((2 * i + 1) * n) // (2 * k) for i in range(k)]


def test_first_repeats_the_last_frame_of_a_short_tracklet() -> None:
    assert positions(4, 6, "first").tolist() == [0, 1, 2, 3, 3, 3]
    assert positions(9, 6, "first").tolist() == [0, 1, 2, 3, 4, 5]


def test_all_takes_every_frame_whatever_is_wanted() -> None:
    assert positions(9, 2, "all").tolist() == list(range(9))


@given(COUNTS, FRAMES, st.sampled_from(POLICIES), SEEDS, st.text())
def test_positions_are_sorted_int64_within_the_tracklet(n: int, k: int, policy: str, seed: int, key: str) -> None:
    chosen = positions(n, k, policy, seed=seed, key=key)
    assert chosen.dtype == np.int64
    assert len(chosen) == (n if policy == "all" else k)
    assert chosen[0] >= 0
    assert chosen[-1] < n
    assert (np.diff(chosen) >= 0).all()


@given(COUNTS, FRAMES, SEEDS, st.text())
def test_random_repeats_only_what_it_must_and_is_a_function_of_its_key(n: int, k: int, seed: int, key: str) -> None:
    chosen = positions(n, k, "random", seed=seed, key=key)
    assert (n < k) or len(set(chosen.tolist())) == k
    assert positions(n, k, "random", seed=seed, key=key).tolist() == chosen.tolist()


def test_random_is_the_same_in_every_release() -> None:
    assert positions(100, 6, "random", seed=7, key="cam1-12").tolist() == [2, 65, 78, 79, 93, 99]
    assert positions(3, 6, "random", seed=7, key="cam1-12").tolist() == [0, 1, 1, 1, 2, 2]


def test_random_differs_between_tracklets_and_seeds() -> None:
    draws = {tuple(positions(1000, 6, "random", seed=s, key=k).tolist()) for s in range(5) for k in "abcde"}
    assert len(draws) == 25


def test_random_chooses_every_frame_about_equally_often() -> None:
    counts = np.zeros(20)
    for i in range(3000):
        counts[positions(20, 5, "random", key=str(i))] += 1
    assert counts.min() > 650  # 750 expected, standard deviation 24
    assert counts.max() < 850


@pytest.mark.parametrize(("n", "k"), [(0, 6), (6, 0), (-1, 6)])
def test_nothing_to_choose_from_is_refused(n: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"cannot choose {k} of {n} frames"):
        positions(n, k, "uniform")


def test_sampling_checks_itself_and_samples() -> None:
    assert Sampling("first", 3).positions(2, "a").tolist() == [0, 1, 1]
    assert Sampling("random", 6, seed=7).positions(100, "cam1-12").tolist() == [
        *positions(100, 6, "random", seed=7, key="cam1-12")
    ]
    with pytest.raises(ValueError, match="frames 0"):
        Sampling(frames=0)
    with pytest.raises(ValueError, match="uniform, first, random, all"):
        Sampling("middle")  # type: ignore[arg-type]


def test_keyed_numbers_stay_what_they_are_from_release_to_release() -> None:
    assert keyed_uniform(3, "order", 5, 2).tolist() == [0.929570199981123, 0.3485380051077668, 0.08244838200285698]
    assert positions(100, 6, "random", seed=7, key="c1-4").tolist() == [26, 39, 50, 80, 87, 91]


@given(st.integers(1, 20), st.lists(st.integers() | st.text(), min_size=1))
def test_more_keyed_numbers_begin_with_the_same(count: int, key: list[int | str]) -> None:
    assert keyed_uniform(count, *key).tolist() == keyed_uniform(count + 5, *key)[:count].tolist()
