"""Seeking by a packet index: only where it saves decoding, and never on trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.sampling import Sampling
from par_model.types import RawCrops, Tracklet
from par_model.video.bytes.source import open_video
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import (
    SEEK_COST,
    Packet,
    PacketIndex,
    PacketIndexCache,
    Run,
    index_may_pay,
    index_of_packets,
    packet_indexes,
    runs,
)
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import read, write_clip

GOP = {"g": "25", "bf": "2", "sc_threshold": "0"}


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


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 400, options=GOP))


def read_frames(stage: DecodeStage, uri: str, frames: list[int]) -> list[int]:
    (crops,) = stage([Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray(frames, np.int32))])
    assert isinstance(crops, RawCrops), crops
    return [read(image) for image in crops.images]


def in_process() -> DecodeStage:
    return DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False))


def test_late_frames_cost_no_pass_over_what_lies_before(clip: str) -> None:
    packet_indexes._indexes.clear()
    stage = in_process()
    assert read_frames(stage, clip, [310, 320]) == [310, 320]
    first = stage.counters.copy()
    assert first.frames_decoded <= 21 + 16  # and the frames that prove the table
    assert read_frames(stage, clip, [10, 180, 399]) == [10, 180, 399]
    assert stage.counters.since(first).frames_decoded == 11 + 6 + 25
    assert stage.counters.since(first).frames_needed == 11 + 6 + 25
    assert stage.counters.seeks_refuted == 0


def test_spans_of_a_long_video_do_not_read_it_again_and_again(clip: str) -> None:
    """Calls with the tracklets of one stretch each, as several workers get them."""
    wanted = [
        Tracklet(i, f"t{i}", video_uri=clip, frame_indices=np.arange(4 * i, 4 * i + 40, dtype=np.int32))
        for i in range(90)
    ]
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False, crop_bytes=8 << 30))
    for start in range(0, 90, 15):
        for crops in stage(wanted[start : start + 15]):
            assert isinstance(crops, RawCrops)
            assert [read(image) for image in crops.images] == crops.sampled_frames.tolist()
    assert stage.counters.frames_decoded / stage.counters.frames_needed < 1.15
    assert stage.counters.frames_decoded < 1.8 * 400  # each span runs on to the end of its last tracklet


@pytest.mark.parametrize("lie", ["shifted", "one missing", "no such key"])
def test_a_table_that_lies_is_found_out_and_the_frames_are_counted(lie: str, clip: str) -> None:
    packet_indexes._indexes.clear()
    stage = in_process()
    read_frames(stage, clip, [310])
    with open_video(clip) as file:
        identity = file.identity
    assert identity is not None
    true = packet_indexes[identity, 0]
    assert true is not None
    packet_indexes[identity, 0] = {
        "shifted": PacketIndex(true.pts + 7, true.keys),
        "one missing": PacketIndex(np.delete(true.pts, 305), true.keys),
        "no such key": PacketIndex(true.pts, np.asarray([0, 307])),
    }[lie]
    assert read_frames(stage, clip, [310]) == [310]
    assert stage.counters.seeks_refuted == 1
    assert read_frames(stage, clip, [310]) == [310]
    assert stage.counters.seeks_refuted == 1  # it is not asked again


def test_a_changed_file_is_not_read_by_the_old_table(tmp_path: Path) -> None:
    stage = in_process()
    for numbers in (range(120), range(500, 620)):
        path = write_clip(tmp_path / "clip.mp4", numbers, options=GOP)
        assert read_frames(stage, str(path), [100]) == [numbers[100]]


def test_an_index_is_made_from_the_beginning_also_after_some_tracklets_were_read(clip: str) -> None:
    """The crops of both tracklets are more than may be held at once, so the second is read after the first."""
    packet_indexes._indexes.clear()
    options = DecodeOptions(isolate=False, crop_bytes=60 * 256 * 96 * 3)
    stage = DecodeStage(None, Sampling("all"), options)
    frames = [np.arange(48, dtype=np.int32), np.arange(310, 330, dtype=np.int32)]
    wanted = [Tracklet(row, f"t{row}", video_uri=clip, frame_indices=some) for row, some in enumerate(frames)]
    for crops, some in zip(stage(wanted), frames, strict=True):
        assert isinstance(crops, RawCrops)
        assert [read(image) for image in crops.images] == some.tolist()
    (packet_index,) = packet_indexes._indexes.values()
    assert packet_index is not None
    assert len(packet_index) == 400
    assert stage.counters.frames_decoded < 48 + 30 + 12 + 16
