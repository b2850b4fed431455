"""A remote object as a file: it reads as a plain one, and what is expected comes with few requests."""

from __future__ import annotations

import os
from itertools import pairwise

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.video.bytes import ranged
from par_model.video.bytes.ranged import REQUEST, Part, RangedFile, cost, merged
from par_model.video.bytes.remote import RemoteObject

DATA = np.random.default_rng(0).bytes(3 << 20)
KB, MB = 1 << 10, 1 << 20


class Recorded(RemoteObject):
    """Remembers its requests."""

    def __init__(self, data: bytes = DATA) -> None:
        fsspec.filesystem("memory").pipe_file("/ranged", data)
        super().__init__("memory://ranged")
        self.asked: list[Part] = []

    def read_range(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return super().read_range(start, stop)


places = st.tuples(st.integers(0, len(DATA) + 1000), st.integers(0, 1 << 20))


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(places, max_size=12), expected=st.lists(places, max_size=5))
def test_a_ranged_file_reads_what_a_plain_file_reads_and_nothing_twice(steps: list[Part], expected: list[Part]) -> None:
    source = Recorded()
    file = RangedFile(source)
    file.expected = merged((start, start + size) for start, size in expected)
    for position, size in steps:
        assert file.seek(position) == position
        assert file.read(size) == DATA[position : position + size]
        assert file.tell() == max(position, min(position + size, len(DATA)))
        file.seek(position)
        some = file.read_some(size)
        assert some == DATA[position : position + len(some)]
        assert bool(some) == (size > 0 and position < len(DATA))
    assert file.seek(-5, os.SEEK_END) == len(DATA) - 5
    assert file.read() == DATA[-5:]
    asked = sorted(source.asked)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(asked))
    assert source.bytes_fetched == sum(stop - start for start, stop in asked)


@pytest.mark.parametrize(
    ("parts", "requests"),
    [
        ([], []),
        ([(5, 5)], []),
        ([(10, 20), (20, 30)], [(10, 30)]),
        ([(MB, MB + 10), (0, 10)], [(0, 10), (MB, MB + 10)]),
        ([(0, 10), (10 + REQUEST, 20 + REQUEST)], [(0, 20 + REQUEST)]),
        ([(0, 10), (11 + REQUEST, 20 + REQUEST)], [(0, 10), (11 + REQUEST, 20 + REQUEST)]),
        ([(0, 10 * MB), (3, 5)], [(0, 4 * MB), (4 * MB, 8 * MB), (8 * MB, 10 * MB)]),
    ],
    ids=["none", "empty", "adjoining", "far", "near", "just too far", "long"],
)
def test_near_parts_are_one_request_and_long_ones_several(parts: list[Part], requests: list[Part]) -> None:
    assert merged(parts) == requests
    assert merged(requests) == requests
    assert cost(requests) == sum(stop - start for start, stop in requests) + REQUEST * len(requests)


def test_what_is_expected_comes_at_once_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "_AHEAD", 300 * KB)
    source = Recorded()
    file = RangedFile(source)
    file.expected = [(100 * KB, 200 * KB), (MB, MB + 200 * KB), (2 * MB, 2 * MB + 10 * KB)]
    file.seek(150 * KB)
    assert file.read(1000) == DATA[150 * KB : 150 * KB + 1000]
    assert sorted(source.asked) == [(150 * KB, 200 * KB), (MB, MB + 200 * KB), (2 * MB, 2 * MB + 10 * KB)]
    file.seek(MB)
    assert file.read_some(MB) == DATA[MB : MB + 200 * KB]  # no more than is at hand
    assert len(source.asked) == 3
    source.asked.clear()
    file.seek(110 * KB)
    assert file.read(20 * KB) == DATA[110 * KB : 130 * KB]
    assert source.asked == [(110 * KB, 150 * KB)]  # the rest is there


def test_what_nobody_expected_comes_in_longer_and_longer_blocks() -> None:
    source = Recorded()
    file = RangedFile(source)
    while file.read(10 * KB):
        pass
    sizes = [stop - start for start, stop in source.asked]
    assert sizes[:5] == [64 * KB, 64 * KB, 64 * KB, 64 * KB, 128 * KB]
    assert sum(sizes) == len(DATA)
    assert len(sizes) < 16
    source.asked.clear()
    RangedFile(source).read(300 * KB)
    assert source.asked == [(0, 300 * KB)]  # a large read is one request


def test_memory_is_bounded_and_what_was_dropped_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "_KEPT", 256 * KB)
    source = Recorded()
    file = RangedFile(source)
    for start in range(0, MB, 64 * KB):
        file.seek(start)
        assert file.read(10) == DATA[start : start + 10]
    assert sum(len(chunk) for chunk in file._chunks.values()) <= 256 * KB
    assert file._starts == sorted(file._chunks)
    file.seek(0)
    assert file.read(10) == DATA[:10]
    assert source.asked.count((0, 64 * KB)) == 2
