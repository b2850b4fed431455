"""The packets that a header lists are those of a whole pass, or it is not believed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from par_model.video.bytes.source import open_video
from par_model.video.containers.open import VideoContainer, describe
from par_model.video.counters import Counters
from par_model.video.header_index import header_packets, read_packet_index
from par_model.video.packet_index import Packet
from tests.video.footage import write_tracks
from tests.video.frame_numbers import write_clip

GOP: dict[str, Any] = {"options": {"g": "20", "bf": "2", "sc_threshold": "0"}}


def whole_pass(path: Path, stream: int = 0) -> list[Packet]:
    with open_video(str(path)) as file, VideoContainer(file, stream) as video:
        return [describe(packet) for packet in video.packets() if packet.size]


def from_header(path: Path, stream: int = 0) -> list[Packet] | None:
    with open_video(str(path)) as file:
        return header_packets(file, stream)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its header lies in front, and what FFmpeg reads ahead is little of its 2 MB."""
    path = tmp_path_factory.mktemp("header") / "clip.mp4"
    options = GOP["options"] | {"preset": "ultrafast", "crf": "4"}
    return write_clip(path, 75, size=(480, 272), options=options, container_options={"movflags": "faststart"})


@pytest.mark.parametrize(
    "flags",
    [
        "faststart",
        "dash+global_sidx+frag_keyframe",
        "dash+frag_keyframe",
        "frag_keyframe+empty_moov",
        "cmaf",
        "rtphint",
    ],
)
def test_wherever_the_header_lies_it_lists_every_packet(flags: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 75, container_options={"movflags": flags}, **GOP)
    found = from_header(path)
    assert found is not None
    assert len(found) == 75
    assert sum(packet.is_key for packet in found) == 4
    assert found == whole_pass(path)


def test_each_track_has_packets_of_its_own(tmp_path: Path) -> None:
    path = Path(write_tracks(tmp_path / "two.mp4", [range(30), range(100, 145)]))
    found = [from_header(path, stream) for stream in (0, 1)]
    assert [len(packets or ()) for packets in found] == [30, 45]
    assert found == [whole_pass(path, 0), whole_pass(path, 1)]


def test_a_header_is_read_and_no_picture(clip: Path) -> None:
    with open_video(str(clip)) as file:
        found = header_packets(file, 0)
        assert found is not None
        assert file.tell() == 0
        assert file.bytes_read < clip.stat().st_size - sum(packet.size for packet in found) + 100


def _with_payload_to_the_end(data: bytes) -> bytes:
    """The last box, the pictures, ends where the file ends, as its size of 0 says."""
    at = data.index(b"mdat") - 4
    return data[:at] + struct.pack(">I", 0) + data[at + 4 :]


def _with_long_size(data: bytes) -> bytes:
    """The pictures lie where they lay, behind a size of 64 bits in the place of the ``free`` box before them."""
    at = data.index(b"mdat") - 4
    assert data[at - 8 : at] == struct.pack(">I4s", 8, b"free")
    (size,) = struct.unpack(">I", data[at : at + 4])
    return data[: at - 8] + struct.pack(">I4sQ", 1, b"mdat", size + 8) + data[at + 8 :]


@pytest.mark.parametrize("change", [_with_payload_to_the_end, _with_long_size])
def test_sizes_of_all_kinds_are_understood(change: Callable[[bytes], bytes], clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.mp4"
    path.write_bytes(change(clip.read_bytes()))
    assert from_header(path) == whole_pass(clip)


def _cut_off(data: bytes) -> bytes:
    return data[:-1]


def _ending_early(data: bytes) -> bytes:
    """What the last box says of its size was made to fit what is left of the file."""
    at = data.index(b"mdat") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    return data[:at] + struct.pack(">I", size - 40) + data[at + 4 : -40]


def _overlapping(data: bytes) -> bytes:
    """Its second chunk is said to lie before the pictures."""
    at = data.index(b"stco") + 12
    return data[:at] + struct.pack(">I", 4) + data[at + 4 :]


def _of_nothing(data: bytes) -> bytes:
    return data[: data.index(b"mdat") - 4]


def test_a_packet_that_the_file_does_not_hold_is_as_bad_as_in_a_whole_pass(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.mp4"
    path.write_bytes(_ending_early(clip.read_bytes()))
    found = from_header(path)
    assert found is not None
    assert found == whole_pass(path)
    assert [packet.is_bad for packet in found] == [False] * 74 + [True]


@pytest.mark.parametrize("change", [_cut_off, _overlapping, _of_nothing])
def test_a_header_that_says_more_than_the_file_holds_is_not_believed(
    change: Callable[[bytes], bytes], clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "changed.mp4"
    path.write_bytes(change(clip.read_bytes()))
    assert from_header(path) is None


def test_other_formats_have_no_such_header(tmp_path: Path) -> None:
    assert from_header(write_clip(tmp_path / "clip.mkv", 30)) is None
    (tmp_path / "short.mp4").write_bytes(b"\0\0")
    assert from_header(tmp_path / "short.mp4") is None


@pytest.mark.parametrize(
    ("lie", "is_believed"),
    [
        (lambda packets: packets, True),
        (lambda packets: [packets[0]._replace(size=packets[0].size + 1), *packets[1:]], False),
        (lambda packets: [*packets[:5], packets[5]._replace(is_key=True), *packets[6:]], False),
    ],
    ids=["none", "size", "key"],
)
def test_a_header_is_believed_where_the_first_packets_are_as_it_says(
    lie: Callable[[list[Packet]], list[Packet]], is_believed: bool, clip: Path
) -> None:
    told = from_header(clip)
    assert told is not None
    with open_video(str(clip)) as file:
        with VideoContainer(file) as video:
            found = read_packet_index(video, file, Counters(), lie(told))
        share = file.bytes_read / clip.stat().st_size
    with open_video(str(clip)) as file, VideoContainer(file) as video:
        whole = read_packet_index(video, file, Counters(), None)
    assert whole is not None
    assert found is not None
    for name in ("pts", "keys", "begins", "ends", "decoded", "weights"):
        assert getattr(found, name).tolist() == getattr(whole, name).tolist(), name
    assert found.size == whole.size == (480, 272)
    assert (share < 0.5) == is_believed
