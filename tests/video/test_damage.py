"""Damaged and unfinished files: what precedes the damage is read, what follows it is never passed off as sound."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Failure, Tracklet
from par_model.video.collect import RawCrops, Result
from par_model.video.options import Damaged, DecodeOptions
from par_model.video.stage import DecodeStage
from par_model.video.table import tables
from tests.video.frame_numbers import read, write_clip

FRAMES = 75
HIT = 42  # in decode order
SOUND = 30
H264: dict[str, Any] = {"options": {"g": "20", "bf": "2", "sc_threshold": "0"}}
FASTSTART = H264 | {"container_options": {"movflags": "faststart"}}
FRAGMENTED = H264 | {"container_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}}
HEVC: dict[str, Any] = {"codec": "libx265", "options": {"x265-params": "log-level=none:pools=1:keyint=20"}}
VP9: dict[str, Any] = {"codec": "libvpx-vp9", "options": {"g": "20", "deadline": "realtime", "cpu-used": "8"}}
MPEG4: dict[str, Any] = {"codec": "mpeg4", "options": {"g": "20"}, "bit_rate": 2_000_000}
MJPEG: dict[str, Any] = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "bit_rate": 8_000_000}
MPEG2: dict[str, Any] = {"codec": "mpeg2video", "options": {"g": "15", "bf": "2"}, "bit_rate": 3_000_000}
WMV2: dict[str, Any] = {"codec": "wmv2", "options": {"g": "20"}, "bit_rate": 2_000_000}

Picture = NDArray[np.uint8]
Damage = Callable[[bytearray, int, int], None]


def flip(data: bytearray, position: int, size: int) -> None:
    """Some bits of a packet are wrong."""
    for i in range(position + size // 4 + 8, position + size // 4 + 30):
        data[i] ^= 0x5A


def erase(data: bytearray, position: int, size: int) -> None:
    """A packet is overwritten with zeros."""
    data[position + 8 : position + size] = bytes(size - 8)


def cut(data: bytearray, position: int, size: int) -> None:
    """The file ends in the middle of a packet, as while it is being written."""
    del data[position + size // 2 :]


def punch(data: bytearray, position: int, size: int) -> None:
    """Bytes are missing in the middle."""
    del data[position + 10 : position + size + 200]


def garble(data: bytearray, position: int, size: int) -> None:
    """The header before a packet is wrong."""
    for i in range(position - 8, position):
        data[i] ^= 0x5A


def misname(data: bytearray, position: int, size: int) -> None:
    """One bit before a packet is wrong."""
    data[position - 1] ^= 0x40


def blank(data: bytearray, position: int, size: int) -> None:
    """The header before a packet, and its start, are overwritten with zeros."""
    data[position - 12 : position + 20] = bytes(32)


def drop(data: bytearray, position: int, size: int) -> None:
    """Bytes around a packet's header are missing."""
    del data[position - 20 : position + 44]


HEADERS = (garble, misname, blank, drop)
CASES = [
    ("h264.mp4", FASTSTART, (flip, erase, cut, punch)),
    ("fragmented.mp4", FRAGMENTED, (flip, erase, cut)),
    ("h264.mkv", H264, (flip, erase, cut, punch, *HEADERS)),
    ("h264.avi", H264, (flip, erase, cut, punch, *HEADERS)),
    ("h264.flv", H264, (flip, cut, garble, blank, drop)),
    ("h264.ts", H264, (cut, punch)),
    ("hevc.mkv", HEVC, (erase, cut, punch)),
    ("vp9.webm", VP9, (erase, cut, punch, *HEADERS)),
    ("mpeg4.avi", MPEG4, (flip, erase, cut, punch, *HEADERS)),
    ("mjpeg.avi", MJPEG, (erase, cut, *HEADERS)),
    ("mpeg2.mpg", MPEG2, (flip, erase, cut, punch)),
]
PAIRS = [pytest.param(n, s, d, id=f"{n}-{d.__name__}") for n, s, damages in CASES for d in damages]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


def damaged_file(folder: Path, name: str, settings: dict[str, Any], damage: Damage) -> str:
    whole = folder / name
    if not whole.exists():
        write_clip(whole, FRAMES, **settings)
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        position, size = packets[HIT].pos, packets[HIT].size
    data = bytearray(whole.read_bytes())
    if position is None:  # packets of MPEG-PS lie anywhere in its packs
        position = len(data) // 2
    damage(data, position, size)
    path = folder / f"{damage.__name__}-{name}"
    path.write_bytes(data)
    return str(path)


