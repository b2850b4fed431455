"""Sound files that are easily refused: forms of cameras, titles in old encodings, writers with ways of their own."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest

from par_model.errors import FailureCode
from par_model.video.bytes.source import open_video
from par_model.video.reader import VideoReader
from tests.video import camera_files
from tests.video.damaged_files import FRAMES, H264, MPEG2, VP8_OGG, WMV2, one_by_one, whole_file
from tests.video.frame_numbers import read, write_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("camera")


def numbers(path: Path) -> tuple[str, list[int | str], str | None]:
    """The format, what each frame shows or why it is damaged, and what was met as damage in all."""
    with open_video(str(path)) as file, VideoReader(file) as reader:
        shown = [frame.damage or read(frame.picture()) for frame in reader.frames()]
        return reader._video.format, shown, reader.damage


@pytest.mark.parametrize(
    ("name", "make", "form"),
    [
        ("hxvs.264", camera_files.hxvs, "hxvs"),
        ("hxvs.265", partial(camera_files.hxvs, hevc=True), "hxvs"),
        ("luo.dat", camera_files.luodat, "luodat"),
        ("lengths.mjpg", camera_files.multipart, "mpjpeg"),
        ("no-lengths.mjpg", partial(camera_files.multipart, with_lengths=False), "mpjpeg"),
        ("closed.mjpg", partial(camera_files.multipart, closed=True), "mpjpeg"),
        ("closed-no-lengths.mjpg", partial(camera_files.multipart, closed=True, with_lengths=False), "mpjpeg"),
        ("nc.v", camera_files.nc, "nc"),
        ("iv8.bin", camera_files.iv8, "iv8"),
        ("ingenient.cgi", camera_files.ingenient, "ingenient"),
    ],
)
def test_forms_of_cameras_are_read_to_their_end(
    name: str, make: Callable[[Path], Path], form: str, folder: Path
) -> None:
    path = make(folder / name)
    assert numbers(path) == (form, list(range(camera_files.FRAMES)), None)
    n = camera_files.FRAMES
    assert one_by_one(str(path), "fail", [n - 1, n]) == {n - 1: n - 1, n: FailureCode.FRAME_OUT_OF_RANGE}


@pytest.mark.parametrize("name", ["title.mp4", "title.mkv", "title.avi", "title.flv", "title.ts"])
def test_a_title_in_another_encoding_than_utf_8_is_no_reason_to_refuse(name: str, folder: Path) -> None:
    path = write_clip(folder / name, 5)
    with av.open(str(path)) as given, av.open(str(folder / f"titled-{name}"), "w") as taken:
        taken.metadata["service_name" if name.endswith("ts") else "title"] = "Kxmxrx"
        stream = taken.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                taken.mux(packet)
    data = (folder / f"titled-{name}").read_bytes()
    assert b"Kxmxrx" in data
    path.write_bytes(data.replace(b"Kxmxrx", "Камера".encode("cp1251")))
    assert numbers(path)[1:] == (list(range(5)), None)


@pytest.mark.parametrize(("filling", "length"), [(b"\xff", 188 * 5 + 7), (b"\0", 400_000)], ids=["ones", "zeros"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [("h264.ts", H264), ("h264.avi", H264), ("h264.flv", H264), ("vp8.ogg", VP8_OGG), ("mpeg2.mxf", MPEG2),
     ("wmv2.asf", WMV2), ("h264.mkv", H264), ("live.mkv", H264 | {"container_options": {"live": "1"}})],
)  # fmt: skip
def test_space_that_a_recorder_took_and_did_not_fill_is_no_damage(
    name: str, settings: dict[str, Any], filling: bytes, length: int, folder: Path
) -> None:
    path = folder / f"filled-{name}"
    path.write_bytes(whole_file(folder, name, settings).read_bytes() + filling * length)
    assert numbers(path)[1:] == (list(range(FRAMES)), None)


@pytest.mark.parametrize("name", ["h264.ts", "h264.avi", "h264.flv"])
def test_zeros_in_the_middle_are_damage(name: str, folder: Path) -> None:
    data = whole_file(folder, name, H264).read_bytes()
    path = folder / f"hole-{name}"
    middle = len(data) // 2 // 188 * 188
    path.write_bytes(data[:middle] + bytes(1880) + data[middle + 1880 :] + bytes(1000))
    found = one_by_one(str(path), "fail")
    wrong = {k: shown for k, shown in found.items() if not isinstance(shown, FailureCode) and shown != k}
    assert wrong == {}
    assert found[FRAMES - 1] is FailureCode.VIDEO_DAMAGED


def test_an_index_that_ffmpeg_made_itself_promises_no_key_frame(folder: Path) -> None:
    """Recordings of broadcasts begin anywhere: what precedes the first key frame is no damage of what follows."""
    form, shown, damage = numbers(camera_files.pva(folder / "mid.pva", first=13))
    assert (form, damage) == ("pva", None)
    assert shown[-20:] == list(range(20, 40))
    assert all("whose start the file lacks" in str(why) for why in shown[:-20])


def flv_tags(data: bytes) -> list[bytes]:
    """The tags of an FLV file, each without the size that follows it."""
    at, found = 13, []
    while at < len(data):
        end = at + 11 + int.from_bytes(data[at + 1 : at + 4], "big")
        found.append(data[at:end])
        at = end + 4
    return found


@pytest.mark.parametrize(
    "told",
    [
        lambda tags, i: len(tags[i]) + 3,
        lambda tags, i: len(tags[i]) - 11,
        lambda tags, i: 77 if i == 0 else len(tags[i]),
        lambda tags, i: sum(map(len, tags[: i + 1])),
        lambda tags, i: 0,
    ],
    ids=["3-more", "content-alone", "script-changed-later", "all-so-far", "never"],
)
def test_an_flv_writer_may_count_the_size_of_the_tag_before_otherwise(
    told: Callable[[list[bytes], int], int], folder: Path
) -> None:
    data = whole_file(folder, "h264.flv", H264).read_bytes()
    tags = flv_tags(data)
    parts = [data[:13], *(tag + told(tags, i).to_bytes(4, "big") for i, tag in enumerate(tags))]
    path = folder / "sizes.flv"
    path.write_bytes(b"".join(parts))
    assert numbers(path)[1:] == (list(range(FRAMES)), None)


@pytest.mark.parametrize("added", [0, 3])
def test_an_flv_file_without_one_of_its_tags_or_with_a_wrong_size_is_damaged(added: int, folder: Path) -> None:
    data = whole_file(folder, "h264.flv", H264).read_bytes()
    sizes = [(len(tag) + added).to_bytes(4, "big") for tag in flv_tags(data)]
    parts = [tag + size for tag, size in zip(flv_tags(data), sizes, strict=True)]
    parts[40] = parts[40][:-1] + bytes([parts[40][-1] ^ 1])
    path = folder / "wrong-size.flv"
    path.write_bytes(data[:13] + b"".join(parts))
    found = one_by_one(str(path), "fail")
    assert [found[k] for k in range(20)] == list(range(20))
    assert found[FRAMES - 1] is FailureCode.VIDEO_DAMAGED


UNKNOWN = b"\x40\x01\x41\x65" + bytes(0x165)  # an element that no specification knows, of 357 bytes
FIRST_CLUSTER = b"\x1f\x43\xb6\x75"


def without_places(data: bytes) -> bytes:
    """A Matroska file whose list of offsets, and whose size, tell nothing, so that bytes may be put into it."""
    at = data.index(b"\x11\x4d\x9b\x74")
    size = (data[at + 4] & 0x7F) + 5
    segment = data.index(b"\x18\x53\x80\x67") + 4
    void = b"\xec" + bytes([0x80 | size - 2]) + bytes(size - 2)
    return data[:segment] + b"\x01" + b"\xff" * 7 + data[segment + 8 : at] + void + data[at + size :]


@pytest.mark.parametrize(
    "junk",
    [b"\0" * 100, b"\xff" * 33, b"camera\0firmware", UNKNOWN],
    ids=lambda junk: junk[:6].hex(),
)
def test_bytes_in_the_head_of_a_matroska_file_are_passed_over(junk: bytes, folder: Path) -> None:
    data = without_places(whole_file(folder, "h264.mkv", H264).read_bytes())
    at = data.index(FIRST_CLUSTER)
    path = folder / "junk.mkv"
    path.write_bytes(data[:at] + junk + data[at:])
    assert numbers(path)[1:] == (list(range(FRAMES)), None)


def test_junk_made_to_look_like_blocks_without_end_is_damage_soon(folder: Path) -> None:
    data = without_places(whole_file(folder, "h264.mkv", H264).read_bytes())
    at = data.index(FIRST_CLUSTER)
    path = folder / "likenesses.mkv"
    path.write_bytes(data[:at] + b"\xa3\x81" * 1_000_000 + data[at:])
    begun = time.process_time()
    assert numbers(path)[2] == "the file's structure is damaged, and packets are lost"
    assert time.process_time() - begun < 8


LARGE = b"\x01" + (1 << 40).to_bytes(7, "big")  # a size of more bytes than there is memory
TRACKS, NUMBER = b"\x16\x54\xae\x6b", b"\xd7"


def element(name: bytes, content: bytes) -> bytes:
    return name + b"\x01" + len(content).to_bytes(7, "big") + content


def places(entry: bytes) -> bytes:
    return element(b"\x11\x4d\x9b\x74", element(b"\x4d\xbb", entry))


@pytest.mark.parametrize(
    "unsound",
    [
        places(b"\x53\xab" + LARGE + TRACKS),
        places(element(b"\x53\xab", TRACKS) + element(b"\x53\xac", b"\xff" * 8)),
        element(TRACKS, element(b"\xae", NUMBER + LARGE + b"\1")),
    ],
    ids=["a long name", "a far place", "a long track number"],
)
def test_a_matroska_head_with_numbers_that_no_file_has_room_for_is_passed_over(unsound: bytes, folder: Path) -> None:
    """FFmpeg passes over them, and reads the pictures."""
    data = without_places(whole_file(folder, "h264.mkv", H264).read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 12
    path = folder / "unsound.mkv"
    path.write_bytes(data[:at] + unsound + data[at:])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert numbers(path)[1:] == (list(range(FRAMES)), None)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize("size", [0, 1 << 50, 1 << 63, (1 << 64) - 1])
def test_an_asf_file_whose_headers_tell_no_size_that_a_file_has_is_read(size: int, folder: Path) -> None:
    data = bytearray(whole_file(folder, "wmv2.asf", WMV2).read_bytes())
    data[16:24] = size.to_bytes(8, "little")
    path = folder / "header-size.asf"
    path.write_bytes(data)
    assert numbers(path)[1:] == (list(range(FRAMES)), None)


def test_tracks_may_be_described_behind_the_clusters(folder: Path) -> None:
    data = whole_file(folder, "h264.mkv", H264).read_bytes()
    segment, cluster = data.index(b"\x18\x53\x80\x67") + 12, data.index(FIRST_CLUSTER)
    head = data[segment:cluster]
    at = head.rindex(b"\x16\x54\xae\x6b")
    tracks = head[at : at + 6 + (int.from_bytes(head[at + 4 : at + 6], "big") & 0x3FFF)]
    cues = data.index(b"\x1c\x53\xbb\x6b", cluster)
    place = 26 + cues - cluster
    seek = b"\x4d\xbb\x8f\x53\xab\x84\x16\x54\xae\x6b\x53\xac\x85" + place.to_bytes(5, "big")
    seek_head = b"\x11\x4d\x9b\x74" + bytes([0x80 | len(seek)]) + seek
    assert len(seek_head) < 26
    void = b"\xec" + bytes([0x80 | 26 - len(seek_head) - 2]) + bytes(26 - len(seek_head) - 2)
    path = folder / "tracks-behind.mkv"
    content = seek_head + void + data[cluster:cues] + tracks
    path.write_bytes(data[: segment - 8] + (1 << 56 | len(content)).to_bytes(8, "big") + content)
    assert numbers(path)[1:] == (list(range(FRAMES)), None)


def test_elements_that_a_matroska_writer_has_before_the_first_block_it_may_have_again(folder: Path) -> None:
    settings = H264 | {"container_options": {"live": "1", "cluster_time_limit": "800"}}
    head, *clusters = whole_file(folder, "clusters.mkv", settings).read_bytes().split(FIRST_CLUSTER)
    assert len(clusters) >= 3
    path = folder / "unknown.mkv"
    changed = [head]
    for cluster in clusters:
        assert cluster[0] & 0x40, "a size of two bytes"
        size = (int.from_bytes(cluster[:2], "big") & 0x3FFF) + len(UNKNOWN)
        changed += [FIRST_CLUSTER, (1 << 56 | size).to_bytes(8, "big"), UNKNOWN, cluster[2:]]
    path.write_bytes(b"".join(changed))
    assert numbers(path)[1:] == (list(range(FRAMES)), None)


def test_a_first_cluster_whose_header_is_damaged_is_no_junk(folder: Path) -> None:
    settings = H264 | {"container_options": {"live": "1", "cluster_time_limit": "800"}}
    data = bytearray(whole_file(folder, "clusters.mkv", settings).read_bytes())
    data[data.index(FIRST_CLUSTER) + 3] ^= 4
    path = folder / "first-cluster.mkv"
    path.write_bytes(data)
    found = one_by_one(str(path), "fail")
    assert {k: shown for k, shown in found.items() if shown != k and not isinstance(shown, FailureCode)} == {}
    assert isinstance(found[0], FailureCode)


def test_chunks_that_an_avi_writer_has_before_the_first_picture_it_may_have_again(folder: Path) -> None:
    data = whole_file(folder, "h264.avi", H264).read_bytes()
    path = folder / "gps.avi"
    movi = data.index(b"movi")
    pictures = data[movi : data.index(b"idx1")].replace(b"00dc", b"gps0" + struct.pack("<I", 8) + b"position00dc")
    grown = bytearray(data[:movi] + pictures)
    grown[4:8] = struct.pack("<I", len(grown) - 8)
    grown[movi - 4 : movi] = struct.pack("<I", len(grown) - movi)
    path.write_bytes(grown)
    assert numbers(path)[1:] == (list(range(FRAMES)), None)


def test_b_frames_that_come_late_in_an_avi_file_are_no_losses(folder: Path) -> None:
    """AVI has times of decoding alone, so that a B-frame seems to come before its time."""
    options = {"g": "100", "sc_threshold": "0", "x264-params": "repeat-headers=1:b-adapt=0"}
    parts = [
        write_clip(folder / "first.avi", 30, options=options | {"bf": "0"}),
        write_clip(folder / "second.avi", range(30, 75), options=options | {"bf": "2"}),
    ]
    path = folder / "late-b.avi"
    with av.open(str(parts[0])) as given, av.open(str(path), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        number = 0
        for part in parts:
            with av.open(str(part)) as source:
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.pts = packet.dts = number
                        packet.stream = stream
                        taken.mux(packet)
                        number += 1
    assert numbers(path)[1:] == (list(range(75)), None)
