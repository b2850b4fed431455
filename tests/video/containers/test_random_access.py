"""What packets themselves tell: where decoding can start, and whose pictures no other is made from."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from par_model.video.containers.random_access import RandomAccess
from tests.video import corpus

ALL_KEYS = {"h264-all-keys.mp4", "mjpeg.mov"}
AS_FLAGGED = {
    "h264.mp4",
    "h264.mkv",
    "h264-b-pyramid.mkv",
    "hevc.mp4",
    "hevc-open.mkv",
    "vp9.webm",
    "vp9.mp4",
    "av1.mp4",
}
FIRST_ALONE = {"h264-one-key.mp4", "h264-open.mp4", "h264-open.mkv", "h264-intra-refresh.mp4", "h264-intra-refresh.mkv"}
UNTOLD = {"mpeg4.avi", "vp8.webm", "theora.ogv"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def made(name: str, folder: Path) -> str:
    (case,) = [case for case in corpus.CASES if case.name == name]
    try:
        return str(corpus.make(case, folder))
    except FileNotFoundError:
        pytest.skip("ffmpeg is not installed, and PyAV's encoders cannot make this file")


def starts(uri: str) -> tuple[list[int], list[int], int]:
    """Which packets (in file order) say that decoding can start with them, which are flagged so, and how many."""
    found, flagged = [], []
    with av.open(uri) as container:
        stream = container.streams.video[0]
        access = RandomAccess(stream.codec_context.codec.canonical_name, stream.codec_context.extradata)
        packets = [packet for packet in container.demux(stream) if packet.size]
        for i, packet in enumerate(packets):
            if packet.is_keyframe:
                flagged.append(i)
            packet.is_keyframe = True
            if access.can_start(packet):
                found.append(i)
    return found, flagged, len(packets)


@pytest.mark.parametrize("name", sorted(AS_FLAGGED | FIRST_ALONE | ALL_KEYS | UNTOLD))
def test_packets_tell_where_decoding_can_start_whatever_their_flags_say(name: str, folder: Path) -> None:
    found, flagged, count = starts(made(name, folder))
    if name in AS_FLAGGED:
        assert found == flagged
        assert len(found) >= 3
    elif name in ALL_KEYS:
        assert found == list(range(count))
    else:
        assert found == ([0] if name in FIRST_ALONE else [])


def test_a_packet_without_the_flag_is_no_start(folder: Path) -> None:
    with av.open(made("h264.mp4", folder)) as container:
        packet = next(container.demux(video=0))
        access = RandomAccess("h264", container.streams.video[0].codec_context.extradata)
        assert access.can_start(packet)
        packet.is_keyframe = False
        assert not access.can_start(packet)


def pictures(uri: str, *, leave_out: bool) -> tuple[dict[int, NDArray[np.uint8]], int]:
    """Pictures by time, and how many packets were left out."""
    found, left_out = {}, 0
    with av.open(uri) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        access = RandomAccess(stream.codec_context.codec.canonical_name, stream.codec_context.extradata)
        for packet in container.demux(stream):
            if leave_out and packet.size and access.is_disposable(packet):
                left_out += 1
                continue
            for frame in packet.decode():
                assert frame.pts is not None
                found[frame.pts] = frame.to_ndarray(format="rgb24")
    return found, left_out


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("h264.mp4", True),
        ("h264.mkv", True),
        ("h264-b-pyramid.mkv", True),
        ("h264-interlaced.mp4", True),
        ("h264-10-bit.mkv", True),
        ("h264-open.mp4", True),
        ("h264-no-b.mp4", False),
        ("h264-intra-refresh.mp4", False),
        ("hevc.mp4", True),
        ("vp9-alt-ref.webm", False),
        ("av1.mp4", False),
    ],
)
def test_without_disposable_packets_all_other_pictures_are_the_same(name: str, some: bool, folder: Path) -> None:
    uri = made(name, folder)
    whole, _ = pictures(uri, leave_out=False)
    part, left_out = pictures(uri, leave_out=True)
    assert (left_out > 10) == some
    assert len(part) == len(whole) - left_out
    assert all(np.array_equal(part[time], whole[time]) for time in part)


@pytest.mark.parametrize(
    ("data", "is_key"),
    [
        (bytes([0b10000010]), True),  # profile 0
        (bytes([0b10000110]), False),  # between key frames
        (bytes([0b10001000]), False),  # shown again
        (bytes([0b10110000]), True),  # profile 3
        (bytes([0b10110010]), False),
        (bytes([0b01000010]), False),
        (b"", False),
    ],
)
def test_the_first_byte_of_vp9_tells_key_frames(data: bytes, is_key: bool) -> None:
    packet = av.Packet(data)
    packet.is_keyframe = True
    assert RandomAccess("vp9", None).can_start(packet) == is_key


@pytest.mark.parametrize(
    ("data", "is_key"),
    [
        (bytes([0x12, 0, 0x0A, 1, 0]), True),  # temporal delimiter, sequence header
        (bytes([0x0A, 1, 0]), True),
        (bytes([0x7A, 2, 9, 9, 0x0A, 1, 0]), True),  # padding before it
        (bytes([0x12, 0, 0x32, 1, 0]), False),  # a frame
        (bytes([0x10]), False),  # without a size it fills the unit
        (b"", False),
    ],
)
def test_a_sequence_header_begins_a_unit_of_av1_where_decoding_can_start(data: bytes, is_key: bool) -> None:
    packet = av.Packet(data)
    packet.is_keyframe = True
    assert RandomAccess("av1", None).can_start(packet) == is_key


def test_an_empty_or_torn_packet_is_neither() -> None:
    for data in (b"", b"\0\0\0", b"\0\0\0\1", b"\0\0\0\5\x65", b"\0\0\0\0\0\0\0\0"):
        for codec in ("h264", "hevc"):
            for extradata in (None, b"\1" + bytes([100, 0, 30, 255]) + bytes(24)):
                packet = av.Packet(data)
                packet.is_keyframe = True
                access = RandomAccess(codec, extradata)
                assert access.can_start(packet) in (True, False)
                assert not access.is_disposable(packet) or data == b"\0\0\0\1"