def read_each(uri: str, damaged: Damaged, frames: Iterable[int] = range(FRAMES)) -> Iterator[Result]:
    """A tracklet of each frame alone, all read together."""
    wanted = [Tracklet(k, f"t{k}", video_uri=uri, frame_indices=np.asarray([k], np.int32)) for k in frames]
    return DecodeStage(None, Sampling("all"), DecodeOptions(damaged=damaged, isolate=False))(wanted)


def one_by_one(uri: str, damaged: Damaged, frames: Iterable[int] = range(FRAMES)) -> dict[int, int | FailureCode]:
    """For each frame what a tracklet of it alone shows, or its failure. All are read together."""
    found: dict[int, int | FailureCode] = {}
    for result in read_each(uri, damaged, frames):
        if isinstance(result, Failure):
            found[result.row] = result.code
            assert "frame" in result.message or "no video" in result.message, result.message
        else:
            assert isinstance(result, RawCrops)
            found[result.row] = read(result.images[0])
    return found


@pytest.mark.parametrize(("name", "settings", "damage"), PAIRS)
def test_frames_before_the_damage_are_read_and_no_wrong_one_after(
    name: str, settings: dict[str, Any], damage: Damage, folder: Path
) -> None:
    found = one_by_one(damaged_file(folder, name, settings, damage), "fail")
    assert len(found) == FRAMES
    assert [found[k] for k in range(SOUND)] == list(range(SOUND))
    wrong = {k: shown for k, shown in found.items() if not isinstance(shown, FailureCode) and shown != k}
    assert wrong == {}
    failures = {shown for shown in found.values() if isinstance(shown, FailureCode)}
    assert failures
    assert failures <= {FailureCode.VIDEO_DAMAGED, FailureCode.FRAME_OUT_OF_RANGE}
    # Groups of pictures after the damaged one are sound where the packets still tell which frame is which.
    is_told = damage in (flip, erase) and name.endswith((".mp4", ".mkv", ".webm"))
    assert isinstance(found[FRAMES - 1], FailureCode) != is_told


def spoil_content(data: bytearray, place: int, size: int, draw: np.random.Generator) -> None:
    """One bit, or some bytes, of a packet are others; its start, which names its kind, is as it was."""
    at = place + int(draw.integers(min(8, size - 1), size))
    length = min(int(draw.integers(1, 40)), place + size - at)
    match draw.integers(3):
        case 0:
            data[at] ^= 1 << int(draw.integers(8))
        case 1:
            data[at : at + length] = bytes(length)
        case _:
            data[at : at + length] = bytes(draw.integers(256, size=length, dtype=np.uint8))


