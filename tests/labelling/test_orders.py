"""What each policy wants first, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from par_model.evaluation.measures import Answers
from par_model.labelling import orders
from par_model.labelling.pool import Pool, Said
from tests.evaluation.test_measures import SCHEMA

# hat, red, green, blue
SCORES = np.array(
    [[0.90, 0.7, 0.2, 0.1], [0.35, 0.5, 0.1, 0.1], [0.20, 0.1, 0.30, 0.32], [0.25, 0.2, 0.3, 0.1]], np.float32
)


def said(hat_above: float, **more: Any) -> Said:
    """What a table says whose hats are yes above a score."""
    return Said(SCHEMA, Answers(SCORES, np.greater(SCORES, hat_above), np.ones(len(SCORES), bool)), **more)


SEEN = np.zeros(len(SCORES), bool)


def listed(told: Said, covered: Any = SEEN) -> list[list[tuple[int, str]]]:
    return [list(order) for order in orders.uncertain(told, np.asarray(covered), np.random.default_rng(0))]


def test_each_answer_in_turn_gives_what_is_nearest_to_another_one() -> None:
    """The hat's threshold shows as 0.3: 0.25 is a sixth of the way to 0, 0.35 a fourteenth of that to 1."""
    no_hat, hat, red, green, blue = listed(said(0.3))
    assert [[at for at, _ in order] for order in (no_hat, hat, red, green, blue)] == [[3, 2], [1, 0], [1, 0], [3], [2]]
    assert hat[0][1] == "hat 0.35, yes above about 0.30"
    assert blue[0][1] == "color blue 0.32 or green 0.30"


def test_who_is_seen_well_comes_before_who_is_not_however_unsure() -> None:
    no_hat, hat, *_ = listed(said(0.3), [False, True, False, True])
    assert ([at for at, _ in no_hat], [at for at, _ in hat]) == ([2, 3], [0, 1])


def test_a_threshold_that_the_run_recorded_is_taken_as_it_is() -> None:
    """At 0.26, 0.25 is a twenty-sixth of the way to 0, 0.20 six, and 0.35 an eighth of that to 1."""
    no_hat, hat, *_ = listed(said(0.22, thresholds={"hat": 0.26}))
    assert ([at for at, _ in no_hat], [at for at, _ in hat]) == ([2], [3, 1, 0])
    assert hat[0][1] == "hat 0.25, yes above 0.26"


def test_groups_that_the_table_does_not_tell_ask_for_nothing() -> None:
    no_hat, hat = listed(said(0.3, untrained=frozenset({"color_blue"})))
    assert {why.split()[0] for _, why in (*no_hat, *hat)} == {"hat"}


@pytest.mark.parametrize(
    ("decided", "expected"),
    [([False, True, True], 0.3), ([False] * 3, 0.7), ([True] * 3, 0.2), ([False, False, True], 0.55)],
)
def test_the_threshold_is_what_the_answers_show(decided: list[bool], expected: float) -> None:
    assert orders.threshold(np.array([0.2, 0.4, 0.7]), np.array(decided)) == pytest.approx(expected)


def test_a_rare_hour_counts_as_much_as_a_busy_one() -> None:
    cameras = ["a"] * 50 + ["b"] * 3 + [None]
    hours = [8] * 49 + [23] + [8] * 3 + [None]
    pool = Pool(list(range(54)), [str(i) for i in range(54)], [None] * 54, cameras, hours)
    strata = [list(order) for order in orders.stratified(pool, np.random.default_rng(1))]
    sizes = {"camera a, 8 h UTC": 49, "camera a, 23 h UTC": 1, "camera b, 8 h UTC": 3, "no camera": 1}
    assert {order[0][1]: len(order) for order in strata} == sizes
    assert sorted(at for order in strata for at, _ in order) == list(range(54))


def test_the_diverse_are_of_each_cluster_and_no_tracklet_comes_twice() -> None:
    rng = np.random.default_rng(2)
    centres = np.eye(6)[np.repeat(np.arange(6), 40)]
    embeddings = (centres + 0.02 * rng.standard_normal(centres.shape)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    pool = list(range(1000, 1240))
    picks = list(orders.diverse(embeddings, pool, 6, seed=3))
    assert sorted((at - 1000) // 40 for at, _ in picks) == list(range(6))
    assert picks == list(orders.diverse(embeddings, pool, 6, seed=3))
    assert all(float(why.rpartition(" ")[2]) < 0.2 for _, why in picks[1:])
    alike = np.ones((5, 2), np.float32) / np.sqrt(2, dtype=np.float32)
    assert sorted(at for at, _ in orders.diverse(alike, [0, 1, 2, 3, 4], 9, seed=0)) == [0, 1, 2, 3, 4]
