"""Packets that a demuxer passes over are noticed, on sound files nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import pytest

from par_model.video.containers import asf, avi, flv, matroska, mpegts, mxf
from par_model.video.containers.formats import Walk
from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError, LayoutCheck, OrderCheck, PacketStart
from tests.video.frame_numbers import write_clip

MPEG4: dict[str, Any] = {"codec": "mpeg4", "bit_rate": 1_000_000}
VP9: dict[str, Any] = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
WMV2: dict[str, Any] = {"codec": "wmv2", "bit_rate": 1_000_000}
MPEG2: dict[str, Any] = {"codec": "mpeg2video", "bit_rate": 2_000_000}
LIVE: dict[str, Any] = {"container_options": {"live": "1"}}  # clusters of unknown size
FILES = [
    ("h264.mkv", {}, matroska.walk),
    ("live.mkv", LIVE, matroska.walk),
    ("vp9.webm", VP9, matroska.walk),
    ("h264.avi", {}, avi.walk),
    ("mpeg4.avi", MPEG4, avi.walk),
    ("h264.flv", {}, flv.walk),
]


def from_memory(data: bytes) -> Bytes:
    return Bytes(lambda offset, size: data[offset : offset + size])


def starts(found: list[tuple[int, int]], end: type[Exception] | None = None) -> Iterator[PacketStart]:
    yield from (PacketStart(*packet) for packet in found)
    if end is not None:
        raise end


def is_lost(found: list[tuple[int, int]], packets: list[int], end: type[Exception] | None = None) -> list[bool]:
    check = LayoutCheck(starts(found, end))
    return [*(check.is_lost(position) for position in packets), check.is_any_left()]


TWO_STREAMS = [(10, 1), (20, 2), (30, 1), (40, 2), (50, 1), (60, 2)]


@pytest.mark.parametrize(
    ("found", "packets", "end", "lost"),
    [
        (TWO_STREAMS, [10, 30, 50], None, [False] * 4),
        (TWO_STREAMS, [20, 20, 40, 60], EndError, [False] * 5),  # two frames in one block
        (TWO_STREAMS, [10, 50], None, [False, True, False]),
        (TWO_STREAMS, [30, 50], None, [True, False, False]),
        (TWO_STREAMS, [10, 30], None, [False, False, True]),
        (TWO_STREAMS, [10, 35, 50], None, [False, True, False, False]),
        (TWO_STREAMS, [10, 20], None, [False, True, False]),
        (TWO_STREAMS[:3], [10, 30, 70, 80], BrokenError, [False, False, True, False, False]),
        (TWO_STREAMS[:3], [10, 30, 70, 80], EndError, [False] * 5),
        (TWO_STREAMS[:3], [10, 30], BrokenError, [False, False, True]),
        (TWO_STREAMS, [11, 31], None, [False] * 3),  # positions that mean something else
    ],
)
def test_what_counts_as_lost(
    found: list[tuple[int, int]], packets: list[int], end: type[Exception] | None, lost: list[bool]
) -> None:
    assert is_lost(found, packets, end) == lost


@pytest.mark.parametrize(
    ("packets", "lost"),
    [
        (range(0, 2000, 100), []),
        ([*range(0, 1500, 100), *range(1600, 2000, 100)], [1600]),
        ([0, *range(200, 2000, 100)], []),  # the first ones tell that a place may give none
        ([p for p in range(0, 2000, 100) if p != 1900], [1 << 62]),
        ([*range(0, 1300, 100), 1240, 1270, *range(1300, 2000, 100)], []),  # several from one place
    ],
)
def test_where_each_place_gives_a_packet_one_that_gives_none_is_lost(packets: list[int], lost: list[int]) -> None:
    check = OrderCheck(starts([(start, 0) for start in range(0, 2000, 100)], EndError), one_each=True)
    assert [position for position in [*packets, 1 << 62] if check.is_lost(position)] == lost


@pytest.mark.parametrize(("name", "settings", "walk"), FILES, ids=[name for name, _, _ in FILES])
def test_the_walk_finds_each_packet_where_the_demuxer_does(
    name: str, settings: dict[str, Any], walk: Walk, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / name, 30, **settings)
    with av.open(str(path)) as container:
        expected = [packet.pos for packet in container.demux(video=0) if packet.size]
    found: list[int] = []
    with suppress(EndError):
        found.extend(packet.start for packet in walk(from_memory(path.read_bytes()), 1))
    assert found == expected
    assert len(found) == 30


@pytest.mark.parametrize(
    ("name", "settings", "walk", "stream"),
    [
        ("h264.ts", {}, mpegts.walk, 256),
        ("wmv2.asf", WMV2, asf.walk, 1),
        ("mpeg2.mxf", MPEG2, mxf.walk, 1),
    ],
)
def test_the_walk_goes_to_the_end_of_a_sound_file_and_finds_the_places_of_packets(
    name: str,
    settings: dict[str, Any],
    walk: Walk,
    stream: int,
    tmp_path: Path,
) -> None:
    path = write_clip(tmp_path / name, 30, **settings)
    with av.open(str(path)) as container:
        expected = {packet.pos for packet in container.demux(video=0) if packet.size}
    found = set()
    with suppress(EndError):
        for packet in walk(from_memory(path.read_bytes()), stream):
            found.add(packet.start)
    assert expected <= found
    assert len(expected) >= 5


@pytest.mark.parametrize("walk", [matroska.walk, avi.walk, flv.walk, mxf.walk, asf.walk])
def test_what_is_no_such_file_is_broken_or_ends(walk: Walk) -> None:
    for data in (b"", b"\x00" * 4000, bytes(range(256)) * 20):
        with pytest.raises((BrokenError, EndError)):
            list(walk(from_memory(data), 1))