def plain_pictures(uri: str) -> list[Picture]:
    with av.open(uri) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def strictly_refused(uri: str) -> int | None:
    """The first packet that a decoder refuses which was told to make nothing up, None if there is none."""
    with av.open(uri) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"err_detect": "explode"}
        for number, packet in enumerate(container.demux(stream)):
            try:
                packet.decode()
            except av.error.InvalidDataError:
                return number
    return None


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("h264.mp4", FASTSTART),
        ("h264-cavlc.mkv", {"options": H264["options"] | {"coder": "0"}}),
        ("h264.flv", H264),
        ("mpeg4.avi", MPEG4),
        ("mpeg4-b.mp4", MPEG4 | {"options": {"g": "20", "bf": "2"}}),
        ("mpeg2.mkv", MPEG2),
        ("ffv1.mkv", {"codec": "ffv1"}),
    ],
)
def test_what_a_decoder_makes_up_is_never_passed_off_as_sound(
    name: str, settings: dict[str, Any], folder: Path
) -> None:
    """FFmpeg fills what it cannot decode from other pictures, and gives that as a frame like any other."""
    whole = folder / name
    if not whole.exists():
        write_clip(whole, FRAMES, **settings)
    sound = plain_pictures(str(whole))
    with av.open(str(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    times = sorted(packet.pts for packet in packets if packet.pts is not None)
    shown = [times.index(packet.pts) for packet in packets if packet.pts is not None]
    made_up = 0
    for seed in range(16):
        draw = np.random.default_rng(seed)
        number = int(draw.integers(FRAMES - 5))
        hit = packets[number]
        assert hit.pos is not None
        data = bytearray(whole.read_bytes())
        spoil_content(data, hit.pos, hit.size, draw)
        path = folder / f"content-{seed}-{name}"
        path.write_bytes(data)
        refused = number if name.startswith("ffv1") else strictly_refused(str(path))  # FFV1 has checksums
        if refused is None:
            continue  # it decodes without an error: nothing tells it from what was encoded
        made_up += 1
        for result in read_each(str(path), "fail"):
            if isinstance(result, RawCrops) and result.row in shown[refused:]:
                assert np.array_equal(result.images[0], sound[result.row]), (seed, result.row)
    assert made_up >= 5


@pytest.mark.parametrize(("name", "settings", "damage"), PAIRS)
def test_what_is_read_together_does_not_change_the_answer(
    name: str, settings: dict[str, Any], damage: Damage, folder: Path
) -> None:
    uri = damaged_file(folder, name, settings, damage)
    together = one_by_one(uri, "fail")
    for first in (25, HIT - 3, HIT + 2, 58, 62, FRAMES - 1):
        tables._tables.clear()
        wanted = range(first, min(first + 4, FRAMES))
        for again in (wanted, wanted):  # the second time what is known of the file is another
            assert one_by_one(uri, "fail", frames=again) == {k: together[k] for k in again}


def spoil_headers(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Some bytes of a packet's header, or just before it, are others."""
    place = places[int(draw.integers(10, FRAMES - 5))]
    for _ in range(int(draw.integers(1, 12))):
        data[place - int(draw.integers(-6, 24))] = int(draw.integers(256))


def spoil_cluster(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Some bytes of the header of a Matroska cluster are others."""
    clusters = [match.start() for match in re.finditer(b"\x1f\x43\xb6\x75", data)]
    for _ in range(int(draw.integers(1, 6))):
        data[clusters[int(draw.integers(len(clusters)))] + int(draw.integers(16))] = int(draw.integers(256))


def lose_packets(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Bytes are missing, of one frame or of several."""
    place = places[int(draw.integers(10, FRAMES - 5))]
    del data[place : place + int(draw.integers(1, 3000))]


def spoil_anywhere(data: bytearray, places: list[int], draw: np.random.Generator) -> None:
    """Some bytes are others, wherever they are."""
    place = int(draw.integers(places[10], len(data) - 200))
    length = int(draw.integers(1, 60))
    data[place : place + length] = bytes(draw.integers(256, size=length, dtype=np.uint8))


@pytest.mark.parametrize(
    ("name", "settings", "spoil"),
    [
        ("h264.mkv", H264, spoil_headers),
        ("h264.mkv", H264, spoil_cluster),
        ("vp9.webm", VP9, spoil_headers),
        ("vp9.webm", VP9, spoil_cluster),
        ("h264.flv", H264, spoil_headers),
        ("h264.ts", H264, lose_packets),
        ("h264.ts", H264, spoil_anywhere),
        ("wmv2.asf", WMV2, lose_packets),
        ("mpeg2.mxf", MPEG2, lose_packets),
        ("mpeg2.mxf", MPEG2, spoil_anywhere),
    ],
)
def test_frames_that_a_demuxer_passes_over_are_never_miscounted(
    name: str, settings: dict[str, Any], spoil: Callable[..., None], folder: Path
) -> None:
    whole = folder / name
    if not whole.exists():
        write_clip(whole, FRAMES, **settings)
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    failures = 0
    for seed in range(10):
        data = bytearray(whole.read_bytes())
        spoil(data, places, np.random.default_rng(seed))
        path = folder / f"{spoil.__name__}-{seed}-{name}"
        path.write_bytes(data)
        found = one_by_one(str(path), "fail")
        assert {k: shown for k, shown in found.items() if shown != k and not isinstance(shown, FailureCode)} == {}, seed
        failures += any(isinstance(shown, FailureCode) for shown in found.values())
    assert failures >= 4


@pytest.mark.parametrize(("name", "settings", "damage"), PAIRS)
def test_on_request_damaged_frames_are_used_as_they_come(
    name: str, settings: dict[str, Any], damage: Damage, folder: Path
) -> None:
    uri = damaged_file(folder, name, settings, damage)
    strict, lenient = one_by_one(uri, "fail"), one_by_one(uri, "use")
    for k, shown in strict.items():
        if not isinstance(shown, FailureCode):
            assert lenient[k] == shown
    used = [
        k for k, shown in lenient.items() if isinstance(strict[k], FailureCode) and not isinstance(shown, FailureCode)
    ]
    assert used or damage is cut


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.avi", "h264.ts", "h264.flv"])
def test_where_the_first_frame_is_damaged_the_second_key_frame_is_not_taken_for_frame_0(
    name: str, folder: Path
) -> None:
    whole = folder / name
    if not whole.exists():
        write_clip(whole, FRAMES, **(FASTSTART if name.endswith("mp4") else H264))
    with av.open(str(whole)) as container:
        first = next(packet for packet in container.demux(video=0) if packet.size)
    assert first.pos is not None
    data = bytearray(whole.read_bytes())
    erase(data, first.pos, first.size)
    path = folder / f"start-{name}"
    path.write_bytes(data)
    found = one_by_one(str(path), "fail")
    assert {k: shown for k, shown in found.items() if shown != k and not isinstance(shown, FailureCode)} == {}
    assert isinstance(found[0], FailureCode)


def test_what_is_missing_is_replaced_on_request_by_the_nearest_sampled_frame(folder: Path) -> None:
    uri = damaged_file(folder, "h264.mp4", FASTSTART, cut)
    wanted = [Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray([10, 20, 60, 70], np.int32))]
    (failed,) = DecodeStage(None, Sampling("all"))(wanted)
    assert isinstance(failed, Failure)
    assert failed.code is FailureCode.VIDEO_DAMAGED
    assert "frame 60 is missing" in failed.message
    (used,) = DecodeStage(None, Sampling("all"), DecodeOptions(damaged="use"))(wanted)
    assert isinstance(used, RawCrops)
    assert used.sampled_frames.tolist() == [10, 20, 20, 20]
    assert [read(image) for image in used.images] == [10, 20, 20, 20]


def test_a_frame_past_the_end_of_a_sound_video_fails_whatever_the_policy(folder: Path) -> None:
    uri = str(write_clip(folder / "sound.mp4", 20))
    wanted = [Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray([10, 20], np.int32))]
    (failed,) = DecodeStage(None, Sampling("all"), DecodeOptions(damaged="use"))(wanted)
    assert isinstance(failed, Failure)
    assert failed.code is FailureCode.FRAME_OUT_OF_RANGE
    assert failed.message == f"frame 20 is beyond the end: {uri} has 20 frames (0 to 19)"


def test_a_file_whose_header_is_not_yet_written_is_unreadable(folder: Path) -> None:
    whole = write_clip(folder / "unfinished.mp4", 20).read_bytes()
    (folder / "unfinished.mp4").write_bytes(whole[: whole.index(b"moov") - 100])
    wanted = [Tracklet(0, "t", video_uri=str(folder / "unfinished.mp4"), frame_indices=np.asarray([0], np.int32))]
    (failed,) = DecodeStage(None, Sampling())(wanted)
    assert isinstance(failed, Failure)
    assert failed.code is FailureCode.VIDEO_UNREADABLE


@pytest.mark.parametrize(
    ("name", "settings"),
    [("h264.avi", H264), ("h264.mkv", H264), ("h264.ts", H264), ("h264.flv", H264), ("mpeg2.mxf", MPEG2)],
)
def test_the_last_frames_of_a_file_that_was_cut_off_are_never_others(
    name: str, settings: dict[str, Any], folder: Path
) -> None:
    """What a decoder still holds when a file ends may be shown after frames that are missing."""
    whole = folder / name
    if not whole.exists():
        write_clip(whole, FRAMES, **settings)
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    for number in range(HIT, HIT + 7):
        for end in (places[number] - 30, places[number] + 60):
            path = folder / f"cut-{end}-{name}"
            path.write_bytes(whole.read_bytes()[:end])
            found = one_by_one(str(path), "fail")
            read_well = [k for k, shown in found.items() if not isinstance(shown, FailureCode)]
            assert read_well == list(range(len(read_well)))
            assert len(read_well) >= SOUND
            assert {k: shown for k, shown in found.items() if shown != k and k in read_well} == {}, (number, end)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("together", [True, False])
def test_a_clip_that_was_cut_without_coding_it_again_is_sound_to_its_end(
    tmp_path: Path, suffix: str, together: bool
) -> None:
    """The last pictures in order of decoding are missing, so that the clip's times have a hole near its end."""
    whole = write_clip(tmp_path / "whole.mp4", 60, options={"g": "60", "bf": "3", "b-adapt": "0", "sc_threshold": "0"})
    clip = tmp_path / f"clip.{suffix}"
    with av.open(str(whole)) as given, av.open(str(clip), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.size][:-6]
        for packet in packets:
            packet.stream = stream
            taken.mux(packet)
    with av.open(str(clip)) as container:
        shown = [read(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert any(after - before > 1 for before, after in pairwise(shown)), "there is no hole"
    wanted = [
        Tracklet(i, str(i), video_uri=str(clip), frame_indices=np.array([i], np.int32)) for i in range(len(shown))
    ]
    stage = DecodeStage(None, Sampling(frames=1))
    calls = [wanted] if together else [[tracklet] for tracklet in wanted[-4:]]
    for call in calls:
        for result in stage(call):
            assert isinstance(result, RawCrops), result
            assert read(result.images[0]) == shown[result.row]
