"""Indexes of packets: made where they leave no doubt, used where that saves decoding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.video.packet_index import (
    SEEK_COST,
    Packet,
    PacketIndex,
    PacketIndexCache,
    Run,
    index_may_pay,
    index_of_packets,
    runs,
)


def packets(*stamps: int | None, keys: tuple[int, ...] = (0,), bad: tuple[int, ...] = ()) -> list[Packet]:
    return [Packet(stamp, i in keys, i in bad, 100 * i, 90) for i, stamp in enumerate(stamps)]


def table(frames: int, gop: int) -> PacketIndex:
    return PacketIndex(np.arange(frames), np.arange(0, frames, gop))


def test_frames_are_in_order_of_their_timestamps_and_keys_are_found_among_them() -> None:
    found = index_of_packets(packets(0, 30, 10, 20, 40, 70, 50, 60, keys=(0, 4)))
    assert found is not None
    assert found.pts.tolist() == [0, 10, 20, 30, 40, 50, 60, 70]
    assert found.keys.tolist() == [0, 4]
    assert [found.key_before(k) for k in (0, 3, 4, 7)] == [0, 0, 4, 4]
    # Frame 2 is decoded fourth; two frames may be held back, and one more packet may be read until it comes out.
    assert found.bytes_of(Run(0, 2)) == (0, 690)
    assert found.bytes_of(Run(4, 4)) == (400, 790)
    assert found.decoded is not None
    assert found.decoded.tolist() == [0, 2, 3, 1, 4, 6, 7, 5]
    assert found.weights is not None
    assert found.weights.tolist() == [90] * 8


@pytest.mark.parametrize(
    "stream",
    [
        packets(),
        packets(0, None, 20),
        packets(0, 10, 10),
        packets(0, 10, 20, keys=(1,)),
        packets(0, 10, 20, bad=(2,)),
        packets(10, 0, 20),
    ],
    ids=["empty", "no timestamp", "twice", "no key first", "damaged", "frames before the first key"],
)
def test_packets_that_leave_doubt_give_no_table(stream: list[Packet]) -> None:
    assert index_of_packets(stream) is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([3], [Run(0, 3)]),
        ([260], [Run(250, 260)]),
        ([3, 260], [Run(0, 3), Run(250, 260)]),
        ([40, 60], [Run(0, 60)]),  # the key frame at 50 is too near to be worth a seek
        ([260, 290, 310], [Run(250, 310)]),
        ([10, 999], [Run(0, 10), Run(950, 999)]),
    ],
)
def test_a_seek_is_made_where_it_saves_more_than_it_costs(wanted: list[int], expected: list[Run]) -> None:
    assert runs(wanted, table(1000, 50)) == expected


@given(st.sets(st.integers(0, 999), min_size=1), st.integers(1, 300))
def test_runs_pass_every_wanted_frame_once_and_decode_little_else(wanted: set[int], gop: int) -> None:
    packet_table = table(1000, gop)
    plan = runs(sorted(wanted), packet_table)
    passed = [k for run in plan for k in range(run.start, run.stop + 1)]
    assert sorted(set(passed)) == passed
    assert wanted <= set(passed)
    assert all(run.start in (0, *packet_table.keys.tolist()) for run in plan)
    needed = {k for w in wanted for k in range(packet_table.key_before(w), w + 1)}
    assert len(passed) <= len(needed) + SEEK_COST * (len(plan) + len(wanted))


def test_a_table_is_made_where_it_may_pay() -> None:
    assert not index_may_pay([5], 1000)
    assert not index_may_pay(list(range(500)), 1000)
    assert index_may_pay([900], 1000)
    assert index_may_pay([900], None)
    assert not index_may_pay([30], 100_000)
    assert index_may_pay([0, 900], 1000)


def test_the_cache_keeps_the_tables_that_were_used_last() -> None:
    cache = PacketIndexCache(most_frames=2500)
    for name in "ab":
        cache[name] = table(1000, 10)
    assert len(cache["a"] or ()) == 1000
    cache["c"] = table(1000, 10)
    assert ["a" in cache, "b" in cache, "c" in cache] == [True, False, True]
    cache["a"] = None
    assert cache["a"] is None
