"""Sets of rows, against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from par_model.runs.done import DoneRows, are_done

ROWS = st.lists(st.integers(0, 300), max_size=40)


@given(st.lists(ROWS, max_size=6), ROWS)
def test_what_was_added_is_in_it_once(added: list[list[int]], asked: list[int]) -> None:
    done, expected = DoneRows(), set[int]()
    for rows in added:
        done.add(np.array(rows, np.int64))
        expected |= set(rows)
        assert len(done) == len(expected)
    assert done.rows().tolist() == sorted(expected)
    assert done.holds(np.array(asked, np.int64)).tolist() == [row in expected for row in asked]
    assert len(done.bits) == (max(expected) // 8 + 1 if expected else 0)


def test_bits_by_hand() -> None:
    done = DoneRows(np.array([17, 0, 9, 9]))
    assert done.bits.tolist() == [0b1, 0b10, 0b10]
    assert are_done(done.bits, np.array([0, 1, 9, 17, 24, 10**9])).tolist() == [True, False, True, True, False, False]
    assert are_done(np.empty(0, np.uint8), np.array([0, 7])).tolist() == [False, False]
