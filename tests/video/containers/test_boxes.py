"""The boxes of mp4 files, and the view of a file in which pictures are zeros."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.video.bytes.source import open_video
from par_model.video.containers.boxes import Box, HeaderView, boxes
from par_model.video.containers.packet_starts import Bytes


def box(kind: bytes, content: bytes, *, is_long: bool = False) -> bytes:
    if is_long:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


def of(data: bytes) -> list[Box]:
    return list(boxes(Bytes(lambda offset, size: data[offset : offset + size]), len(data)))


def test_boxes_follow_each_other_whatever_way_their_size_is_told() -> None:
    data = box(b"ftyp", b"isom") + box(b"mdat", bytes(20), is_long=True) + box(b"moov", b"")
    assert of(data) == [Box(b"ftyp", 0, 8, 12), Box(b"mdat", 12, 28, 48), Box(b"moov", 48, 56, 56)]
    to_the_end = data + struct.pack(">I4s", 0, b"mdat") + bytes(9)
    assert of(to_the_end)[-1] == Box(b"mdat", 56, 64, 73)


@pytest.mark.parametrize(
    ("rest", "last"),
    [
        (box(b"mdat", bytes(20))[:-1], Box(b"mdat", 12, 20, 40)),  # cut off
        (struct.pack(">I4s", 5, b"moov") + bytes(8), Box(b"moov", 12, 20, 17)),  # smaller than its own head
        (struct.pack(">I4sI", 1, b"mdat", 0), Box(b"ftyp", 0, 8, 12)),  # the file ends within the size
        (b"1234567", Box(b"ftyp", 0, 8, 12)),  # less than a head
    ],
    ids=["cut off", "no size", "half a size", "rest"],
)
def test_the_walk_ends_where_the_file_or_sense_ends(rest: bytes, last: Box) -> None:
    assert of(box(b"ftyp", b"isom") + rest)[-1] == last


PARTS = [box(b"ftyp", b"isom"), box(b"mdat", b"X" * 300, is_long=True), box(b"free", b"f" * 9), box(b"mdat", b"Y" * 70)]
DATA = b"".join([*PARTS, box(b"moov", b"m" * 40)])
HOLLOW = DATA.replace(b"X", b"\0").replace(b"Y", b"\0")


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(st.tuples(st.integers(0, len(DATA) + 20), st.integers(0, 400)), max_size=8))
def test_a_view_is_the_file_but_for_its_pictures(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "hollow.mp4"
    if not path.exists():
        path.write_bytes(DATA)
    with open_video(str(path)) as file:
        view = HeaderView(file, of(DATA))
        for position, size in steps:
            assert view.seek(position) == view.tell() == position
            found = b""
            while piece := view.read(size - len(found)):
                found += piece
            assert found == HOLLOW[position : position + size]
        assert view.seek(-5, os.SEEK_END) == len(DATA) - 5
        assert view.seek(-1) == -1
        assert view.read() == HOLLOW[-5:]
        assert file.bytes_read <= (len(steps) + 1) * (len(DATA) - 370)


def test_a_view_tells_what_lies_in_one_payload(tmp_path: Path) -> None:
    (tmp_path / "hollow.mp4").write_bytes(DATA[:-50])
    with open_video(str(tmp_path / "hollow.mp4")) as file:
        view = HeaderView(file, of(DATA))
        first = 12 + 16
        assert [view.holds(first + at, size) for at, size in [(0, 300), (0, 301), (-1, 5), (299, 1), (300, 1)]] == [
            True, False, False, True, False,
        ]  # fmt: skip
        second = first + 300 + 17 + 8
        assert [view.holds(second, size) for size in (60, 70)] == [True, len(DATA) - 50 >= second + 70]
